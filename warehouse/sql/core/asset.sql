-- Assets as their events state them, with what is booked of each: embodied emissions of all units, and service life.
-- grain: asset    keys: asset_id    units: kgCO2e, h
-- inputs: raw.asset_event, ref.hardware_embodied, ref.service_life, ref.facility, hardware_name (temporary)
-- $supplier_low, $supplier_high: interval of a supplier's statement, as multiples of it
--
-- A supplier's statement (of one unit) outranks the factor of the hardware model, which outranks the archetype of the kind.
-- A facility without a statement is booked by its IT capacity, if that is stated. A server's figure that contains its
-- processors is booked without those that are assets themselves. What has no figure or no life is not known, never 0.
with last as (
    select event.asset_id,
        arg_max(event.kind, (ts_ms, event.event)) as kind,
        arg_max(event.hardware_model, (ts_ms, event.event)) as hardware_model,
        arg_max(hardware_name.hardware_key, (ts_ms, event.event)) as hardware_key,
        arg_max(event.host, (ts_ms, event.event)) filter (where event.host is not null) as host,
        arg_max(event.device, (ts_ms, event.event)) filter (where event.device is not null) as device,
        arg_max(event.facility, (ts_ms, event.event)) filter (where event.facility is not null) as facility,
        arg_max(event.parent_asset, (ts_ms, event.event)) filter (where event.parent_asset is not null) as parent_asset,
        arg_max(event.quantity, (ts_ms, event.event)) as quantity,
        arg_max(event.supplier_kgco2e, (ts_ms, event.event)) filter (where event.supplier_kgco2e is not null)
            as supplier_kgco2e,
        min(ts_ms) as first_ms,
        min(ts_ms) filter (where event.event = 'purchased') as purchased_ms,
        min(ts_ms) filter (where event.event = 'in_service') as in_service_ms,
        case when arg_max(event.event, (ts_ms, event.event)) = 'retired' then max(ts_ms) end as retired_ms
    from lake.raw.asset_event as event
    join hardware_name using (hardware_model)
    group by event.asset_id
),
asset as (
    select *, if(kind = 'facility', 'building', kind) as factor_kind,
        coalesce(sum(quantity) filter (where kind = 'accelerator' and retired_ms is null) over (partition by host), 0)
            as accelerators_n
    from last
),
factor as (
    select unnest(hardware_keys) as hardware_key, * exclude (hardware_keys)
    from lake.ref.hardware_embodied
    where known_to is null and is_selected
),
archetype as (select distinct on (factor_id) * from factor where hardware_model[1] = '*' order by factor_id),
capacity as (select facility, it_capacity_kw from lake.ref.facility where known_to is null),
stated_life as (
    select asset.asset_id, life.life_h
    from asset
    join lake.ref.service_life as life
        on life.kind = asset.kind and (life.hardware_key is null or life.hardware_key = asset.hardware_key)
    where life.known_to is null and life.applies_from is null
    qualify row_number() over (
        partition by asset.asset_id order by life.hardware_key is null, life.position
    ) = 1
),
booked as (
    select asset.*,
        case
            when supplier_kgco2e is not null then 'supplier_statement'
            else coalesce(exact.factor_id, generic.factor_id)
        end as factor_id,
        case when supplier_kgco2e is not null then 'T2' else coalesce(exact.tier, generic.tier) end as tier,
        case when asset.factor_kind = 'building' and supplier_kgco2e is null then capacity.it_capacity_kw
            else asset.quantity end as units,
        case when supplier_kgco2e is not null then supplier_kgco2e * $supplier_low
            else coalesce(exact.low_kgco2e, generic.low_kgco2e) end as low_unit,
        case when supplier_kgco2e is not null then supplier_kgco2e
            else coalesce(exact.kgco2e, generic.kgco2e) end as unit,
        case when supplier_kgco2e is not null then supplier_kgco2e * $supplier_high
            else coalesce(exact.high_kgco2e, generic.high_kgco2e) end as high_unit,
        supplier_kgco2e is null and coalesce(exact.includes_cpu, generic.includes_cpu, false) as includes_cpu,
        coalesce(stated_life.life_h, exact.low_life_h, generic.low_life_h) as low_life_h,
        coalesce(stated_life.life_h, exact.life_h, generic.life_h) as life_h,
        coalesce(stated_life.life_h, exact.high_life_h, generic.high_life_h) as high_life_h
    from asset
    left join factor as exact on exact.hardware_key = asset.hardware_key and exact.kind = asset.factor_kind
    left join archetype as generic
        on generic.hardware_model = case
            when asset.kind = 'server' and accelerators_n >= 4 then '*8-accelerator host'
            else '*generic ' || asset.factor_kind
        end
    left join capacity on capacity.facility = asset.facility
    left join stated_life on stated_life.asset_id = asset.asset_id
),
processors as (
    select host, sum(units * low_unit) as low_kg, sum(units * unit) as kg, sum(units * high_unit) as high_kg
    from booked
    where kind = 'cpu' and host is not null
    group by host
),
-- greatest() takes no notice of NULL: what is not known would become 0.
total as (
    select booked.*,
        case when units * low_unit is not null then greatest(units * low_unit - coalesce(inside.low_kg, 0), 0) end as low_kg,
        case when units * unit is not null then greatest(units * unit - coalesce(inside.kg, 0), 0) end as kg,
        case when units * high_unit is not null then greatest(units * high_unit - coalesce(inside.high_kg, 0), 0) end as high_kg
    from booked
    left join processors as inside on inside.host = booked.host and booked.kind = 'server' and booked.includes_cpu
)
select
    asset_id, kind,
    case kind when 'accelerator' then 'chip' when 'cpu' then 'chip' when 'facility' then 'building' else 'server' end
        as level,
    hardware_model, hardware_key, host, device, facility, parent_asset, quantity,
    make_timestamptz(1000 * least(coalesce(purchased_ms, first_ms), in_service_ms)) as acquired_at,
    make_timestamptz(1000 * in_service_ms) as in_service_at,
    make_timestamptz(1000 * retired_ms) as retired_at,
    low_kg as low_kgco2e, kg as kgco2e, high_kg as high_kgco2e,
    low_life_h, life_h, high_life_h,
    case when kg is not null then factor_id end as factor_id,
    case when kg is not null and life_h is not null then tier else 'missing' end as quality_tier
from total
order by asset_id

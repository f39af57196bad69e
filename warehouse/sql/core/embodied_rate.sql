-- Embodied emissions per second of one device: chip, server and building, straight line over the service life.
-- grain: host x device x component x factor    keys: the same    units: gCO2e/s
-- inputs: core.job_energy, core.energy_segment, raw.asset_event, ref.host_hardware, ref.hardware_embodied,
--         hardware_name (temporary)    $day: the day to compute; $day_end_ms: its end
--
-- Hardware is known from asset events, else from the configuration, else it is the archetype of its kind (tier T4). Server
-- and building are carried by the devices that lead a host (the node meter or what it leaves beside metered parts, else
-- accelerators, else processors), in equal parts. Parts of an accelerator that are shown in its place (MIG) are one chip
-- together. Chips stand on the node's row only where no accelerator of the host is shown by itself. Processors shown as
-- chips are taken out of a server figure that contains them. Hardware without any factor gives a row without a figure.
with container as (
    select host, device, max(parent) as parent
    from lake.core.energy_segment
    where day = $day and parent is not null and kind in ('gpu', 'accelerator')
    group by host, device
),
shown as (
    select host, device, max(kind) as kind,
        case max(kind) when 'node' then 3 when 'gpu' then 2 when 'accelerator' then 2 when 'cpu' then 1 else 0 end as rank
    from lake.core.job_energy
    where day = $day
    group by host, device
),
-- A seat is a piece of hardware: a container and its parts, or the node meter and host_other, share one and take turns.
seen as (
    select shown.*,
        coalesce(container.parent, device) as seat,
        case when container.parent is null then 1.0
            else 1.0 / count(*) over (partition by host, container.parent) end as seat_part
    from shown
    left join container using (host, device)
),
leader as (
    select host, max(rank) as rank,
        count(distinct case when kind in ('gpu', 'accelerator') then seat end) as accelerators_n
    from seen
    group by host
),
seats as (
    select host, count(distinct seat) filter (where device <> 'host_other') as seats_n
    from seen
    join leader using (host, rank)
    group by host
),
lead_device as (
    select host, device, case when device = 'host_other' then 1.0 else seat_part / seats_n end as part
    from seen
    join leader using (host, rank)
    join seats using (host)
    where seen.rank > 0
),
-- What the events of an asset say of it last; an event need not repeat where the asset stands.
asset as (
    select event.asset_id,
        arg_max(event.host, (event.ts_ms, event.event)) filter (where event.host is not null) as host,
        arg_max(event.device, (event.ts_ms, event.event)) filter (where event.device is not null) as device,
        arg_max(event.kind, (event.ts_ms, event.event)) as kind,
        arg_max(hardware_name.hardware_key, (event.ts_ms, event.event)) as hardware_key,
        arg_max(event.quantity, (event.ts_ms, event.event)) as quantity
    from lake.raw.asset_event as event
    join hardware_name using (hardware_model)
    where event.ts_ms < $day_end_ms
    group by event.asset_id
    having arg_max(event.event, (event.ts_ms, event.event)) <> 'retired'
),
stated as (
    select host, arg_min(struct_pack(accelerator_key, accelerators_n, server_key, nameplate_kw), position) as hardware
    from (select distinct host from seen) as hosts
    join (
        select * exclude (hosts), unnest(hosts) as pattern from lake.ref.host_hardware where known_to is null
    ) as entry on hosts.host glob entry.pattern
    group by host
),
factor as (
    select unnest(hardware_keys) as hardware_key, factor_id, hardware_model, kind, tier, includes_cpu, nameplate_kw,
        1e3 * low_kgco2e / (high_life_h * 3600) as low_g_per_s,
        1e3 * kgco2e / (life_h * 3600) as g_per_s,
        1e3 * high_kgco2e / (low_life_h * 3600) as high_g_per_s
    from lake.ref.hardware_embodied
    where known_to is null and is_selected
),
archetype as (select * from factor where hardware_model[1] = '*'),
host_accelerators as (
    select leader.host,
        coalesce(
            sum(asset.quantity) filter (where asset.kind = 'accelerator'),
            any_value(stated.hardware.accelerators_n),
            any_value(leader.accelerators_n)
        ) as accelerators_n
    from leader
    left join asset using (host)
    left join stated using (host)
    group by leader.host
),
-- Chips metered one by one: accelerators everywhere, processors where they lead the host.
own_chip as (
    select seen.host, seen.device,
        case when seen.kind = 'cpu' then 'cpu' else 'accelerator' end as kind,
        coalesce(
            any_value(asset.hardware_key),
            case when any_value(seen.kind) <> 'cpu' then any_value(stated.hardware.accelerator_key) end
        ) as hardware_key,
        any_value(seen.seat_part) as quantity
    from seen
    join leader using (host)
    left join asset on asset.host = seen.host and asset.device = seen.seat
    left join stated on stated.host = seen.host
    where seen.kind in ('gpu', 'accelerator') or (seen.kind = 'cpu' and leader.rank = 1)
    group by seen.host, seen.device, seen.kind
),
-- Chips behind a node meter: those of the asset list, else those that the configuration states.
unseen as (
    select lead_device.*
    from lead_device
    join leader using (host)
    where leader.rank = 3 and accelerators_n = 0
),
node_chip as (
    select unseen.host, unseen.device, asset.kind, asset.hardware_key, part * asset.quantity as quantity
    from unseen
    join asset on asset.host = unseen.host and asset.kind = 'accelerator'
    union all
    select unseen.host, unseen.device, 'accelerator', stated.hardware.accelerator_key, part * stated.hardware.accelerators_n
    from unseen
    join stated using (host)
    where stated.hardware.accelerator_key is not null
        and not exists (select 1 from asset where asset.host = unseen.host and asset.kind = 'accelerator')
    union all
    select unseen.host, unseen.device, 'unknown', null, part
    from unseen
    left join stated using (host)
    where stated.hardware.accelerator_key is null
        and not exists (select 1 from asset where asset.host = unseen.host and asset.kind = 'accelerator')
),
chip as (
    select held.host, held.device, 'chip' as component,
        held.quantity * coalesce(exact.low_g_per_s, generic.low_g_per_s) as low_g_per_s,
        held.quantity * coalesce(exact.g_per_s, generic.g_per_s) as g_per_s,
        held.quantity * coalesce(exact.high_g_per_s, generic.high_g_per_s) as high_g_per_s,
        coalesce(exact.factor_id, generic.factor_id) as factor_id,
        coalesce(exact.tier, generic.tier) as tier,
        held.kind
    from (select * from own_chip union all select * from node_chip) as held
    left join factor as exact on exact.hardware_key = held.hardware_key and exact.kind = held.kind
    left join (select distinct on (factor_id) * from archetype order by factor_id) as generic
        on generic.hardware_model = '*generic ' || held.kind
),
shown_apart as (
    select host, sum(low_g_per_s) as low_g_per_s, sum(g_per_s) as g_per_s, sum(high_g_per_s) as high_g_per_s
    from chip
    where kind = 'cpu'
    group by host
),
host_server as (
    select leader.host,
        coalesce(any_value(stated.hardware.server_key), any_value(asset.hardware_key)) as hardware_key,
        case when any_value(host_accelerators.accelerators_n) >= 4 then '*8-accelerator host' else '*generic server' end
            as archetype_model,
        any_value(stated.hardware.nameplate_kw) as nameplate_kw
    from leader
    join host_accelerators using (host)
    left join stated using (host)
    left join asset on asset.host = leader.host and asset.kind = 'server'
    group by leader.host
),
server as (
    select host_server.host,
        coalesce(exact.low_g_per_s, generic.low_g_per_s) as low_g_per_s,
        coalesce(exact.g_per_s, generic.g_per_s) as g_per_s,
        coalesce(exact.high_g_per_s, generic.high_g_per_s) as high_g_per_s,
        coalesce(exact.includes_cpu, generic.includes_cpu) as includes_cpu,
        coalesce(exact.factor_id, generic.factor_id) as factor_id,
        coalesce(exact.tier, generic.tier) as tier,
        coalesce(host_server.nameplate_kw, exact.nameplate_kw, generic.nameplate_kw) as nameplate_kw
    from host_server
    left join factor as exact on exact.hardware_key = host_server.hardware_key and exact.kind = 'server'
    left join (select distinct on (factor_id) * from archetype order by factor_id) as generic
        on generic.hardware_model = host_server.archetype_model
),
building as (select distinct on (factor_id) * from archetype where hardware_model = '*generic building' order by factor_id)
select host, device, component, low_g_per_s, g_per_s, high_g_per_s, factor_id, tier from chip
union all
select lead_device.host, lead_device.device, 'server',
    part * greatest(server.low_g_per_s - case when includes_cpu then coalesce(shown_apart.low_g_per_s, 0) else 0 end, 0),
    part * greatest(server.g_per_s - case when includes_cpu then coalesce(shown_apart.g_per_s, 0) else 0 end, 0),
    part * greatest(server.high_g_per_s - case when includes_cpu then coalesce(shown_apart.high_g_per_s, 0) else 0 end, 0),
    server.factor_id, server.tier
from lead_device
join server using (host)
left join shown_apart using (host)
union all
select lead_device.host, lead_device.device, 'building',
    part * server.nameplate_kw * building.low_g_per_s, part * server.nameplate_kw * building.g_per_s,
    part * server.nameplate_kw * building.high_g_per_s,
    case when server.nameplate_kw is not null then building.factor_id end,
    case when server.nameplate_kw is not null then building.tier end
from lead_device
join server using (host)
cross join building
union all
-- No verified figure for network equipment is published: the row says so.
select host, device, 'server', null, null, null, null, null from seen where kind = 'switch'

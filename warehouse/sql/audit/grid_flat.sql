-- check: grid_flat    severity: minor    blocking: no    scope: day    asset: core.grid_factor
-- A series that otherwise varies states one value for 12 hours or more: the provider repeats its last figure.
-- grain: day x series    units: h, gCO2e/kWh
-- inputs: core.grid_factor, ref.grid_intensity    $first_day, $last_day: days to check; $first_ms, $end_ms: their bounds
-- $flat_h: shortest run that is suspected
--
-- A day around the checked ones is read, so that a run across midnight is seen whole; a week before, to tell a flat line from
-- a grid that is flat by nature (hydro power): outside of the runs at least every other value must differ from the one before.
with named_value as (select 86400000 as day_ms, 0.5 as least_change_fraction, 24 as fewest_values_n),
zone as (
    select distinct zone
    from lake.core.grid_factor
    where day between $first_day and $last_day
),
stated as (
    select value.zone, provider, factor_set, kind, basis, flow, factor_id, gco2e_per_kwh,
        epoch_ms(valid_from) as start_ms, epoch_ms(valid_to) as end_ms
    from lake.ref.grid_intensity as value
    semi join zone using (zone)
    cross join named_value
    where known_to is null
        and tier in ('zone_slot_measured', 'zone_slot_estimated')
        and valid_from >= make_timestamptz(($first_ms - 7 * day_ms) * 1000)
        and valid_from < make_timestamptz(($end_ms + day_ms) * 1000)
),
-- A gap between two values ends a run: what lies in it is not known.
marked as (
    select *,
        coalesce(gco2e_per_kwh <> lag(gco2e_per_kwh) over series, false) as is_change,
        coalesce(gco2e_per_kwh <> lag(gco2e_per_kwh) over series or start_ms > lag(end_ms) over series, true) as is_first
    from stated
    window series as (partition by factor_id order by start_ms, end_ms)
),
numbered as (
    select *, sum(cast(is_first as integer)) over (partition by factor_id order by start_ms, end_ms) as run
    from marked
),
run as (
    select zone, provider, factor_set, kind, basis, flow, factor_id, run, any_value(gco2e_per_kwh) as gco2e_per_kwh,
        min(start_ms) as start_ms, max(end_ms) as end_ms, count(*) as values_n, bool_or(is_change) as is_change,
        max(end_ms) - min(start_ms) >= 3600000 * $flat_h as is_flat
    from numbered
    group by all
),
varying as (
    select factor_id
    from run
    cross join named_value
    where not is_flat
    group by factor_id, least_change_fraction, fewest_values_n
    having sum(values_n) >= fewest_values_n
        and count(*) filter (where is_change) >= least_change_fraction * sum(values_n)
),
touched as (
    select run.*,
        unnest(range(greatest(start_ms, $first_ms) // day_ms, (least(end_ms, $end_ms) - 1) // day_ms + 1)) as day_n
    from run
    semi join varying using (factor_id)
    cross join named_value
    where is_flat and start_ms < $end_ms and end_ms > $first_ms
)
select
    cast(make_timestamp(day_n * day_ms * 1000) as date) || ' ' || zone || ' ' || provider || ' ' || kind || ' ' || basis
        || ' ' || flow || ' ' || factor_set as entity,
    string_agg(
        gco2e_per_kwh || ' g/kWh from ' || strftime(make_timestamp(start_ms * 1000), '%Y-%m-%d %H:%M') || 'Z for '
        || if(end_ms - start_ms >= day_ms, 'a day or more', round((end_ms - start_ms) / 3.6e6, 2) || ' h'),
        ', ' order by start_ms
    ) as observed,
    'another value within ' || $flat_h || ' h' as expected
from touched
cross join named_value
group by day_n, day_ms, zone, provider, kind, basis, flow, factor_set
order by entity

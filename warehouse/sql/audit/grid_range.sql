-- check: grid_range    severity: major    blocking: no    scope: day    asset: core.grid_factor
-- No average intensity in use may lie outside of 0 to 1,500 g/kWh: one that does is in another unit or of another kind.
-- grain: day x zone x series    units: gCO2e/kWh
-- inputs: core.grid_factor, ref.grid_intensity    $first_day, $last_day: days to check; $first_ms, $end_ms: their bounds
-- $highest_g_per_kwh: highest plausible average
--
-- The mean that was applied to a slot may hide a wrong value of a shorter interval, so those are looked at as well.
with used as (
    select day, zone, factor_id, gco2e_per_kwh
    from lake.core.grid_factor
    where day between $first_day and $last_day and factor_id is not null
),
stated as (
    select cast(valid_from at time zone 'UTC' as date) as day, zone, factor_id, gco2e_per_kwh
    from lake.ref.grid_intensity as value
    semi join used using (zone, factor_id)
    where known_to is null
        and tier in ('zone_slot_measured', 'zone_slot_estimated')
        and valid_from >= make_timestamptz($first_ms * 1000) and valid_from < make_timestamptz($end_ms * 1000)
),
outside as (
    select * from (from used union all from stated)
    where not coalesce(gco2e_per_kwh between 0 and $highest_g_per_kwh, false)
)
select
    day || ' ' || zone || ' ' || factor_id as entity,
    'values from ' || round(min(gco2e_per_kwh), 3) || ' to ' || round(max(gco2e_per_kwh), 3) || ' g/kWh' as observed,
    '0 to ' || $highest_g_per_kwh || ' g/kWh' as expected
from outside
group by day, zone, factor_id
order by entity

-- check: facility_without_pue    severity: minor    blocking: no    scope: day    asset: core.emission
-- The overhead of a place without a power usage effectiveness is not known: facility energy and its emissions are missing.
-- grain: day x facility    units: kWh
-- inputs: core.emission    $first_day, $last_day: days to check
select
    day || ' ' || coalesce(facility, 'unknown place') as entity,
    round(coalesce(exact_sum(case when component = 'it' then energy_kwh end), 0), 6) || ' kWh without a PUE' as observed,
    'a PUE in the configuration' as expected
from lake.core.emission
where day between $first_day and $last_day and method = 'location'
group by day, facility
having count(*) filter (where component = 'overhead' and energy_kwh is null) > 0
order by entity

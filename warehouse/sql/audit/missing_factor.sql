-- check: missing_factor    severity: major    blocking: no    scope: day    asset: core.emission
-- Rows for which no factor is known, by component; what unmapped_region and facility_without_pue report is left out.
-- grain: day x component x zone    units: kWh, h
-- inputs: core.emission    $first_day, $last_day: days to check
select
    day || ' ' || component || ' in ' || coalesce(zone, 'an unknown zone') as entity,
    case method
        when 'location' then round(exact_sum(energy_kwh), 6) || ' kWh'
        else round(exact_sum(device_s) / 3600, 4) || ' device-hours'
    end || ' without a factor' as observed,
    'a factor for every row' as expected
from lake.core.emission
where day between $first_day and $last_day
    and quality_tier = 'missing'
    and method in ('location', 'amortised')
    and not (method = 'location' and (zone is null or energy_kwh is null))
group by day, component, zone, method
order by entity

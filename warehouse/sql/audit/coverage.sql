-- check: coverage    severity: major    blocking: no    scope: day    asset: core.device_energy
-- A device whose readings leave out more of a day than may be material has energy that nobody measured.
-- grain: day x host x device x point    units: fraction
-- inputs: core.device_energy
-- $first_day, $last_day: days to check; $min_coverage: least share of the device's time covered by readings
select
    day || ' ' || host || '/' || device || '/' || point as entity,
    round(exact_sum(measured_s) / (exact_sum(measured_s) + exact_sum(gap_s)), 4) || ' of the time' as observed,
    'at least ' || $min_coverage as expected
from lake.core.device_energy
where day between $first_day and $last_day and in_total
group by day, host, device, point
having exact_sum(measured_s) < $min_coverage * (exact_sum(measured_s) + exact_sum(gap_s))
order by entity

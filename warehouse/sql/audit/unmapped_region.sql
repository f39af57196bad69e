-- check: unmapped_region    severity: major    blocking: no    scope: day    asset: core.job_energy
-- Energy of a host without a grid zone has no operational emissions: the total is too small by an unknown amount.
-- grain: day x host    units: kWh
-- inputs: core.job_energy    $first_day, $last_day: days to check
select
    day || ' ' || host as entity,
    round(exact_sum(energy_j) / 3.6e6, 6) || ' kWh without a grid zone' as observed,
    'a facility with a zone whose host patterns match, or a known cloud region' as expected
from lake.core.job_energy
where day between $first_day and $last_day and zone is null
group by day, host
having exact_sum(energy_j) > 0
order by entity

-- check: grid_other_basis    severity: major    blocking: no    scope: day    asset: core.grid_factor
-- Energy whose factor has another basis than the configuration wants: lifecycle and operational figures are not comparable.
-- grain: day x zone x basis    units: kWh
-- inputs: core.job_slot, core.grid_factor    $first_day, $last_day: days to check; $basis: wanted basis
select
    day || ' ' || zone as entity,
    round(exact_sum(energy_j) / 3.6e6, 6) || ' kWh with ' || string_agg(distinct basis, ', ' order by basis) || ' factors'
        as observed,
    'factors of basis ' || $basis as expected
from lake.core.job_slot
join lake.core.grid_factor as factor using (day, zone, slot_start)
where day between $first_day and $last_day and basis <> $basis
group by day, zone
having exact_sum(energy_j) > 0
order by entity

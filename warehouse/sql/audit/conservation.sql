-- check: conservation    severity: critical    blocking: yes    scope: day    asset: core.job_energy
-- Jobs + idle + unallocated must equal the device total for every device and hour.
-- grain: host x device x point x hour    units: J
-- inputs: core.job_energy, core.device_energy
-- $first_day, $last_day: days to check; $tolerance: relative difference allowed
with allocated as (
    select day, host, device, point, hour_start, exact_sum(energy_j) as energy_j
    from lake.core.job_energy
    where day between $first_day and $last_day
    group by all
),
metered as (
    select day, host, device, point, date_trunc('hour', slot_start) as hour_start, exact_sum(counted_j) as energy_j
    from lake.core.device_energy
    where day between $first_day and $last_day and in_total
    group by all
)
select
    day || ' ' || strftime(hour_start, '%H:%M') || ' ' || host || '/' || device || '/' || point as entity,
    coalesce(cast(allocated.energy_j as varchar), 'none') || ' J' as observed,
    coalesce(cast(metered.energy_j as varchar), 'none') || ' J' as expected
from metered
full join allocated using (day, host, device, point, hour_start)
where not coalesce(
    abs(allocated.energy_j - metered.energy_j) <= $tolerance * greatest(abs(metered.energy_j), 1.0), false
)
order by abs(coalesce(allocated.energy_j, 0) - coalesce(metered.energy_j, 0)) desc, entity

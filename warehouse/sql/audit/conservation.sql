-- check: conservation    severity: critical    blocking: yes
-- Jobs + idle + unallocated must equal the device total for every device and hour.
-- grain: host x device x point x hour    units: J
-- inputs: core.job_energy, core.energy_segment    $day: day to check; $tolerance: relative difference allowed
with allocated as (
    select host, device, point, hour_start, exact_sum(energy_j) as energy_j
    from lake.core.job_energy
    where day = $day
    group by all
),
metered as (
    select host, device, point, date_trunc('hour', slot_start) as hour_start, exact_sum(energy_j) as energy_j
    from lake.core.energy_segment
    where day = $day and in_total
    group by all
)
select
    metered.host || '/' || metered.device || '/' || metered.point || ' ' || metered.hour_start as entity,
    coalesce(cast(allocated.energy_j as varchar), 'none') as observed,
    cast(metered.energy_j as varchar) as expected
from metered
full join allocated using (host, device, point, hour_start)
where not coalesce(
    abs(allocated.energy_j - metered.energy_j) <= $tolerance * greatest(abs(metered.energy_j), 1.0), false
)
order by abs(coalesce(allocated.energy_j, 0) - coalesce(metered.energy_j, 0)) desc

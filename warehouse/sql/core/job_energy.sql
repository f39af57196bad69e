-- Energy of one job on one device in one hour, with rows for idle and unallocated energy.
-- grain: hour x allocation x basis x job x attempt x phase x host x device x point    keys: the same    units: J, s
-- inputs: job_piece (temporary)
select
    day, hour_start, allocation, basis, job_id, attempt, phase, host, device, point, kind, facility, zone,
    max(source) as source,
    exact_sum(energy_j) as energy_j,
    exact_sum(measured_s) as measured_s,
    exact_sum(gap_s) as gap_s,
    exact_sum(estimated_j) as estimated_j,
    exact_sum(counter_j) as counter_j,
    exact_sum(covered_s) as covered_s
from job_piece
group by all
order by hour_start, host, device, point, allocation, basis, job_id, attempt, phase

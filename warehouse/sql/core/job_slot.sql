-- Energy of one job, or idle or unallocated energy, at one place in one slot: what grid factors are applied to.
-- grain: slot x allocation x job x attempt x phase x facility x zone x energy source    keys: the same    units: J, s
-- inputs: job_piece (temporary)    $step_ms: length of a slot
select
    day, hour_start, slot_start, cast($step_ms // 1000 as integer) as slot_s,
    allocation, job_id, attempt, phase, facility, zone, source as energy_source,
    exact_sum(energy_j) as energy_j
from job_piece
group by all
order by slot_start, allocation, job_id, attempt, phase, facility, zone, source

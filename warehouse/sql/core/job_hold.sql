-- Which job holds which device of which host from when to when, in which phase.
-- grain: job x attempt x phase x host x device x start    keys: the same    units: ms, fraction
-- inputs: core.job_phase, raw.job_device    $day_start_ms, $day_end_ms: bounds of the day to compute
select
    held.job_id, held.attempt, phase.phase, held.host, held.device,
    greatest(held.start_ms, phase.start_ms) as start_ms,
    least(coalesce(held.end_ms, phase.end_ms), phase.end_ms) as end_ms,
    max(held.share_fraction) as share_fraction
from lake.raw.job_device as held
join lake.core.job_phase as phase using (job_id, attempt)
where greatest(held.start_ms, phase.start_ms) < least(coalesce(held.end_ms, phase.end_ms), phase.end_ms)
    and phase.start_ms < $day_end_ms
    and phase.end_ms > $day_start_ms
group by all

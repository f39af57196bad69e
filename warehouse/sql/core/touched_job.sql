-- Jobs whose life touches the day: every job attempt with an event or a reservation before its end and one after its start.
-- grain: job x attempt    keys: job_id, attempt
-- inputs: raw.job_event, raw.job_device    $day: the day to compute; $day_start_ms, $day_end_ms: its bounds
select job_id, attempt
from (
    select job_id, attempt, ts_ms as from_ms, ts_ms as to_ms from lake.raw.job_event
    union all
    select job_id, attempt, start_ms, coalesce(end_ms, start_ms) from lake.raw.job_device
) as moment
group by job_id, attempt
having min(from_ms) < $day_end_ms and max(to_ms) >= $day_start_ms

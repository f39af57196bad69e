-- Phases inside a job: from its start and from every change of phase to the next one or the end.
-- grain: job x attempt x start    keys: job_id, attempt, start_ms    units: ms
-- inputs: raw.job_event, new_job (temporary: core.job of these jobs), touched_job (temporary)
-- $first_job_day, $last_job_day: days on which rows of the touched jobs lie; other days are not read
--
-- A job whose end is stamped at or before its start has no phase: its length is not known.
with change as (
    -- Of several changes in the same millisecond the last in the job's life counts; a change stamped before the start
    -- begins at the start.
    select raw.job_id, raw.attempt, greatest(raw.ts_ms, job.start_ms) as start_ms, job.end_ms as job_end_ms,
        arg_max(raw.phase, raw.ts_ms * 2 + cast(raw.event = 'phase_changed' as integer)) as phase
    from lake.raw.job_event as raw
    join new_job as job on job.job_id = raw.job_id and job.attempt = raw.attempt
    semi join touched_job on touched_job.job_id = raw.job_id and touched_job.attempt = raw.attempt
    where raw.day between $first_job_day and $last_job_day
        and raw.event in ('started', 'phase_changed')
        and job.start_ms is not null
    group by all
),
bounded as (
    select *, lead(start_ms) over (partition by job_id, attempt order by start_ms) as next_ms from change
)
select job_id, attempt, phase, start_ms, least(coalesce(next_ms, job_end_ms), job_end_ms) as end_ms
from bounded
where start_ms < least(coalesce(next_ms, job_end_ms), job_end_ms)
order by job_id, attempt, start_ms

-- check: job_without_energy    severity: major    blocking: no    scope: day    asset: mart.job
-- A job that ended and used no energy: its hosts were not measured, or its devices are named otherwise than the readings name them.
-- grain: job x attempt, on the day of its end    units: s
-- inputs: core.job, core.job_energy    $first_day: first day to check; $first_ms, $end_ms: bounds of the days to check
-- $since_day, $since_ms: a month before; a job that began earlier is looked at when all days are audited
--
-- Days before are read only for jobs that used nothing on these days.
with ended as (
    select job_id, attempt, start_ms, end_ms
    from lake.core.job
    where state not in ('submitted', 'running') and end_ms > start_ms
        and end_ms >= $first_ms and end_ms < $end_ms
        and start_ms >= $since_ms
),
silent as (
    select *
    from ended
    anti join (
        select distinct job_id, attempt
        from lake.core.job_energy
        where allocation = 'job' and basis in ('held', 'follows') and day >= $first_day
    ) as energy using (job_id, attempt)
)
select
    cast(make_timestamp(end_ms * 1000) as date) || ' job ' || job_id || ' attempt ' || attempt as entity,
    'no energy in ' || round((end_ms - start_ms) / 1e3, 3) || ' s' as observed,
    'readings of the devices that the job held' as expected
from silent
anti join (
    select distinct job_id, attempt
    from lake.core.job_energy
    semi join silent using (job_id, attempt)
    where allocation = 'job' and basis in ('held', 'follows') and day >= $since_day and day < $first_day
) as energy using (job_id, attempt)
order by entity

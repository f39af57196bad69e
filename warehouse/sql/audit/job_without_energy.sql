-- check: job_without_energy    severity: major    blocking: no    scope: day    asset: mart.job
-- A job that ended and used no energy: its hosts were not measured, or its devices are named otherwise than the readings name them.
-- grain: job x attempt, on the day of its end    units: s
-- inputs: core.job, core.job_energy    $first_ms, $end_ms: bounds of the days to check
-- $since_day, $since_ms: a month before; a job that began earlier is looked at when all days are audited
select
    cast(make_timestamp(job.end_ms * 1000) as date) || ' job ' || job_id || ' attempt ' || attempt as entity,
    'no energy in ' || round((job.end_ms - job.start_ms) / 1e3, 3) || ' s' as observed,
    'readings of the devices that the job held' as expected
from lake.core.job as job
anti join (
    select distinct job_id, attempt
    from lake.core.job_energy
    where allocation = 'job' and basis in ('held', 'follows') and day >= $since_day
) as energy using (job_id, attempt)
where job.state not in ('submitted', 'running') and job.end_ms > job.start_ms
    and job.end_ms >= $first_ms and job.end_ms < $end_ms
    and job.start_ms >= $since_ms
order by entity

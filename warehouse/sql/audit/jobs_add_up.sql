-- check: jobs_add_up    severity: critical    blocking: yes    scope: day    asset: mart.footprint_daily
-- The marts of a day and of a job must equal the sums of the core tables that they are made from.
-- grain: day x measure, job x attempt    units: kWh, kgCO2e
-- inputs: mart.footprint_daily, mart.job, core.job, core.job_day, core.job_energy, core.emission
-- $first_day, $last_day: days to check; $first_ms: their start; $since_day, $since_ms: a month before
-- $tolerance: relative difference allowed
with core_day as (
    select day, exact_sum(energy_j) / 3.6e6 as it_kwh
    from lake.core.job_energy
    where day between $first_day and $last_day
    group by day
),
core_mass as (
    select day, exact_sum(gco2e) / 1e3 as kgco2e
    from lake.core.emission
    where day between $first_day and $last_day and method in ('location', 'amortised')
    group by day
),
mart_day as (
    select day, exact_sum(it_kwh) as it_kwh, exact_sum(total_kgco2e) as kgco2e
    from lake.mart.footprint_daily
    where day between $first_day and $last_day
    group by day
),
-- What jobs used on these days, and what is kept of it for the sums over all their days.
core_job_day as (
    select day, job_id, attempt, exact_sum(energy_j) / 3.6e6 as it_kwh
    from lake.core.job_energy
    where day between $first_day and $last_day and allocation = 'job'
    group by all
),
kept_job_day as (
    select day, job_id, attempt, exact_whole(energy_aj) / 3.6e6 as it_kwh
    from lake.core.job_day
    where day between $first_day and $last_day
    group by all
),
-- A job is checked with the last day on which it has energy; one that began long before when all days are audited.
core_job as (
    select job_id, attempt, max(day) as day, exact_whole(energy_aj) / 3.6e6 as it_kwh
    from lake.core.job_day
    semi join (
        select job_id, attempt from lake.core.job where first_ms >= $since_ms and last_ms >= $first_ms
    ) as recent using (job_id, attempt)
    where day >= $since_day
    group by job_id, attempt
    having max(day) between $first_day and $last_day
),
compared as (
    select day || ' it_kwh' as entity, mart_day.it_kwh as observed, core_day.it_kwh as expected
    from core_day
    full join mart_day using (day)
    union all
    select day || ' total_kgco2e', mart_day.kgco2e, core_mass.kgco2e
    from core_mass
    full join mart_day using (day)
    where mart_day.kgco2e is not null or core_mass.kgco2e is not null
    union all
    select core_job.day || ' it_kwh of job ' || job_id || ' attempt ' || attempt, job.it_kwh, core_job.it_kwh
    from core_job
    left join lake.mart.job as job using (job_id, attempt)
    union all
    select day || ' it_kwh of job ' || job_id || ' attempt ' || attempt, kept_job_day.it_kwh, core_job_day.it_kwh
    from core_job_day
    full join kept_job_day using (day, job_id, attempt)
)
select entity, coalesce(cast(observed as varchar), 'none') as observed, coalesce(cast(expected as varchar), 'none') as expected
from compared
where not coalesce(abs(observed - expected) <= $tolerance * greatest(abs(expected), 1e-9), false)
order by entity

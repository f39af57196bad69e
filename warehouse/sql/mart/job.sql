-- One attempt of a job: energy by boundary, emissions by component, coverage and waste.
-- grain: job x attempt    keys: job_id, attempt    units: kWh, kgCO2e, s
-- inputs: core.job, core.job_energy, core.emission, raw.job_device, raw.work_counter, touched_job (temporary)
-- $organisation: who answers for jobs that name nobody
--
-- A job without any reading has no figures: its energy is not known, and not zero.
with job as (select * from lake.core.job semi join touched_job using (job_id, attempt)),
energy as (
    select job_id, attempt,
        exact_sum(energy_j) / 3.6e6 as it_kwh,
        exact_sum(case when kind in ('gpu', 'accelerator') then energy_j end) / 3.6e6 as accelerator_kwh,
        exact_sum(estimated_j) / 3.6e6 as estimated_kwh,
        exact_sum(measured_s) as measured_s,
        exact_sum(gap_s) as gap_s,
        exact_sum(covered_s) as covered_s,
        count(distinct (host, device, point)) as devices_n
    from lake.core.job_energy
    semi join touched_job using (job_id, attempt)
    where day between $first_job_day and $last_job_day
    group by all
),
-- Devices that the job names but that gave no reading count against its coverage.
reserved as (
    select job_id, attempt, count(distinct (host, device)) as devices_n
    from lake.raw.job_device
    semi join touched_job using (job_id, attempt)
    where device <> '*' and day between $first_job_day and $last_job_day
    group by all
),
mass as (
    select job_id, attempt,
        case when count(*) filter (where component = 'overhead' and energy_kwh is null) = 0
            then exact_sum(case when component in ('it', 'overhead') then energy_kwh end) end as facility_kwh,
        coalesce(exact_sum(case when component = 'it' and gco2e is null then energy_kwh end), 0) as unlocated_kwh,
        exact_sum(case when component = 'it' then gco2e end) / 1e3 as it_kgco2e,
        exact_sum(case when component = 'overhead' then gco2e end) / 1e3 as overhead_kgco2e,
        exact_sum(case when component = 'chip' then gco2e end) / 1e3 as chip_kgco2e,
        exact_sum(case when component = 'server' then gco2e end) / 1e3 as server_kgco2e,
        exact_sum(case when component = 'building' then gco2e end) / 1e3 as building_kgco2e,
        exact_sum(case when component in ('it', 'overhead') then gco2e end) / 1e3 as location_kgco2e,
        exact_sum(case when component in ('chip', 'server', 'building') then gco2e end) / 1e3 as embodied_kgco2e,
        exact_sum(low_gco2e) / 1e3 as low_kgco2e,
        exact_sum(gco2e) / 1e3 as total_kgco2e,
        exact_sum(high_gco2e) / 1e3 as high_kgco2e
    from lake.core.emission
    semi join touched_job using (job_id, attempt)
    where day between $first_job_day and $last_job_day
    group by all
),
work as (
    select job_id, cast(sum(requests_n) as bigint) as requests_n, cast(sum(input_tokens_n) as bigint) as input_tokens_n,
        cast(sum(output_tokens_n) as bigint) as output_tokens_n
    from lake.raw.work_counter
    where job_id in (select job_id from touched_job) and day >= $first_job_day
    group by all
)
select
    job.job_id, job.attempt, coalesce(job.org, $organisation) as org, job.team, job.project, job.model,
    job.model_version, job.task, job.phase,
    phase_group('job', job.phase) as phase_group,
    job.state,
    make_timestamptz(job.start_ms * 1000) as started_at,
    make_timestamptz(job.end_ms * 1000) as ended_at,
    greatest(job.end_ms - job.start_ms, 0) / 1e3 as duration_s,
    energy.accelerator_kwh,
    energy.it_kwh,
    mass.facility_kwh,
    energy.estimated_kwh,
    mass.unlocated_kwh,
    mass.it_kgco2e, mass.overhead_kgco2e, mass.chip_kgco2e, mass.server_kgco2e, mass.building_kgco2e,
    mass.location_kgco2e, cast(null as double) as market_kgco2e, mass.embodied_kgco2e,
    mass.low_kgco2e, mass.total_kgco2e, mass.high_kgco2e,
    coalesce(energy.measured_s, 0) as measured_s,
    coalesce(energy.gap_s, 0) as gap_s,
    least(
        coalesce(energy.covered_s, 0) / nullif(
            greatest(job.end_ms - job.start_ms, 0) / 1e3
            * greatest(coalesce(energy.devices_n, 0), coalesce(reserved.devices_n, 0)),
            0
        ),
        1
    ) as coverage_fraction,
    job.state in ('failed', 'cancelled', 'interrupted', 'timeout') as is_waste,
    job.quality_metric, job.quality_value,
    work.requests_n, work.input_tokens_n, work.output_tokens_n
from job
left join energy using (job_id, attempt)
left join reserved using (job_id, attempt)
left join mass using (job_id, attempt)
left join work using (job_id)
order by job.job_id, job.attempt

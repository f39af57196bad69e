-- One attempt of a job: energy by boundary, emissions by component, coverage and waste.
-- grain: job x attempt    keys: job_id, attempt    units: kWh, kgCO2e, s
-- inputs: core.job, core.job_day, raw.work_counter, touched_job (temporary)
-- $day: the day to compute; $day_start_ms, $day_end_ms: its bounds; $organisation: who answers for jobs that name nobody
-- $first_job_day, $last_job_day: days of the touched jobs; other days are not read
--
-- A job without any reading has no figures: its energy is not known, and not zero.
with job as (
    select *
    from lake.core.job
    semi join touched_job using (job_id, attempt)
    where first_ms < $day_end_ms and last_ms >= $day_start_ms
),
-- A job of one day is read on that day alone.
lasting as (select job_id, attempt from touched_job where first_ms < $day_start_ms or last_ms >= $day_end_ms),
part as (
    select *,
        case when coalesce(it_agco2e, overhead_agco2e) is not null
            then coalesce(it_agco2e, 0) + coalesce(overhead_agco2e, 0) end as operational_agco2e,
        case when coalesce(chip_agco2e, server_agco2e, building_agco2e) is not null
            then coalesce(chip_agco2e, 0) + coalesce(server_agco2e, 0) + coalesce(building_agco2e, 0) end as embodied_agco2e
    from (
        select * from lake.core.job_day semi join touched_job using (job_id, attempt) where day = $day
        union all
        select *
        from lake.core.job_day
        semi join lasting using (job_id, attempt)
        where day between $first_job_day and $last_job_day and day <> $day
    )
),
used as (
    select job_id, attempt, count(distinct series) as devices_n
    from (
        select job_id, attempt, unnest(string_split(devices, chr(10))) as series
        from (select distinct job_id, attempt, devices from part)
    )
    group by job_id, attempt
),
energy as (
    select job_id, attempt,
        exact_whole(energy_aj) / 3.6e6 as it_kwh,
        exact_whole(accelerator_aj) / 3.6e6 as accelerator_kwh,
        exact_whole(estimated_aj) / 3.6e6 as estimated_kwh,
        exact_whole(measured_as) as measured_s,
        exact_whole(gap_as) as gap_s,
        exact_whole(covered_as) as covered_s,
        case when sum(overhead_unknown_n) = 0 then exact_whole(facility_akwh) end as facility_kwh,
        exact_whole(unlocated_akwh) as unlocated_kwh,
        exact_whole(slot_factor_akwh) as slot_factor_kwh,
        exact_whole(it_agco2e) / 1e3 as it_kgco2e,
        exact_whole(overhead_agco2e) / 1e3 as overhead_kgco2e,
        exact_whole(upstream_agco2e) / 1e3 as upstream_kgco2e,
        exact_whole(chip_agco2e) / 1e3 as chip_kgco2e,
        exact_whole(server_agco2e) / 1e3 as server_kgco2e,
        exact_whole(building_agco2e) / 1e3 as building_kgco2e,
        exact_whole(operational_agco2e) / 1e3 as location_kgco2e,
        exact_whole(embodied_agco2e) / 1e3 as embodied_kgco2e,
        exact_whole(market_agco2e) / 1e3 as market_kgco2e,
        exact_whole(residual_agco2e) / 1e3 as residual_kgco2e,
        exact_whole(low_agco2e) / 1e3 as low_kgco2e,
        exact_whole(total_agco2e) / 1e3 as total_kgco2e,
        exact_whole(high_agco2e) / 1e3 as high_kgco2e
    from part
    group by job_id, attempt
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
    energy.facility_kwh,
    energy.estimated_kwh,
    energy.unlocated_kwh,
    energy.slot_factor_kwh,
    energy.it_kgco2e, energy.overhead_kgco2e, energy.upstream_kgco2e,
    energy.chip_kgco2e, energy.server_kgco2e, energy.building_kgco2e,
    energy.location_kgco2e, energy.market_kgco2e, energy.residual_kgco2e, energy.embodied_kgco2e,
    energy.low_kgco2e, energy.total_kgco2e, energy.high_kgco2e,
    coalesce(energy.measured_s, 0) as measured_s,
    coalesce(energy.gap_s, 0) as gap_s,
    -- Devices that the job names but that gave no reading count against its coverage.
    least(
        coalesce(energy.covered_s, 0) / nullif(
            greatest(job.end_ms - job.start_ms, 0) / 1e3
            * greatest(coalesce(used.devices_n, 0), job.reserved_devices_n),
            0
        ),
        1
    ) as coverage_fraction,
    job.state in ('failed', 'cancelled', 'interrupted', 'timeout') as is_waste,
    job.quality_metric, job.quality_value,
    work.requests_n, work.input_tokens_n, work.output_tokens_n
from job
left join energy using (job_id, attempt)
left join used using (job_id, attempt)
left join work using (job_id)
order by job.job_id, job.attempt

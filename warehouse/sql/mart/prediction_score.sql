-- What was forecast of a run against what its jobs used, for each phase and figure that is measured.
-- grain: forecast x phase x component    keys: forecast_id, phase, component    units: the unit beside the figures
-- inputs: raw.forecast, mart.job, core.job_phase, core.job_energy    $min_coverage: least share of a job's device-time that readings cover
--
-- A forecast speaks of the jobs that its latest record names: a job, or a model (and version); else of the job that has
-- the name of the plan. It is scored only if it was recorded before the first of them began, all of them have ended and
-- are measured; otherwise state says why not. Emissions are operational (location-based) and embodied, as in forecasts.
with record as (
    select forecast_id, min(made_ms) as made_ms,
        arg_max(struct_pack(method, method_version, run, job_id, model, model_version, device), (made_ms, file_sha256)) as said
    from lake.raw.forecast
    group by forecast_id
),
line as (
    select distinct on (forecast_id, phase, component) forecast_id, phase, component, low, central, high, unit, tier
    from lake.raw.forecast
    where component in (
        'device_hours', 'days', 'energy_accelerator', 'energy_it', 'energy_facility', 'operational',
        'embodied_chip', 'embodied_server', 'embodied_building', 'emissions'
    )
    order by forecast_id, phase, component, made_ms, file_sha256
),
named as (
    select forecast_id, job.*, 'job' as linked_by
    from record
    join lake.mart.job as job on job.job_id = said.job_id
    union all
    select forecast_id, job.*, 'model'
    from record
    join lake.mart.job as job on job.model = said.model
    where said.job_id is null and (said.model_version is null or job.model_version = said.model_version)
    union all
    select forecast_id, job.*, 'name'
    from record
    join lake.mart.job as job on job.job_id = said.run
    where said.job_id is null and said.model is null
),
-- Of what phases the forecast does not speak, nothing is held against it.
linked as (
    select *
    from named
    semi join (select distinct forecast_id, phase from line) as spoken using (forecast_id, phase)
),
several as (
    select job_id, attempt
    from lake.core.job_phase
    semi join linked using (job_id, attempt)
    group by job_id, attempt
    having count(distinct phase) > 1
),
held as (
    select job_id, attempt, exact_sum(measured_s + gap_s) / 3600 as device_hours
    from lake.core.job_energy
    semi join linked using (job_id, attempt)
    where kind in ('gpu', 'accelerator')
    group by job_id, attempt
),
-- A sum in which one job is not known is not known.
used as (
    select forecast_id, case when grouping(phase) = 1 then 'all' else phase end as phase,
        any_value(linked_by) as linked_by,
        count(*) as jobs_n,
        count(distinct phase) as phases_n,
        min(started_at) as started_at,
        date_diff('millisecond', min(started_at), max(ended_at)) / 86.4e6 as days,
        bool_or(state = 'running') as is_running,
        bool_or(several.job_id is not null) as is_mixed,
        exact_sum(measured_s) / nullif(exact_sum(measured_s + gap_s), 0) as coverage_fraction,
        exact_sum(unlocated_kwh) as unlocated_kwh,
        case when count(*) = count(held.device_hours) then exact_sum(held.device_hours) end as device_hours,
        case when count(*) = count(accelerator_kwh) then exact_sum(accelerator_kwh) end as energy_accelerator,
        case when count(*) = count(it_kwh) then exact_sum(it_kwh) end as energy_it,
        case when count(*) = count(facility_kwh) then exact_sum(facility_kwh) end as energy_facility,
        case when count(*) = count(location_kgco2e) then exact_sum(location_kgco2e) end as operational,
        case when count(*) = count(chip_kgco2e) then exact_sum(chip_kgco2e) end as embodied_chip,
        case when count(*) = count(server_kgco2e) then exact_sum(server_kgco2e) end as embodied_server,
        case when count(*) = count(building_kgco2e) then exact_sum(building_kgco2e) end as embodied_building,
        case when count(*) = count(location_kgco2e + embodied_kgco2e)
            then exact_sum(location_kgco2e + embodied_kgco2e) end as emissions
    from linked
    left join several using (job_id, attempt)
    left join held using (job_id, attempt)
    group by grouping sets ((forecast_id, phase), (forecast_id))
),
compared as (
    select line.*, record.made_ms, record.said, used.* exclude (forecast_id, phase),
        case component
            when 'device_hours' then device_hours
            when 'days' then days
            when 'energy_accelerator' then energy_accelerator
            when 'energy_it' then energy_it
            when 'energy_facility' then energy_facility
            when 'operational' then operational
            when 'embodied_chip' then embodied_chip
            when 'embodied_server' then embodied_server
            when 'embodied_building' then embodied_building
            when 'emissions' then emissions
        end as actual,
        component in ('operational', 'emissions') and unlocated_kwh > 0 as is_unlocated,
        spoken.phases_n as spoken_phases_n
    from line
    join record using (forecast_id)
    join (
        select forecast_id, count(distinct phase) filter (where phase <> 'all') as phases_n from line group by forecast_id
    ) as spoken using (forecast_id)
    left join used using (forecast_id, phase)
),
judged as (
    select *,
        case
            when jobs_n is null then 'no_job'
            when made_ms > epoch_ms(started_at) or started_at is null then 'made_late'
            when is_running then 'running'
            when phase = 'all' and phases_n < spoken_phases_n then 'phase_missing'
            when phase <> 'all' and is_mixed then 'mixed_phases'
            when actual is null then 'not_measured'
            when is_unlocated or coverage_fraction < $min_coverage then 'incomplete'
            else 'scored'
        end as state
    from compared
)
select
    forecast_id, said.method as method, said.method_version as method_version, said.run as run, said.device as device,
    make_timestamptz(1000 * made_ms) as made_at,
    linked_by, coalesce(jobs_n, 0) as jobs_n,
    phase, component, low, central, high, unit, tier as quality_tier,
    actual,
    case when state = 'scored' then central / nullif(actual, 0) - 1 end as error_fraction,
    case when state = 'scored' then actual between low and high end as is_inside,
    coverage_fraction,
    state
from judged
order by forecast_id, phase, component

-- Energy and emissions of one day by who, what, phase and where; idle and unallocated are rows.
-- grain: day x allocation x org x team x project x model x model_version x phase x region    keys: the same
-- units: kWh, kgCO2e, s    inputs: core.job_energy, core.emission, core.job
-- $day: the day to compute; $day_start_ms, $day_end_ms: its bounds; $organisation: who answers for rows that name nobody
--
-- location_kgco2e is what is known of IT and overhead; facility_kwh is NULL where a PUE is not known.
with part as (
    select allocation, job_id, attempt, phase, facility, zone,
        energy_j / 3.6e6 as it_kwh, estimated_j / 3.6e6 as estimated_kwh, measured_s, gap_s,
        null as component, null as energy_kwh, null as low_gco2e, null as gco2e, null as high_gco2e,
        null as market_gco2e, null as residual_gco2e, null as slot_factor_kwh
    from lake.core.job_energy
    where day = $day
    union all
    select allocation, job_id, attempt, phase, facility, zone, null, null, null, null,
        component, energy_kwh, low_gco2e, gco2e, high_gco2e, null, null,
        case when component = 'it' and quality_tier in ('zone_slot_measured', 'zone_slot_estimated') then energy_kwh end
    from lake.core.emission
    where day = $day and method in ('location', 'amortised')
    union all
    select allocation, job_id, attempt, phase, facility, zone, null, null, null, null, null, null, null, null, null,
        case when method = 'market_hourly' then gco2e end, case when method = 'residual' then gco2e end, null
    from lake.core.emission
    where day = $day and method in ('market_hourly', 'residual')
),
named as (
    select part.*, coalesce(job.org, $organisation) as org, job.team, job.project, job.model, job.model_version
    from part
    left join (from lake.core.job where first_ms < $day_end_ms and last_ms >= $day_start_ms) as job using (job_id, attempt)
),
summed as (
    select allocation, org, team, project, model, model_version, phase, facility as region, any_value(zone) as zone,
        exact_sum(it_kwh) as it_kwh,
        exact_sum(estimated_kwh) as estimated_kwh,
        case when count(*) filter (where component = 'overhead' and energy_kwh is null) = 0
            then exact_sum(case when component in ('it', 'overhead') then energy_kwh end) end as facility_kwh,
        coalesce(exact_sum(case when component = 'it' and gco2e is null then energy_kwh end), 0) as unlocated_kwh,
        coalesce(exact_sum(slot_factor_kwh), 0) as slot_factor_kwh,
        exact_sum(case when component = 'it' then gco2e end) / 1e3 as it_kgco2e,
        exact_sum(case when component = 'overhead' then gco2e end) / 1e3 as overhead_kgco2e,
        exact_sum(case when component in ('upstream', 'losses') then gco2e end) / 1e3 as upstream_kgco2e,
        exact_sum(case when component = 'chip' then gco2e end) / 1e3 as chip_kgco2e,
        exact_sum(case when component = 'server' then gco2e end) / 1e3 as server_kgco2e,
        exact_sum(case when component = 'building' then gco2e end) / 1e3 as building_kgco2e,
        exact_sum(case when component in ('it', 'overhead') then gco2e end) / 1e3 as location_kgco2e,
        exact_sum(case when component in ('chip', 'server', 'building') then gco2e end) / 1e3 as embodied_kgco2e,
        exact_sum(market_gco2e) / 1e3 as market_kgco2e,
        exact_sum(residual_gco2e) / 1e3 as residual_kgco2e,
        exact_sum(low_gco2e) / 1e3 as low_kgco2e,
        exact_sum(gco2e) / 1e3 as total_kgco2e,
        exact_sum(high_gco2e) / 1e3 as high_kgco2e,
        exact_sum(measured_s) as measured_s,
        exact_sum(gap_s) as gap_s
    from named
    group by all
)
select
    $day as day, allocation, org, team, project, model, model_version, phase,
    phase_group(allocation, phase) as phase_group,
    region, zone,
    it_kwh, facility_kwh, estimated_kwh, unlocated_kwh, slot_factor_kwh,
    it_kgco2e, overhead_kgco2e, upstream_kgco2e, chip_kgco2e, server_kgco2e, building_kgco2e,
    location_kgco2e, market_kgco2e, residual_kgco2e, embodied_kgco2e,
    low_kgco2e, total_kgco2e, high_kgco2e,
    measured_s, gap_s,
    measured_s / nullif(measured_s + gap_s, 0) as coverage_fraction
from summed
order by allocation, org, team, project, model, model_version, phase, region

-- What one attempt of a job used on one day, as exact sums that add up over days: mart.job adds them.
-- grain: day x job x attempt    keys: day, job_id, attempt    units: 1e-18 of J, s, kWh, gCO2e
-- inputs: core.job_energy, core.emission    $day: the day to compute
--
-- devices holds a line for each measuring point that the job used: host, device and point as JSON.
with energy as (
    select job_id, attempt,
        exact_part(energy_j) as energy_aj,
        exact_part(case when kind in ('gpu', 'accelerator') then energy_j end) as accelerator_aj,
        exact_part(estimated_j) as estimated_aj,
        exact_part(measured_s) as measured_as,
        exact_part(gap_s) as gap_as,
        exact_part(covered_s) as covered_as
    from lake.core.job_energy
    where day = $day and job_id is not null
    group by all
),
used as (
    select job_id, attempt, string_agg(series, chr(10) order by series) as devices
    from (
        select distinct job_id, attempt, cast(to_json([host, device, point]) as varchar) as series
        from lake.core.job_energy
        where day = $day and job_id is not null
    )
    group by job_id, attempt
),
mass as (
    select job_id, attempt,
        count(*) filter (where component = 'overhead' and energy_kwh is null) as overhead_unknown_n,
        exact_part(case when component in ('it', 'overhead') then energy_kwh end) as facility_akwh,
        coalesce(exact_part(case when component = 'it' and gco2e is null then energy_kwh end), 0) as unlocated_akwh,
        coalesce(exact_part(case when component = 'it' and quality_tier in ('zone_slot_measured', 'zone_slot_estimated')
            then energy_kwh end), 0) as slot_factor_akwh,
        exact_part(case when component = 'it' then gco2e end) as it_agco2e,
        exact_part(case when component = 'overhead' then gco2e end) as overhead_agco2e,
        exact_part(case when component in ('upstream', 'losses') then gco2e end) as upstream_agco2e,
        exact_part(case when component = 'chip' then gco2e end) as chip_agco2e,
        exact_part(case when component = 'server' then gco2e end) as server_agco2e,
        exact_part(case when component = 'building' then gco2e end) as building_agco2e,
        exact_part(low_gco2e) as low_agco2e,
        exact_part(gco2e) as total_agco2e,
        exact_part(high_gco2e) as high_agco2e
    from lake.core.emission
    where day = $day and job_id is not null and method in ('location', 'amortised')
    group by all
),
market as (
    select job_id, attempt,
        exact_part(case when method = 'market_hourly' then gco2e end) as market_agco2e,
        exact_part(case when method = 'residual' then gco2e end) as residual_agco2e
    from lake.core.emission
    where day = $day and job_id is not null and method in ('market_hourly', 'residual')
    group by all
)
select
    $day as day, energy.*, used.devices, mass.* exclude (job_id, attempt), market.* exclude (job_id, attempt)
from energy
join used using (job_id, attempt)
left join mass using (job_id, attempt)
left join market using (job_id, attempt)
order by energy.job_id, energy.attempt

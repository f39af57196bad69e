-- Training against inference by month; idle, unallocated, storage and unknown are rows of their own.
-- grain: month x org x phase_group    keys: the same    units: kWh, kgCO2e, s
-- inputs: mart.footprint_daily, core.job_energy, core.job    $month: first day of the month; $next_month: of the next
-- $organisation: who answers for rows that name nobody
with jobs as (
    select coalesce(job.org, $organisation) as org, phase_group(allocation, energy.phase) as phase_group,
        count(distinct (job_id, attempt)) as jobs_n
    from lake.core.job_energy as energy
    left join (
        from lake.core.job
        where first_ms < epoch_ms(cast($next_month as timestamp)) and last_ms >= epoch_ms(cast($month as timestamp))
    ) as job using (job_id, attempt)
    where day >= $month and day < $next_month and allocation = 'job'
    group by all
),
summed as (
    select org, phase_group,
        exact_sum(it_kwh) as it_kwh,
        case when count(*) filter (where facility_kwh is null) = 0 then exact_sum(facility_kwh) end as facility_kwh,
        exact_sum(estimated_kwh) as estimated_kwh,
        exact_sum(unlocated_kwh) as unlocated_kwh,
        exact_sum(slot_factor_kwh) as slot_factor_kwh,
        exact_sum(it_kgco2e) as it_kgco2e,
        exact_sum(overhead_kgco2e) as overhead_kgco2e,
        exact_sum(upstream_kgco2e) as upstream_kgco2e,
        exact_sum(chip_kgco2e) as chip_kgco2e,
        exact_sum(server_kgco2e) as server_kgco2e,
        exact_sum(building_kgco2e) as building_kgco2e,
        exact_sum(location_kgco2e) as location_kgco2e,
        exact_sum(market_kgco2e) as market_kgco2e,
        exact_sum(residual_kgco2e) as residual_kgco2e,
        exact_sum(embodied_kgco2e) as embodied_kgco2e,
        exact_sum(low_kgco2e) as low_kgco2e,
        exact_sum(total_kgco2e) as total_kgco2e,
        exact_sum(high_kgco2e) as high_kgco2e,
        exact_sum(measured_s) as measured_s,
        exact_sum(gap_s) as gap_s
    from lake.mart.footprint_daily
    where day >= $month and day < $next_month
    group by all
)
select
    $month as month, org, phase_group, coalesce(jobs_n, 0) as jobs_n,
    it_kwh, facility_kwh, estimated_kwh, unlocated_kwh, slot_factor_kwh,
    it_kgco2e, overhead_kgco2e, upstream_kgco2e, chip_kgco2e, server_kgco2e, building_kgco2e,
    location_kgco2e, market_kgco2e, residual_kgco2e, embodied_kgco2e,
    low_kgco2e, total_kgco2e, high_kgco2e,
    measured_s, gap_s,
    measured_s / nullif(measured_s + gap_s, 0) as coverage_fraction
from summed
left join jobs using (org, phase_group)
order by org, phase_group

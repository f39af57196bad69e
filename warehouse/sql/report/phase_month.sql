-- Training against inference by month; idle, unallocated, storage and unknown are rows of their own.
-- grain: month x phase_group    keys: the same    units: kWh, kgCO2e, fraction
-- inputs: mart.training_vs_inference_monthly, mart.footprint_daily
--
-- estimated_location_kgco2e is the part of location_kgco2e that rests on modelled readings: in proportion to energy inside
-- each row of mart.footprint_daily.
with total as (
    select
        month, phase_group,
        sum(jobs_n) as jobs_n,
        sum(it_kwh) as it_kwh,
        case when count(*) filter (where facility_kwh is null) = 0 then sum(facility_kwh) end as facility_kwh,
        sum(estimated_kwh) as estimated_kwh,
        sum(unlocated_kwh) as unlocated_kwh,
        sum(location_kgco2e) as location_kgco2e,
        sum(embodied_kgco2e) as embodied_kgco2e,
        sum(low_kgco2e) as low_kgco2e,
        sum(total_kgco2e) as total_kgco2e,
        sum(high_kgco2e) as high_kgco2e,
        sum(measured_s) / nullif(sum(measured_s) + sum(gap_s), 0) as coverage_fraction
    from mart.training_vs_inference_monthly
    group by all
),
estimated as (
    select
        cast(date_trunc('month', day) as date) as month, phase_group,
        sum(location_kgco2e * estimated_kwh / nullif(it_kwh, 0)) as estimated_location_kgco2e
    from mart.footprint_daily
    group by all
)
select total.*, coalesce(estimated_location_kgco2e, 0) as estimated_location_kgco2e
from total
left join estimated using (month, phase_group)
order by month, phase_group

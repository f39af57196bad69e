-- The months: energy by boundary, emissions with interval, training against inference, coverage.
-- grain: month    keys: month    units: kWh, kgCO2e, fraction
-- inputs: mart.training_vs_inference_monthly
select
    month,
    sum(it_kwh) as it_kwh,
    sum(estimated_kwh) as estimated_kwh,
    sum(estimated_kwh) / nullif(sum(it_kwh), 0) as estimated_fraction,
    case when count(*) filter (where facility_kwh is null) = 0 then sum(facility_kwh) end as facility_kwh,
    sum(unlocated_kwh) as unlocated_kwh,
    sum(location_kgco2e) as location_kgco2e,
    sum(market_kgco2e) as market_kgco2e,
    sum(embodied_kgco2e) as embodied_kgco2e,
    sum(low_kgco2e) as low_kgco2e,
    sum(total_kgco2e) as total_kgco2e,
    sum(high_kgco2e) as high_kgco2e,
    sum(it_kwh) filter (where phase_group = 'training') as training_kwh,
    sum(it_kwh) filter (where phase_group = 'inference') as inference_kwh,
    sum(it_kwh) filter (where phase_group in ('idle', 'unallocated')) / nullif(sum(it_kwh), 0) as idle_fraction,
    sum(measured_s) / nullif(sum(measured_s) + sum(gap_s), 0) as coverage_fraction
from mart.training_vs_inference_monthly
group by month
order by month

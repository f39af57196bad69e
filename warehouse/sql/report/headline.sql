-- The totals of the whole period: energy by boundary, emissions by component, training against inference, coverage.
-- grain: one row    keys: none    units: kWh, kgCO2e, s, fraction
-- inputs: mart.training_vs_inference_monthly, mart.footprint_daily
--
-- Sums leave out what is not known: unlocated_kwh is energy without a grid factor, pue_unknown_kwh energy whose overhead is
-- not known. facility_kwh is NULL as soon as one PUE is not known; known_facility_kwh is the part that is.
with monthly as (
    select
        count(distinct month) as months_n,
        count(distinct org) as orgs_n,
        sum(it_kwh) as it_kwh,
        case when count(*) filter (where facility_kwh is null) = 0 then sum(facility_kwh) end as facility_kwh,
        sum(estimated_kwh) as estimated_kwh,
        sum(unlocated_kwh) as unlocated_kwh,
        sum(it_kgco2e) as it_kgco2e,
        sum(overhead_kgco2e) as overhead_kgco2e,
        sum(chip_kgco2e) as chip_kgco2e,
        sum(server_kgco2e) as server_kgco2e,
        sum(building_kgco2e) as building_kgco2e,
        sum(location_kgco2e) as location_kgco2e,
        sum(market_kgco2e) as market_kgco2e,
        sum(embodied_kgco2e) as embodied_kgco2e,
        sum(low_kgco2e) as low_kgco2e,
        sum(total_kgco2e) as total_kgco2e,
        sum(high_kgco2e) as high_kgco2e,
        sum(it_kwh) filter (where phase_group = 'training') as training_kwh,
        sum(it_kwh) filter (where phase_group = 'inference') as inference_kwh,
        sum(it_kwh) filter (where phase_group in ('idle', 'unallocated')) as idle_kwh,
        sum(total_kgco2e) filter (where phase_group = 'training') as training_kgco2e,
        sum(total_kgco2e) filter (where phase_group = 'inference') as inference_kgco2e,
        sum(estimated_kwh) / nullif(sum(it_kwh), 0) as estimated_fraction,
        sum(measured_s) as measured_s,
        sum(gap_s) as gap_s,
        sum(measured_s) / nullif(sum(measured_s) + sum(gap_s), 0) as coverage_fraction
    from mart.training_vs_inference_monthly
),
daily as (
    select
        min(day) as first_day,
        max(day) as last_day,
        count(distinct day) as days_n,
        sum(facility_kwh) as known_facility_kwh,
        coalesce(sum(it_kwh) filter (where facility_kwh is null), 0) as pue_unknown_kwh
    from mart.footprint_daily
)
select * from monthly cross join daily

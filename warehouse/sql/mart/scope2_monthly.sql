-- Purchased electricity by month: location-based and market-based matched by the year and by the hour.
-- grain: month x org x phase_group x market boundary    keys: the same    units: kWh, kgCO2e
-- inputs: mart.footprint_daily, mart.matching_annual, ref.market_zone    $has_market: whether [market] is configured
--
-- By the year every kWh of a boundary takes the same part of what is matched in the year; the rest of it takes what the
-- residual mix, or the stated fallback, makes of it.
with market as (select zone, market_boundary from lake.ref.market_zone where known_to is null),
monthly as (
    select cast(date_trunc('month', day) as date) as month, org, phase_group,
        coalesce(market.market_boundary, split_part(zone, '-', 1)) as market_boundary,
        exact_sum(coalesce(facility_kwh, it_kwh)) as energy_kwh,
        exact_sum(location_kgco2e) as location_kgco2e,
        exact_sum(market_kgco2e) as market_hourly_kgco2e,
        exact_sum(residual_kgco2e) as residual_kgco2e,
        exact_sum(upstream_kgco2e) as upstream_kgco2e
    from lake.mart.footprint_daily as daily
    left join market using (zone)
    group by all
),
matching as (
    select market_boundary, year, annual_matched_kwh / nullif(load_kwh, 0) as matched_fraction,
        annual_matched_gco2e / nullif(annual_matched_kwh, 0) / 1e3 as contract_kgco2e_per_kwh
    from lake.mart.matching_annual
)
select
    month, org, phase_group, monthly.market_boundary, energy_kwh, location_kgco2e,
    case when $has_market then
        energy_kwh * coalesce(matched_fraction, 0) * coalesce(contract_kgco2e_per_kwh, 0)
        + (1 - coalesce(matched_fraction, 0)) * residual_kgco2e
    end as market_annual_kgco2e,
    market_hourly_kgco2e, residual_kgco2e, upstream_kgco2e
from monthly
left join matching
    on matching.market_boundary = monthly.market_boundary and matching.year = cast(date_trunc('year', month) as date)
order by month, org, phase_group, monthly.market_boundary

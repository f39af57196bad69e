-- What the emissions rest on: grams by component and tier of the factor; the tier "missing" has energy but no grams.
-- grain: component x quality_tier    keys: the same    units: kWh, kgCO2e, fraction
-- inputs: mart.data_quality
--
-- kgco2e_fraction is the share of the component's known emissions.
with tier as (
    select
        case component when 'losses' then 'upstream' else component end as component, quality_tier,
        case when count(*) filter (where energy_kwh is null) = 0 then sum(energy_kwh) end as energy_kwh,
        case when count(*) filter (where energy_kwh is null) = 0 then sum(estimated_kwh) end as estimated_kwh,
        sum(kgco2e) as kgco2e
    from mart.data_quality
    group by all
)
select tier.*, kgco2e / nullif(sum(kgco2e) over (partition by component), 0) as kgco2e_fraction
from tier
order by component, quality_tier

-- Market-based emissions of purchased electricity, matched by the hour: what contracts cover, and the rest; and all of it at
-- the residual mix.
-- grain: hour x allocation x job x attempt x phase x facility x zone x energy source x component x method x factor
-- keys: the same    units: gCO2e, kWh
-- inputs: core.job_slot, core.market_hour, residual_factor (temporary), place (temporary), ref.market_zone,
--         ref.source_uncertainty
-- $day: the day to compute; $has_market: whether market-based accounting is configured
--
-- Every row of a boundary takes the same part of what is matched in its hour. Matched + unmatched = energy.
with market as (select zone, market_boundary from lake.ref.market_zone where known_to is null),
hour as (
    select hour_start, market_boundary,
        matched_kwh / nullif(load_kwh, 0) as matched_fraction,
        matched_gco2e / nullif(matched_kwh, 0) as contract_gco2e_per_kwh
    from lake.core.market_hour
    where day = $day
),
part as (
    select slot.*, component.component, place.pue,
        energy_j / 3.6e6 * case component.component when 'it' then 1 else place.pue - 1 end as kwh,
        coalesce(market.market_boundary, split_part(slot.zone, '-', 1)) as market_boundary
    from lake.core.job_slot as slot
    cross join (values ('it'), ('overhead')) as component (component)
    left join place on place.facility = slot.facility
    left join market on market.zone = slot.zone
    where day = $day and $has_market
),
side as (
    select part.*, matching.side, residual.age_years,
        case matching.side
            when 'matched' then 'market.' || market_boundary
            else residual.factor_id
        end as factor_id,
        case matching.side when 'matched' then 'contract' else coalesce(residual.tier, 'missing') end as tier,
        kwh * case matching.side
            when 'matched' then coalesce(matched_fraction, 0)
            when 'unmatched' then 1 - coalesce(matched_fraction, 0)
            else 1
        end as part_kwh,
        if(matching.side = 'matched', contract_gco2e_per_kwh, residual.central) as central,
        if(matching.side = 'matched', contract_gco2e_per_kwh, residual.low) * uncertainty.low_factor as low,
        if(matching.side = 'matched', contract_gco2e_per_kwh, residual.high) * uncertainty.high_factor as high
    from part
    cross join (values ('matched'), ('unmatched'), ('residual')) as matching (side)
    left join hour using (hour_start, market_boundary)
    left join residual_factor as residual using (zone, slot_start)
    join (select source as energy_source, low_factor, high_factor from lake.ref.source_uncertainty where known_to is null)
        as uncertainty using (energy_source)
    where matching.side <> 'matched' or matched_fraction > 0
)
select
    hour_start, allocation, job_id, attempt, phase, facility, zone, energy_source as source, component,
    if(side = 'residual', 'residual', 'market_hourly') as method,
    case when part_kwh is not null then factor_id end as factor_id,
    case when part_kwh is not null then tier else 'missing' end as tier,
    case when part_kwh is not null and side <> 'matched' then age_years end as age_years,
    exact_sum(part_kwh) as part_kwh,
    exact_sum(part_kwh * low) as low_gco2e,
    exact_sum(part_kwh * central) as gco2e,
    exact_sum(part_kwh * high) as high_gco2e
from side
where side <> 'unmatched' or part_kwh is null or part_kwh > 0
group by all

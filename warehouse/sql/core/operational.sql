-- Operational emissions of one job, or of idle or unallocated energy, in one hour by component, by the factors given.
-- grain: hour x allocation x job x attempt x phase x facility x zone x energy source x component x factor    keys: the same
-- units: gCO2e, kWh
-- inputs: core.job_slot, applied_factor, place (temporary), ref.source_uncertainty
-- $day: the day to compute
--
-- Energy of each slot x intensity of the slot (it) and energy x (PUE - 1) x intensity (overhead); upstream: all of that
-- energy x what the life cycle adds to combustion; losses: what the grid loses on the way, where the facility states it,
-- x both. A factor that is not known gives a row without a figure and with the tier "missing", never a default; upstream
-- and losses have rows only where they are known.
with energy as (
    select hour_start, slot_start, allocation, job_id, attempt, phase, facility, zone, energy_source as source,
        energy_j / 3.6e6 as kwh
    from lake.core.job_slot
    where day = $day
),
part as (
    select energy.*, component.component, factor_id, tier, age_years, basis, flow,
        case component.component
            when 'it' then kwh
            when 'overhead' then kwh * (place.pue - 1)
            when 'upstream' then kwh * place.pue
            else kwh * place.pue * place.grid_loss_fraction / (1 - place.grid_loss_fraction)
        end as part_kwh,
        case component.component
            when 'upstream' then upstream_gco2e_per_kwh
            when 'losses' then gco2e_per_kwh + coalesce(upstream_gco2e_per_kwh, 0)
            else gco2e_per_kwh
        end as central,
        coalesce(low_gco2e_per_kwh / nullif(gco2e_per_kwh, 0), 1) * uncertainty.low_factor as low_ratio,
        coalesce(high_gco2e_per_kwh / nullif(gco2e_per_kwh, 0), 1) * uncertainty.high_factor as high_ratio
    from energy
    cross join (values ('it'), ('overhead'), ('upstream'), ('losses')) as component (component)
    join (select * from lake.ref.source_uncertainty where known_to is null) as uncertainty using (source)
    left join applied_factor using (zone, slot_start)
    left join place on place.facility = energy.facility
    where component.component in ('it', 'overhead') or (part_kwh is not null and central is not null)
)
select hour_start, allocation, job_id, attempt, phase, facility, zone, source, component,
    case when part_kwh is not null then factor_id end as factor_id,
    case when part_kwh is not null then coalesce(tier, 'missing') else 'missing' end as tier,
    case when part_kwh is not null then age_years end as age_years,
    case when part_kwh is not null then basis end as basis,
    case when part_kwh is not null then flow end as flow,
    exact_sum(part_kwh) as part_kwh,
    exact_sum(part_kwh * central * low_ratio) as low_gco2e,
    exact_sum(part_kwh * central) as gco2e,
    exact_sum(part_kwh * central * high_ratio) as high_gco2e
from part
group by all

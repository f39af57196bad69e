-- Every factor that an emission row names, with its value, interval, tier and source, and what it was applied to.
-- grain: factor    keys: factor_id    units: see unit; kWh, h, kgCO2e
-- inputs: core.emission, ref.factor, ref.grid_intensity
with used as (
    select
        factor_id,
        sum(energy_kwh) as energy_kwh,
        sum(device_s) / 3600 as device_h,
        sum(gco2e) / 1e3 as kgco2e,
        max(factor_age_years) as oldest_age_years,
        any_value(zone) as zone,
        max(quality_tier) as tier,
        sum(low_gco2e) / nullif(sum(energy_kwh), 0) as low_gco2e_per_kwh,
        sum(gco2e) / nullif(sum(energy_kwh), 0) as gco2e_per_kwh,
        sum(high_gco2e) / nullif(sum(energy_kwh), 0) as high_gco2e_per_kwh
    from core.emission
    where factor_id is not null and method in ('location', 'amortised')
    group by factor_id
),
newest as (
    select * from ref.factor
    qualify row_number() over (partition by factor_id order by known_to desc nulls first, known_from desc) = 1
),
series as (select factor_id, any_value(source) as source from ref.grid_intensity group by factor_id)
select
    used.factor_id,
    -- A series of a feed has a value a slot: what is shown is the mean of those that were applied, by energy.
    coalesce(newest.kind, 'grid_intensity') as kind,
    coalesce(newest.what, used.zone) as what,
    coalesce(newest.low_value, used.low_gco2e_per_kwh) as low_value,
    coalesce(newest.value, used.gco2e_per_kwh) as value,
    coalesce(newest.high_value, used.high_gco2e_per_kwh) as high_value,
    coalesce(newest.unit, 'gCO2e/kWh') as unit,
    coalesce(newest.tier, used.tier) as tier,
    coalesce(newest.source, series.source) as source,
    used.oldest_age_years, used.energy_kwh, used.device_h, used.kgco2e
from used
left join newest using (factor_id)
left join series using (factor_id)
order by kind, used.kgco2e desc, used.factor_id

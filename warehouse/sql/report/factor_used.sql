-- Every factor that an emission row names, with its value, interval, tier and source, and what it was applied to.
-- grain: factor    keys: factor_id    units: see unit; kWh, h, kgCO2e
-- inputs: core.emission, ref.factor
with used as (
    select
        factor_id,
        sum(energy_kwh) as energy_kwh,
        sum(device_s) / 3600 as device_h,
        sum(gco2e) / 1e3 as kgco2e,
        max(factor_age_years) as oldest_age_years
    from core.emission
    where factor_id is not null
    group by factor_id
),
newest as (
    select * from ref.factor
    qualify row_number() over (partition by factor_id order by known_to desc nulls first, known_from desc) = 1
)
select
    used.factor_id, newest.kind, newest.what, newest.low_value, newest.value, newest.high_value, newest.unit, newest.tier,
    newest.source, used.oldest_age_years, used.energy_kwh, used.device_h, used.kgco2e
from used
left join newest using (factor_id)
order by newest.kind, used.kgco2e desc, used.factor_id

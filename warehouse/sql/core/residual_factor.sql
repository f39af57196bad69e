-- What unmatched energy of a zone takes in a slot: the residual mix, or the fallback that the configuration states.
-- grain: zone x slot    keys: zone, slot_start    units: gCO2e/kWh
-- inputs: core.grid_factor, ref.grid_intensity, ref.grid_tier
-- $day: the day to compute; $max_age_years: oldest year that may stand in for another; $fallback: location or NULL
--
-- The residual mix of the zone, else of its country, of the nearest year. Never a residual mix of another market.
with slot as (
    select *, split_part(zone, '-', 1) as country from lake.core.grid_factor where day = $day
),
tier as (select tier, rank, low_factor, high_factor from lake.ref.grid_tier where known_to is null),
residual as (
    select zone.zone, factor_id, case when grid.zone = zone.zone then 0 else 1 end as is_country,
        abs(year(cast($day as date)) - year(valid_from at time zone 'UTC')) as age_years,
        coalesce(low_gco2e_per_kwh, gco2e_per_kwh * low_factor) as low, gco2e_per_kwh as central,
        coalesce(high_gco2e_per_kwh, gco2e_per_kwh * high_factor) as high, valid_from
    from (select distinct zone, country from slot) as zone
    join lake.ref.grid_intensity as grid on grid.zone in (zone.zone, zone.country)
    join tier using (tier)
    where kind = 'residual' and known_to is null and age_years <= $max_age_years
    qualify row_number() over (partition by zone.zone order by is_country, age_years, valid_from, factor_id) = 1
)
select slot.zone, slot_start,
    case when residual.central is not null then residual.factor_id when $fallback = 'location' then slot.factor_id end
        as factor_id,
    case when residual.central is not null then 'residual' when $fallback = 'location' then slot.tier else 'missing' end
        as tier,
    case when residual.central is not null then residual.age_years when $fallback = 'location' then slot.age_years end
        as age_years,
    case when residual.central is not null then residual.low when $fallback = 'location' then low_gco2e_per_kwh end as low,
    coalesce(residual.central, case when $fallback = 'location' then gco2e_per_kwh end) as central,
    case when residual.central is not null then residual.high when $fallback = 'location' then high_gco2e_per_kwh end as high
from slot
left join residual using (zone)

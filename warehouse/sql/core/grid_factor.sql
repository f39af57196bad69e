-- The grid factor of each zone in each slot with energy, and the tier on which it rests; a slot without any is a row.
-- grain: zone x slot    keys: zone, slot_start    units: gCO2e/kWh, s
-- inputs: core.job_slot, ref.grid_intensity, ref.grid_tier, ref.grid_age_spread
-- $day: the day to compute; $known_at: as known at that moment, NULL for now; $basis: wanted basis; $prefer: providers, the
-- best first; $max_age_months, $max_age_years: oldest month or year that may stand in for another
--
-- A factor of the wanted basis comes before one of the other, then the better tier counts, then the provider that is
-- preferred, then consumption before production, then the lesser age. A value of a slot must cover all of it; of values of
-- one series that overlap the shorter counts. Never a marginal or residual value, never a world average for a named zone.
with slot as (
    select distinct zone, hour_start, slot_start, slot_s, epoch_ms(slot_start) as start_ms,
        epoch_ms(slot_start) + 1000 * slot_s as end_ms
    from lake.core.job_slot
    where day = $day and zone is not null
),
zone as (select distinct zone, split_part(zone, '-', 1) as country from slot),
tier as (select tier, rank, low_factor, high_factor from lake.ref.grid_tier where known_to is null),
known as (
    select * exclude (zone, source, response_sha256), zone as factor_zone,
        basis <> $basis as is_other_basis,
        coalesce(list_position($prefer, provider), len($prefer) + 1) as preference,
        epoch_ms(valid_from) as from_ms, epoch_ms(valid_to) as to_ms
    from lake.ref.grid_intensity
    where kind = 'average'
        and case when $known_at is null then known_to is null
            else known_from <= $known_at and coalesce(known_to > $known_at, true) end
),
-- Values of slots.
short as (
    select * from known
    where tier in ('zone_slot_measured', 'zone_slot_estimated')
        and valid_from < cast($day as timestamptz) + interval 1 day and valid_from >= cast($day as timestamptz) - interval 1 hour
),
finest as (
    select * from short
    anti join short as finer
        on finer.factor_id = short.factor_id and finer.from_ms < short.to_ms and finer.to_ms > short.from_ms
        and (finer.to_ms - finer.from_ms, finer.from_ms) < (short.to_ms - short.from_ms, short.from_ms)
),
covering as (
    select slot.zone, slot.slot_start, slot.slot_s, finest.*,
        least(end_ms, to_ms) - greatest(start_ms, from_ms) as overlap_ms
    from slot
    join finest on finest.factor_zone = slot.zone and from_ms < end_ms and to_ms > start_ms
),
slot_candidate as (
    select zone, slot_start, factor_id, basis, flow, any_value(provider) as provider, any_value(factor_set) as factor_set,
        bool_or(is_other_basis) as is_other_basis, max_by(tier, rank) as tier, max(rank) as rank,
        max(preference) as preference, 0 as age_years,
        sum(coalesce(low_gco2e_per_kwh, gco2e_per_kwh * low_factor) * overlap_ms order by from_ms) / sum(overlap_ms) as low,
        sum(gco2e_per_kwh * overlap_ms order by from_ms) / sum(overlap_ms) as central,
        sum(coalesce(high_gco2e_per_kwh, gco2e_per_kwh * high_factor) * overlap_ms order by from_ms) / sum(overlap_ms) as high,
        max(known_from) as known_from
    from covering
    join tier using (tier)
    group by zone, slot_start, slot_s, factor_id, basis, flow
    having sum(overlap_ms) = 1000 * slot_s
),
-- Values of months and years: of the zone, or of its country.
long_value as (select * from known where tier not in ('zone_slot_measured', 'zone_slot_estimated')),
applied as (
    select zone.zone, long_value.*
    from zone
    join long_value on factor_zone = zone.zone
    where tier <> 'world' or zone.zone = 'WORLD'
    union all
    -- What a feed states of a country is of its zone where that is the whole country.
    select zone.zone, long_value.* replace (replace(tier, 'zone_', 'country_') as tier)
    from zone
    join long_value on factor_zone = country and factor_zone <> zone.zone
    where tier in ('country_month', 'country_year') or file_sha256 is not null
),
long_candidate as (
    select applied.*, rank,
        case when tier in ('zone_month', 'country_month')
            then abs(datediff('month', cast(valid_from at time zone 'UTC' as date), cast($day as date)))
            else 12 * abs(year(cast($day as date)) - year(valid_from at time zone 'UTC')) end as age_months,
        coalesce(low_gco2e_per_kwh, gco2e_per_kwh * low_factor) as low,
        gco2e_per_kwh as central,
        coalesce(high_gco2e_per_kwh, gco2e_per_kwh * high_factor) as high
    from applied
    join tier using (tier)
    where age_months <= case when tier in ('zone_month', 'country_month') then $max_age_months else 12 * $max_age_years end
),
spread as (select * from lake.ref.grid_age_spread where known_to is null),
best_long as (
    select long_candidate.* replace (low * spread.low_factor as low, high * spread.high_factor as high),
        cast((age_months + 11) // 12 as integer) as age_years
    from long_candidate
    join spread on spread.age_years = least((age_months + 11) // 12, (select max(age_years) from spread))
    qualify row_number() over (
        partition by zone
        order by is_other_basis, rank, preference, flow, age_months, valid_from, factor_id
    ) = 1
),
candidate as (
    select zone, slot_start, factor_id, basis, flow, provider, factor_set, is_other_basis, tier, rank, preference, age_years,
        low, central, high, known_from
    from slot_candidate
    union all by name
    select zone, slot_start, factor_id, basis, flow, provider, factor_set, is_other_basis, tier, rank, preference, age_years,
        low, central, high, known_from
    from slot
    join best_long using (zone)
),
chosen as (
    select *
    from candidate
    qualify row_number() over (
        partition by zone, slot_start order by is_other_basis, rank, preference, flow, age_years, factor_id
    ) = 1
),
-- What the life cycle adds to combustion, where one provider states both for the slot.
whole as (
    select zone, slot_start, provider, flow, min(central) as lifecycle
    from slot_candidate
    where basis = 'lifecycle'
    group by all
)
select
    $day as day, slot.hour_start, slot.zone, slot.slot_start, slot.slot_s,
    factor_id, coalesce(tier, 'missing') as tier, basis, flow,
    low as low_gco2e_per_kwh, central as gco2e_per_kwh, high as high_gco2e_per_kwh,
    case when basis = 'operational' then greatest(lifecycle - central, 0) end as upstream_gco2e_per_kwh,
    age_years, known_from
from slot
left join chosen using (zone, slot_start)
left join whole using (zone, slot_start, provider, flow)
order by slot.zone, slot.slot_start

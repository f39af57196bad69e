-- The carbon-free share of the grid of each zone in each slot with energy, and the tier on which it rests.
-- grain: zone x slot    keys: zone, slot_start    units: 1
-- inputs: core.job_slot, ref.grid_intensity, ref.grid_tier
-- $day: the day to compute; $prefer: providers, the best first; $max_age_months, $max_age_years: oldest month or year that
-- may stand in for another
--
-- As for intensities: the better tier counts, then the provider that is preferred, then consumption before production, then
-- the lesser age; values of a slot must cover all of it and weigh by time. The basis does not matter: a share has none. A slot
-- of which nobody states a share has no row.
with slot as (
    select distinct zone, slot_start, slot_s, epoch_ms(slot_start) as start_ms, epoch_ms(slot_start) + 1000 * slot_s as end_ms
    from lake.core.job_slot
    where day = $day and zone is not null
),
tier as (select tier, rank from lake.ref.grid_tier where known_to is null),
stated as (
    select zone, factor_id, flow, tier, rank, carbon_free_fraction, valid_from,
        coalesce(list_position($prefer, provider), len($prefer) + 1) as preference,
        epoch_ms(valid_from) as from_ms, epoch_ms(valid_to) as to_ms
    from lake.ref.grid_intensity
    join tier using (tier)
    semi join slot using (zone)
    where kind = 'average' and known_to is null and carbon_free_fraction is not null
),
short as (
    select * from stated
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
    select slot.zone, slot_start, slot_s, finest.* exclude (zone),
        least(end_ms, to_ms) - greatest(start_ms, from_ms) as overlap_ms
    from slot
    join finest on finest.zone = slot.zone and from_ms < end_ms and to_ms > start_ms
),
candidate as (
    select zone, slot_start, factor_id, flow, max_by(tier, rank) as tier, max(rank) as rank, max(preference) as preference,
        0 as age_months, min(valid_from) as valid_from,
        sum(carbon_free_fraction * overlap_ms order by from_ms) / sum(overlap_ms) as carbon_free_fraction
    from covering
    group by zone, slot_start, slot_s, factor_id, flow
    having sum(overlap_ms) = 1000 * slot_s
    union all by name
    select zone, slot_start, factor_id, flow, tier, rank, preference, valid_from, carbon_free_fraction,
        case when tier = 'zone_month'
            then abs(datediff('month', cast(valid_from at time zone 'UTC' as date), cast($day as date)))
            else 12 * abs(year(cast($day as date)) - year(valid_from at time zone 'UTC')) end as age_months
    from slot
    join stated using (zone)
    where tier not in ('zone_slot_measured', 'zone_slot_estimated')
        and age_months <= case when tier = 'zone_month' then $max_age_months else 12 * $max_age_years end
)
select zone, slot_start, factor_id, tier, rank, cast((age_months + 11) // 12 as integer) as age_years, carbon_free_fraction
from candidate
qualify row_number() over (
    partition by zone, slot_start order by rank, preference, flow, age_months, valid_from, factor_id
) = 1

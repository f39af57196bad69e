-- check: grid_slot_gap    severity: major    blocking: no    scope: day    asset: core.grid_factor
-- Energy rests on the mean of a month or year although its zone has a feed of slots: more than 5 % of a day's energy.
-- check: grid_slot_hole    severity: minor    blocking: no    scope: day    asset: core.grid_factor
-- The same as grid_slot_gap for at most 5 % of a day's energy in the zone: single slots lack a value.
-- grain: day x zone    units: kWh, fraction
-- inputs: core.job_slot, core.grid_factor, ref.grid_intensity
-- $first_day, $last_day: days to check; $since_day: a month before; $feeds: configured feeds; $basis: wanted basis
-- $check_id: which of the two; $material_fraction: share of the zone's energy of the day above which it is a gap, no hole
--
-- A slot is a gap if its zone has values of slots after it, and either one before it within a month or a feed that was to
-- give it. Slots that are newer than every value are no gap: they wait for the feed, and grid_stale says if they wait long.
with energy as (
    select day, zone, slot_start, exact_sum(energy_j) / 3.6e6 as kwh
    from lake.core.job_slot
    where day between $first_day and $last_day and zone is not null
    group by all
),
applied as (
    select energy.*, tier in ('zone_slot_measured', 'zone_slot_estimated') as is_slot
    from energy
    join lake.core.grid_factor as factor using (day, zone, slot_start)
),
series as (
    select zone, min(valid_from) as oldest, max(valid_to) as newest
    from lake.ref.grid_intensity
    semi join (select zone from applied where not is_slot) as lacking using (zone)
    where known_to is null and kind = 'average' and basis = $basis
        and tier in ('zone_slot_measured', 'zone_slot_estimated')
        and valid_from >= cast($since_day as timestamptz)
    group by zone
),
feed as (
    select feed.zone, min(cast(feed.since as timestamptz)) as since
    from (select unnest(cast($feeds as struct(source varchar, zone varchar, since date)[])) as feed)
    group by all
),
judged as (
    select day, zone, kwh,
        coalesce(not is_slot and slot_start < newest and slot_start >= least(oldest, since), false) as is_gap
    from applied
    left join series using (zone)
    left join feed using (zone)
),
compared as (
    select day, zone, exact_sum(kwh) as kwh, exact_sum(case when is_gap then kwh end) as gap_kwh,
        count(*) filter (where is_gap) as gap_n
    from judged
    group by day, zone
)
select
    day || ' ' || zone as entity,
    gap_n || ' slots with ' || round(gap_kwh, 6) || ' kWh, ' || round(100 * gap_kwh / kwh, 1)
        || ' % of the zone, rest on the mean of a month or year' as observed,
    'a value of each slot: wattledger feeds backfill' as expected
from compared
where gap_kwh > 0 and (gap_kwh > $material_fraction * kwh) = ($check_id = 'grid_slot_gap')
order by entity

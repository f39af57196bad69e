-- Days touched by intensities of which another version is the newest now: days with energy of the zone in the interval; of
-- the mean of a month or year, which may stand in for others, all days with energy of the zone or its country within reach.
-- grain: day    keys: day
-- inputs: changed_interval (temporary), core.job_slot
-- $reach_months: how far the mean of a month or year reaches [months]
with short as (
    select distinct zone,
        unnest(generate_series(date_trunc('hour', valid_from), valid_to - interval 1 microsecond, interval 1 hour)) as hour_start
    from changed_interval
    where valid_to - valid_from <= interval 1 hour
),
long as (
    select zone,
        cast(min(valid_from) as date) - to_months($reach_months) as from_day,
        cast(max(valid_to) as date) + to_months($reach_months) as to_day
    from changed_interval
    where valid_to - valid_from > interval 1 hour
    group by zone
)
select distinct slot.day
from lake.core.job_slot as slot
semi join short on short.zone = slot.zone and short.hour_start = slot.hour_start
where slot.day between (select cast(min(hour_start) as date) from short) and (select cast(max(hour_start) as date) from short)
union
select distinct slot.day
from (select distinct day, zone from lake.core.job_slot) as slot
join long on long.zone in (slot.zone, split_part(slot.zone, '-', 1)) and slot.day between long.from_day and long.to_day

-- Days touched by new readings: their own, and those of a neighbouring reading when the interval between them counts.
-- grain: day    keys: day    inputs: good (temporary), raw.power_sample
-- $reach_ms [ms]: longest counter bridge; $absent_ms [ms]: longest gap; $from_day, $to_day: days that may hold neighbours
with series as (
    select host, device, point, day, min(ts_ms) as first_ms, max(ts_ms) as last_ms from good group by all
),
bounds as (select min(first_ms) - $reach_ms as from_ms, max(last_ms) + $reach_ms as to_ms from series),
neighbour as (
    select s.*, r.ts_ms, r.energy_mj is not null as has_counter
    from series as s
    join lake.raw.power_sample as r on r.host = s.host and r.device = s.device and r.point = s.point
    where r.day between $from_day and $to_day
      and r.ts_ms between (select from_ms from bounds) and (select to_ms from bounds)
      and (r.power_mw is not null or r.energy_mj is not null)
),
beside as (
    select first_ms, last_ms,
        max(ts_ms) filter (where ts_ms < first_ms) as before_ms,
        arg_max(has_counter, ts_ms) filter (where ts_ms < first_ms) as before_counter,
        min(ts_ms) filter (where ts_ms > last_ms) as after_ms,
        arg_min(has_counter, ts_ms) filter (where ts_ms > last_ms) as after_counter
    from neighbour group by host, device, point, first_ms, last_ms
),
span as (
    select before_ms as from_ms, first_ms as to_ms from beside
    where first_ms - before_ms <= case when before_counter then $reach_ms else $absent_ms end
    union all
    select last_ms, after_ms from beside
    where after_ms - last_ms <= case when after_counter then $reach_ms else $absent_ms end
    union all
    select ts_ms, ts_ms from good
)
select distinct cast(unnest(generate_series(
    cast(make_timestamp(from_ms * 1000) as date), cast(make_timestamp(to_ms * 1000) as date), interval 1 day
)) as date) as day
from span

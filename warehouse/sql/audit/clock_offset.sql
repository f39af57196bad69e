-- check: clock_offset    severity: major    blocking: no    scope: day    asset: core.job_energy
-- Readings that miss the job of their device by whole quarters of an hour are stamped in another time zone than UTC.
-- grain: day x host x device x point    units: s
-- inputs: core.job_hold, raw.sample_series
-- $first_day, $last_day: days to check; $first_ms, $end_ms: their bounds
-- $min_coverage: least share of the hold that the shifted readings must cover
--
-- A run of readings is suspected if no hold of its device touches it, a hold has no reading of that series, and moved by a
-- multiple of quarter_ms, at most reach_ms, the run would cover that hold and be little longer. 26 h lie between the
-- farthest time zones (UTC-12 and UTC+14), and all of them are multiples of a quarter of an hour apart. Readings are known
-- by the first and last of each hour.
with named_value as (select 900000 as quarter_ms, 93600000 as reach_ms, 900000 as pause_ms, 1800000 as spare_ms),
hold as (
    select job_id, attempt, host, device as held, min(start_ms) as start_ms, max(end_ms) as end_ms
    from lake.core.job_hold
    cross join named_value
    where basis = 'held' and start_ms < $end_ms + 2 * reach_ms and end_ms > $first_ms - 2 * reach_ms
    group by all
),
series_hour as (
    select host, device, point, first_ts_ms, last_ts_ms
    from lake.raw.sample_series
    where day between $first_day - 2 and $last_day + 2 and readings_n > 0
),
series as (select distinct host, device, point from series_hour),
held_series as (
    select series.device, series.point, hold.*
    from hold
    join series on series.host = hold.host and hold.held in (series.device, '*')
),
met as (
    select distinct held_series.*
    from held_series
    join series_hour using (host, device, point)
    where first_ts_ms < end_ms and last_ts_ms > start_ms
),
unmet as (
    select *
    from held_series
    anti join met using (host, device, point, job_id, attempt)
    where start_ms >= $first_ms and start_ms < $end_ms
),
-- Neighbouring hours of a series are one run of readings unless there is a pause between them.
marked as (
    select series_hour.*,
        first_ts_ms - lag(last_ts_ms) over (partition by host, device, point order by first_ts_ms) <= pause_ms as goes_on
    from series_hour
    semi join unmet using (host, device, point)
    cross join named_value
),
numbered as (
    select *,
        count(*) filter (where not coalesce(goes_on, false)) over (
            partition by host, device, point order by first_ts_ms
        ) as number
    from marked
),
run as (
    select host, device, point, number, min(first_ts_ms) as first_ms, max(last_ts_ms) as last_ms
    from numbered
    group by host, device, point, number
),
touched as (
    select distinct host, device, point, number
    from run
    join held_series using (host, device, point)
    where start_ms < last_ms and end_ms > first_ms
),
near as (
    select run.*, unmet.job_id, unmet.start_ms, unmet.end_ms,
        cast(round((unmet.start_ms + unmet.end_ms - first_ms - last_ms) / 2.0 / quarter_ms) as bigint) * quarter_ms
            as shift_ms
    from (from run anti join touched using (host, device, point, number)) as run
    join unmet using (host, device, point)
    cross join named_value
    where last_ms - first_ms <= unmet.end_ms - unmet.start_ms + spare_ms
),
fitting as (
    select near.*
    from near
    cross join named_value
    where shift_ms <> 0 and abs(shift_ms) <= reach_ms
        and least(last_ms + shift_ms, end_ms) - greatest(first_ms + shift_ms, start_ms)
            >= $min_coverage * (end_ms - start_ms)
)
select
    cast(make_timestamp(start_ms * 1000) as date) || ' ' || host || '/' || device || '/' || point as entity,
    'readings ' || arg_min(
        abs(shift_ms) // 1000 || ' s ' || if(shift_ms > 0, 'before', 'after') || ' job ' || job_id,
        (abs(shift_ms), start_ms, job_id)
    ) || ', none in it' as observed,
    'stamps in UTC' as expected
from fitting
group by cast(make_timestamp(start_ms * 1000) as date), host, device, point
order by entity

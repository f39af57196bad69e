-- Days touched by new hour files through their edges: those from a series' first or last reading, where it is another one
-- now, to the neighbouring reading in another hour, where the interval between them counts.
-- grain: day    keys: day    inputs: old_series (temporary), new_series (temporary), raw.sample_series
-- $reach_ms [ms]: longest counter bridge; $absent_ms [ms]: longest gap; $from_day, $to_day: days that may hold neighbours
with edge as (
    select make_timestamptz(hour_ms * 1000) as hour_start, host, device, point, kind, source,
        first_ts_ms, first_power_mw, first_energy_mj, first_session, first_is_estimate,
        last_ts_ms, last_power_mw, last_energy_mj, last_session, last_is_estimate
    from new_series
),
former as (
    select hour_start, host, device, point, kind, source,
        first_ts_ms, first_power_mw, first_energy_mj, first_session, first_is_estimate,
        last_ts_ms, last_power_mw, last_energy_mj, last_session, last_is_estimate
    from old_series
),
changed as (
    select hour_start, host, device, point, min(first_ts_ms) as first_ms, max(last_ts_ms) as last_ms
    from ((from edge except from former) union all (from former except from edge))
    where first_ts_ms is not null
    group by all
),
neighbour as (
    select changed.hour_start, changed.host, changed.device, changed.point, changed.first_ms, changed.last_ms,
        max(other.last_ts_ms) filter (where other.hour_start < changed.hour_start) as before_ms,
        arg_max(other.last_energy_mj is not null, other.last_ts_ms) filter (where other.hour_start < changed.hour_start)
            as before_counter,
        min(other.first_ts_ms) filter (where other.hour_start > changed.hour_start) as after_ms,
        arg_min(other.first_energy_mj is not null, other.first_ts_ms) filter (where other.hour_start > changed.hour_start)
            as after_counter
    from changed
    join lake.raw.sample_series as other
        on other.host = changed.host and other.device = changed.device and other.point = changed.point
        and other.day between $from_day and $to_day and other.readings_n > 0
    group by all
),
span as (
    select before_ms as from_ms, first_ms as to_ms from neighbour
    where first_ms - before_ms <= case when before_counter then $reach_ms else $absent_ms end
    union all
    select last_ms, after_ms from neighbour
    where after_ms - last_ms <= case when after_counter then $reach_ms else $absent_ms end
)
select distinct cast(unnest(generate_series(
    cast(make_timestamp(from_ms * 1000) as date), cast(make_timestamp(to_ms * 1000) as date), interval 1 day
)) as date) as day
from span

-- Neighbouring readings of a series that lie in different hours: the intervals that no hour file holds by itself.
-- grain: host x device x point x later hour    keys: host, device, point, to_ts_ms    units: ms, mW, mJ
-- inputs: raw.sample_series
-- $from_day, $to_day: days that may hold the readings; $day_start_ms, $day_end_ms: the interval they must cross;
-- $longest_ms: longest interval that counts
with series as (
    select * from lake.raw.sample_series where day between $from_day and $to_day and readings_n > 0
),
pair as (
    select host, device, point, kind, parent, source,
        lag(last_ts_ms) over run as from_ts_ms,
        lag(last_power_mw) over run as from_power_mw,
        lag(last_energy_mj) over run as from_energy_mj,
        lag(last_session) over run as from_session,
        lag(last_is_estimate) over run as from_is_estimate,
        first_ts_ms as to_ts_ms,
        first_power_mw as to_power_mw,
        first_energy_mj as to_energy_mj,
        first_session as to_session,
        first_is_estimate as to_is_estimate,
        first_kind as to_kind,
        first_source as to_source
    from series
    window run as (partition by host, device, point order by hour_start)
)
select *, hash(pair) as digest
from pair
where to_ts_ms > $day_start_ms and from_ts_ms < $day_end_ms and to_ts_ms - from_ts_ms <= $longest_ms
order by host, device, point, to_ts_ms

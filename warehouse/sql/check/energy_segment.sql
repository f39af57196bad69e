-- Energy of one series between two neighbouring cuts, interval by interval: what the sample kernel is held against.
-- grain: host x device x point x segment    keys: host, device, point, start_ms
-- units: J, ms    inputs: reading, job_cut, source_rule, kind_rule (all temporary)
-- $start_ms, $end_ms: the period, full hours; $slot_ms: slot length; $reach_ms: longest counter bridge; $absent_ms: longest
-- gap; $jitter_ms: allowance for the stamps in the plausibility bound
--
-- Rule for the interval between two neighbouring readings: the difference of the counters if the session is the same and the
-- implied power is plausible, also over one wrap of a counter of known range where a second wrap is not plausible; else the
-- trapezoid of the powers up to the longest gap of the source; else a gap; a longer silence is nothing. A counter interval is
-- cut pro rata in time, a trapezoid interval by its linear power. Flags: 1 reset, 2 wrap, 4 implausible rise.
-- Quantities are decimals up to the cut, so that no bound depends on rounding.
with neighbour as (
    select
        host, device, point, kind, source,
        ts_ms as to_ms,
        power_mw as to_power_mw,
        cast(energy_mj as decimal(38, 0)) as to_energy_mj,
        session as to_session,
        is_estimate as to_is_estimate,
        lag(ts_ms) over series as from_ms,
        lag(power_mw) over series as from_power_mw,
        cast(lag(energy_mj) over series as decimal(38, 0)) as from_energy_mj,
        lag(session) over series as from_session,
        lag(is_estimate) over series as from_is_estimate
    from reading
    where power_mw is not null or energy_mj is not null
    window series as (partition by host, device, point order by ts_ms)
),
measured as (
    select
        neighbour.*,
        to_ms - from_ms as length_ms,
        from_is_estimate or to_is_estimate as is_estimate,
        max_gap_ms,
        counter_range_mj,
        to_energy_mj - from_energy_mj as rise_mj,
        from_session = to_session as is_one_session,
        -- the most that a device of this kind can have used, in microjoules
        cast(max_power_mw as decimal(38, 0)) * (to_ms - from_ms + $jitter_ms) as bound_uj
    from neighbour
    join source_rule using (source)
    join kind_rule using (kind)
    where from_ms is not null and to_ms > $start_ms and from_ms < $end_ms
),
told as (
    select
        *,
        coalesce(
            is_one_session
            and rise_mj < 0
            and length_ms <= $reach_ms
            and from_energy_mj <= counter_range_mj
            and to_energy_mj <= counter_range_mj
            and (rise_mj + counter_range_mj) * 1000 <= bound_uj
            and bound_uj < cast(counter_range_mj as decimal(38, 0)) * 1000,
            false
        ) as is_wrap,
        coalesce(is_one_session and rise_mj >= 0 and rise_mj * 1000 <= bound_uj, false) as is_rise
    from measured
),
judged as (
    select
        *,
        case
            when is_wrap or (is_rise and length_ms <= $reach_ms) then 'counter'
            when from_power_mw is not null and to_power_mw is not null and length_ms <= max_gap_ms then 'trapezoid'
            when length_ms <= $absent_ms then 'gap'
        end as rule,
        case when is_wrap then rise_mj + counter_range_mj else rise_mj end as used_mj,
        case
            when rise_mj is null or is_rise then 0
            when is_wrap then 2
            when is_one_session and rise_mj >= 0 then 4
            else 1
        end as flag
    from told
),
host as (select distinct host from judged),
edge as (
    select host, cast($start_ms + step * $slot_ms as bigint) as cut_ms
    from host, range(($end_ms - $start_ms) // $slot_ms) as slots (step)
    union
    select host, cut_ms
    from job_cut
    where cut_ms > $start_ms and cut_ms < $end_ms and host in (select host from host)
),
segment as (
    select host, cut_ms as start_ms, lead(cut_ms, 1, $end_ms) over (partition by host order by cut_ms) as end_ms
    from edge
),
piece as (
    select
        judged.*, start_ms, end_ms,
        greatest(from_ms, start_ms) as x_ms,
        least(to_ms, end_ms) as y_ms
    from judged
    join segment
        on segment.host = judged.host and segment.end_ms > judged.from_ms and segment.start_ms < judged.to_ms
    where rule is not null
),
weighed as (
    select
        *,
        case rule
            when 'counter' then cast(used_mj as double) / 1e3 * ((y_ms - x_ms) / length_ms)
            when 'trapezoid' then
                (
                    cast(from_power_mw as double) * (2 * to_ms - x_ms - y_ms)
                    + cast(to_power_mw as double) * (x_ms + y_ms - 2 * from_ms)
                ) / (2 * length_ms) * (y_ms - x_ms) / 1e6
            else 0
        end as energy_j
    from piece
)
select
    host, device, point, start_ms, end_ms,
    exact_sum(energy_j) as energy_j,
    cast(coalesce(sum(y_ms - x_ms) filter (where rule <> 'gap'), 0) as bigint) as measured_ms,
    cast(coalesce(sum(y_ms - x_ms) filter (where rule = 'gap'), 0) as bigint) as gap_ms,
    cast(coalesce(sum(y_ms - x_ms) filter (where rule <> 'gap' and is_estimate), 0) as bigint) as estimated_ms,
    coalesce(exact_sum(case when is_estimate then energy_j end), 0) as estimated_j,
    coalesce(exact_sum(case when rule = 'counter' then energy_j end), 0) as counter_j,
    cast(count(*) filter (where y_ms = to_ms) as integer) as samples_n,
    cast(bit_or(flag) as smallint) as flags
from weighed
group by host, device, point, start_ms, end_ms
order by host, device, point, start_ms

-- Energy by device and slot with a window over the partition of a series: the usual way, and less than the kernel does.
-- grain: host x device x point x slot    keys: host, device, point, start_ms    units: J, ms    inputs: reading (view)
-- $slot_ms: length of a slot; $reach_ms: longest counter bridge; $jitter_ms: allowance for the stamps; $max_gap_ms: longest
-- trapezoid; $gpu_mw, $cpu_mw: largest plausible power
--
-- No cuts at jobs, no wraps, flags or estimates; sums in floating point.
with neighbour as (
    select
        host, device, point,
        ts_ms as to_ms,
        power_mw as to_mw,
        energy_mj as to_mj,
        session as to_session,
        case kind when 'gpu' then $gpu_mw else $cpu_mw end as max_mw,
        lag(ts_ms) over series as from_ms,
        lag(power_mw) over series as from_mw,
        lag(energy_mj) over series as from_mj,
        lag(session) over series as from_session
    from reading
    where power_mw is not null or energy_mj is not null
    window series as (partition by host, device, point order by ts_ms)
),
told as (
    select
        *,
        to_ms - from_ms as length_ms,
        from_ms // $slot_ms as first_slot,
        (to_ms - 1) // $slot_ms as last_slot,
        from_session = to_session
            and to_mj >= from_mj
            and to_ms - from_ms <= $reach_ms
            and to_mj - from_mj <= max_mw * (to_ms - from_ms + $jitter_ms) / 1000 as is_counter
    from neighbour
    where from_ms is not null
),
weighed as (
    select
        *,
        case
            when is_counter then (to_mj - from_mj) / 1e3
            when length_ms <= $max_gap_ms then (from_mw + to_mw) / 2.0 * length_ms / 1e6
        end as energy_j
    from told
),
-- Only one interval in some hundreds crosses the edge of a slot.
crossing as (
    select *, greatest(from_ms, slot * $slot_ms) as x_ms, least(to_ms, (slot + 1) * $slot_ms) as y_ms
    from (
        select *, unnest(range(first_slot, last_slot + 1)) as slot
        from weighed
        where first_slot <> last_slot and energy_j is not null
    )
),
cell as (
    select host, device, point, first_slot as slot, sum(energy_j) as energy_j
    from weighed
    where first_slot = last_slot
    group by all
    union all
    select
        host, device, point, slot,
        sum(
            case
                when is_counter then energy_j * (y_ms - x_ms) / length_ms
                else (from_mw * (2 * to_ms - x_ms - y_ms) + to_mw * (x_ms + y_ms - 2 * from_ms))
                    / (2.0 * length_ms) * (y_ms - x_ms) / 1e6
            end
        )
    from crossing
    group by all
)
select host, device, point, slot * $slot_ms as start_ms, sum(energy_j) as energy_j
from cell
where energy_j is not null
group by all

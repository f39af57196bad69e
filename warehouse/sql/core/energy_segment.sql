-- Energy of one device between two neighbouring cuts (slot edges; starts and ends of jobs and phases on its host).
-- grain: host x device x point x segment    keys: host, device, point, start_ms
-- units: J, s, ms    inputs: raw.power_sample, job_hold (temporary), source_rule (temporary), kind_rule (temporary)
-- $day: the day to compute; $day_start_ms, $day_end_ms: its bounds; $slot_ms: slot length; $reach_ms: longest counter
-- bridge; $absent_ms: longest gap; $jitter_ms: allowance for the stamps in the plausibility bound
--
-- Rule for the interval between two neighbouring readings: the difference of the counters if the session is the same and the
-- implied power is plausible; else the trapezoid of the powers up to the longest gap of the source; else a gap. A counter
-- interval is cut pro rata in time, a trapezoid interval by its linear power. Sums are exact decimals: the order of the rows
-- does not matter.
with reading as (
    select host, device, point, kind, parent, source, is_estimate, ts_ms, power_mw, energy_mj, session
    from lake.raw.power_sample
    where day between $day - 1 and $day + 1
        and ts_ms between $day_start_ms - $reach_ms and $day_end_ms + $reach_ms
        and (power_mw is not null or energy_mj is not null)
),
pair as (
    select *,
        lag(ts_ms) over series as from_ms,
        lag(power_mw) over series as from_power_mw,
        lag(energy_mj) over series as from_energy_mj,
        lag(session) over series as from_session,
        lag(is_estimate) over series as from_is_estimate
    from reading
    window series as (partition by host, device, point order by ts_ms)
),
judged as (
    select pair.* exclude (from_is_estimate, is_estimate),
        ts_ms - from_ms as length_ms,
        is_estimate or from_is_estimate as is_estimate,
        case
            when energy_mj >= from_energy_mj
                and session = from_session
                and ts_ms - from_ms <= $reach_ms
                and (energy_mj - from_energy_mj) * 1000.0 <= kind_rule.max_power_mw * (ts_ms - from_ms + $jitter_ms)
                then 'counter'
            when power_mw is not null and from_power_mw is not null and ts_ms - from_ms <= source_rule.max_gap_ms
                then 'trapezoid'
            when ts_ms - from_ms <= $absent_ms then 'gap'
        end as rule
    from pair
    join source_rule using (source)
    join kind_rule using (kind)
    where from_ms is not null and ts_ms > $day_start_ms and from_ms < $day_end_ms
),
clipped as (
    select *, greatest(from_ms, $day_start_ms) as a_ms, least(ts_ms, $day_end_ms) as b_ms
    from judged
    where rule is not null
),
host as (select distinct host from clipped),
edge as (
    select host, cast($day_start_ms + step * $slot_ms as bigint) as cut_ms
    from host, range(($day_end_ms - $day_start_ms) // $slot_ms) as slots (step)
    union
    select host, unnest([start_ms, end_ms]) from job_hold where host in (select host from host)
),
cut as (
    select host, cut_ms, coalesce(lead(cut_ms) over (partition by host order by cut_ms), $day_end_ms) as next_ms
    from edge
    where cut_ms >= $day_start_ms and cut_ms < $day_end_ms
),
placed as (
    select clipped.*, cut.cut_ms, cut.next_ms
    from clipped
    asof join cut on clipped.host = cut.host and clipped.a_ms >= cut.cut_ms
),
piece as (
    select * exclude (cut_ms, next_ms), cut_ms as segment_ms, next_ms as segment_end_ms, a_ms as x_ms, b_ms as y_ms
    from placed
    where b_ms <= next_ms
    union all
    select placed.* exclude (cut_ms, next_ms), cut.cut_ms, cut.next_ms,
        greatest(placed.a_ms, cut.cut_ms), least(placed.b_ms, cut.next_ms)
    from placed
    join cut on cut.host = placed.host and cut.next_ms > placed.a_ms and cut.cut_ms < placed.b_ms
    where placed.b_ms > placed.next_ms
),
energy as (
    select *,
        case rule
            when 'counter' then (energy_mj - from_energy_mj) / 1e3 * ((y_ms - x_ms) / length_ms)
            when 'trapezoid' then
                (
                    from_power_mw
                    + (power_mw - from_power_mw) * ((x_ms - from_ms) + (y_ms - from_ms)) / (2.0 * length_ms)
                ) * (y_ms - x_ms) / 1e6
            else 0
        end as energy_j
    from piece
),
segment as (
    select host, device, point, segment_ms as start_ms, segment_end_ms as end_ms,
        max(kind) as kind,
        max(parent) as parent,
        exact_sum(energy_j) as energy_j,
        coalesce(sum(y_ms - x_ms) filter (where rule <> 'gap'), 0) / 1e3 as measured_s,
        coalesce(sum(y_ms - x_ms) filter (where rule = 'gap'), 0) / 1e3 as gap_s,
        coalesce(exact_sum(case when is_estimate then energy_j end), 0) as estimated_j,
        coalesce(exact_sum(case when rule = 'counter' then energy_j end), 0) as counter_j,
        count(*) filter (where y_ms = ts_ms) as samples_n,
        max(source) as source
    from energy
    group by host, device, point, segment_ms, segment_end_ms
),
slotted as (
    select *, start_ms // $slot_ms * $slot_ms as slot_ms,
        case point when 'meter' then 5 when 'pdu' then 4 when 'ac' then 3 when 'dc' then 2 else 1 end as point_rank
    from segment
),
-- What counts in a slot, so that nothing counts twice: of the measuring points of a device the outermost that was read; a
-- container in place of its parts, or the parts of a container that was silent; a measured node in place of everything in
-- it, or the parts of a node that was silent or is only estimated. A facility meter is never IT equipment.
device_slot as (
    select host, slot_ms, device, max(kind) as kind, max(parent) as parent,
        coalesce(max(case when measured_s > 0 then point_rank end), max(point_rank)) as outermost,
        bool_or(measured_s > 0) as is_read,
        bool_or(measured_s > 0 and estimated_j = 0) as is_metered
    from slotted
    group by host, slot_ms, device
),
host_slot as (
    select host, slot_ms,
        bool_or(kind = 'node' and is_metered) as node_is_metered,
        bool_or(kind not in ('node', 'switch', 'facility') and is_read) as a_part_is_read
    from device_slot
    group by host, slot_ms
),
child_read as (
    select host, slot_ms, parent as device from device_slot where parent is not null and is_read group by all
)
select
    $day as day,
    slotted.host, slotted.device, slotted.point, slotted.kind, slotted.parent,
    slotted.start_ms, slotted.end_ms,
    make_timestamptz(slotted.slot_ms * 1000) as slot_start,
    slotted.energy_j, slotted.measured_s, slotted.gap_s, slotted.estimated_j, slotted.counter_j,
    slotted.samples_n, slotted.source,
    slotted.kind <> 'facility'
        and slotted.point_rank = own.outermost
        and not coalesce(container.is_read, false)
        and not (child_read.device is not null and not own.is_read)
        and case slotted.kind
            when 'switch' then true
            when 'node' then own.is_metered or not host_slot.a_part_is_read
            else not host_slot.node_is_metered
        end as in_total
from slotted
join device_slot as own
    on own.host = slotted.host and own.slot_ms = slotted.slot_ms and own.device = slotted.device
join host_slot on host_slot.host = slotted.host and host_slot.slot_ms = slotted.slot_ms
left join device_slot as container
    on container.host = slotted.host and container.slot_ms = slotted.slot_ms and container.device = slotted.parent
left join child_read
    on child_read.host = slotted.host and child_read.slot_ms = slotted.slot_ms and child_read.device = slotted.device
order by slotted.host, slotted.device, slotted.point, slotted.start_ms

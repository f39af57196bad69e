-- Energy of one device in one slot.
-- grain: host x device x point x slot    keys: host, device, point, slot_start    units: J, s
-- inputs: counted_segment (temporary)    $day: the day to compute; $slot_ms: length of a slot
with whole as (select * from counted_segment where end_ms - start_ms = $slot_ms),
-- Slots that are cut; sums of energy are exact decimals and sums of time are of milliseconds, so that the order of the rows
-- does not matter.
summed as (
    select slot_start, host, device, point,
        max(kind) as kind,
        max(source) as source,
        bool_or(in_total) as in_total,
        exact_sum(energy_j) as energy_j,
        sum(cast(round(measured_s * 1e3) as bigint)) / 1e3 as measured_s,
        sum(cast(round(gap_s * 1e3) as bigint)) / 1e3 as gap_s,
        exact_sum(estimated_j) as estimated_j,
        exact_sum(counter_j) as counter_j,
        exact_sum(counted_j) as counted_j,
        sum(samples_n) as samples_n
    from counted_segment
    where end_ms - start_ms <> $slot_ms
    group by slot_start, host, device, point
)
select $day as day, slot_start, host, device, point, kind, source, in_total,
    energy_j, measured_s, gap_s, estimated_j, counted_j,
    least(counter_j / nullif(energy_j, 0), 1) as counter_fraction,
    cast(samples_n as bigint) as samples_n
from (
    select slot_start, host, device, point, kind, source, in_total,
        energy_j, measured_s, gap_s, estimated_j, counter_j, counted_j, samples_n
    from whole
    union all
    from summed
)

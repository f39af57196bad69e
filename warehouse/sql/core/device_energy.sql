-- Energy of one device in one slot.
-- grain: host x device x point x slot    keys: host, device, point, slot_start    units: J, s
-- inputs: counted_segment (temporary)    $slot_ms: length of a slot
with whole as (select * from counted_segment where end_ms - start_ms = $slot_ms),
-- Slots that are cut; the sums are exact decimals, so that the order of the rows does not matter.
summed as (
    select day, slot_start, host, device, point,
        max(kind) as kind,
        max(source) as source,
        bool_or(in_total) as in_total,
        exact_sum(energy_j) as energy_j,
        exact_sum(measured_s) as measured_s,
        exact_sum(gap_s) as gap_s,
        exact_sum(estimated_j) as estimated_j,
        exact_sum(counter_j) as counter_j,
        exact_sum(counted_j) as counted_j,
        sum(samples_n) as samples_n
    from counted_segment
    where end_ms - start_ms <> $slot_ms
    group by day, slot_start, host, device, point
)
select day, slot_start, host, device, point, kind, source, in_total,
    energy_j, measured_s, gap_s, estimated_j, counted_j,
    least(counter_j / nullif(energy_j, 0), 1) as counter_fraction,
    cast(samples_n as bigint) as samples_n
from (
    select day, slot_start, host, device, point, kind, source, in_total,
        energy_j, measured_s, gap_s, estimated_j, counter_j, counted_j, samples_n
    from whole
    union all
    from summed
)
order by host, device, point, slot_start

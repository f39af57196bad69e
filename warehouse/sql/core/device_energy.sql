-- Energy of one device in one slot.
-- grain: host x device x point x slot    keys: host, device, point, slot_start    units: J, s
-- inputs: core.energy_segment    $day: the day to compute
select
    day, slot_start, host, device, point,
    max(kind) as kind,
    max(source) as source,
    bool_or(in_total) as in_total,
    exact_sum(energy_j) as energy_j,
    exact_sum(measured_s) as measured_s,
    exact_sum(gap_s) as gap_s,
    exact_sum(estimated_j) as estimated_j,
    least(exact_sum(counter_j) / nullif(exact_sum(energy_j), 0), 1) as counter_fraction,
    cast(sum(samples_n) as bigint) as samples_n
from lake.core.energy_segment
where day = $day
group by day, slot_start, host, device, point
order by host, device, point, slot_start

-- check: duplicated_counter    severity: minor    blocking: no    scope: day    asset: core.device_energy
-- Parts of one GPU (MIG instances) that all state the same energy repeat one counter of the whole: it is counted once.
-- grain: day x host x parent    units: J
-- inputs: core.energy_segment    $first_day, $last_day: days to check
with named_value as (select 1e-9 as same_energy_tolerance),
part as (
    select day, slot_start, host, parent, device, point, exact_sum(energy_j) as energy_j
    from lake.core.energy_segment
    where day between $first_day and $last_day
        and parent is not null and parent <> 'node'
        and kind in ('gpu', 'accelerator')
        and measured_s > 0
    group by all
),
-- Devices that name a node or a building as what contains them are no parts of one device.
meter as (
    select host, device as parent
    from lake.core.energy_segment
    where day between $first_day and $last_day and kind in ('node', 'switch', 'facility')
    group by all
),
repeated as (
    select day, slot_start, host, parent, count(distinct device) as parts_n, max(energy_j) as energy_j
    from part
    anti join meter using (host, parent)
    cross join named_value
    group by day, slot_start, host, parent, same_energy_tolerance
    having count(distinct device) > 1
        and min(energy_j) > 0
        and max(energy_j) - min(energy_j) <= same_energy_tolerance * max(energy_j)
)
select day || ' ' || host || '/' || parent as entity,
    max(parts_n) || ' parts state the same ' || round(exact_sum(energy_j), 3) || ' J' as observed,
    'an energy of its own for each part' as expected
from repeated
group by day, host, parent
order by entity

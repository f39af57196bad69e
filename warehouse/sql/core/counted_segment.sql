-- Segments of a day with what of their energy counts, so that nothing counts twice.
-- grain: host x device x point x segment    keys: host, device, point, start_ms    units: J, s, ms
-- inputs: core.energy_segment, device_inside (temporary)    $day: the day to compute
--
-- energy_j, measured_s, gap_s, estimated_j and counter_j are what the device reads; counted_j is what the total takes of it
-- and in_total is false where it takes nothing. Decided by slot, host by host:
-- 1. Of the measuring points of a device the outermost that was read counts.
-- 2. A container counts in place of its parts; of a silent container the parts count. Node and facility meters are no
--    containers here. Parts that all state the same energy repeat one counter of the container: it counts once, in a
--    derived row with the container's id.
-- 3. A metered node (one that is read and not modelled) outranks its parts, which only apportion it: a metered part keeps
--    its energy, scaled down where the parts sum to more than the node in the segment; the rest is a derived row host_other
--    of kind node, so that parts + host_other = node. Modelled parts are inside host_other. A node without metered parts
--    counts itself. Where the node covers less than node_min_coverage of the seconds of its best covered metered part, the
--    parts stand as read and the node does not count; likewise in a segment in which the node measures nothing.
-- 4. Switches count by themselves; a facility meter is never IT equipment.
-- Of derived rows energy_j = counted_j; the seconds of host_other are the node's, its estimated_j and counter_j the same
-- fraction of the node's as its energy.
with named_value as (select 0.9 as node_min_coverage, 1e-9 as same_energy_tolerance),
-- What lies inside an hour and what joins it to others are two rows at most; a sum of two does not depend on their order.
-- Read anew for each use, as most uses need few of its columns or nothing.
segment as not materialized (
    select $day as day,
        coalesce(one.hour_start, stitch.hour_start) as hour_start,
        coalesce(one.slot_start, stitch.slot_start) as slot_start,
        host, device, point,
        coalesce(one.kind, stitch.kind) as kind,
        if(one.kind is null, stitch.parent, one.parent) as parent,
        coalesce(one.source, stitch.source) as source,
        start_ms,
        coalesce(one.end_ms, stitch.end_ms) as end_ms,
        coalesce(one.energy_j, 0) + coalesce(stitch.energy_j, 0) as energy_j,
        coalesce(one.measured_s, 0) + coalesce(stitch.measured_s, 0) as measured_s,
        coalesce(one.gap_s, 0) + coalesce(stitch.gap_s, 0) as gap_s,
        coalesce(one.estimated_j, 0) + coalesce(stitch.estimated_j, 0) as estimated_j,
        coalesce(one.counter_j, 0) + coalesce(stitch.counter_j, 0) as counter_j,
        coalesce(one.estimated_s, 0) + coalesce(stitch.estimated_s, 0) as estimated_s,
        coalesce(one.samples_n, 0) + coalesce(stitch.samples_n, 0) as samples_n
    from (from lake.core.energy_segment where day = $day and part = 'inner') as one
    full join (from lake.core.energy_segment where day = $day and part = 'stitch') as stitch
        using (host, device, point, start_ms)
),
series as (
    select host, device, point, max(kind) as kind, max(parent) as parent
    from lake.core.energy_segment
    where day = $day
    group by host, device, point
),
device as (
    select host, device, max(kind) as kind, max(parent) as parent, count(*) as points_n
    from series
    group by host, device
),
-- Hosts on which something could count twice; on all others every device counts, and nothing has to be decided.
intricate as (
    select host from device where points_n > 1 or kind = 'node'
    union
    select host from device_inside
),
doubtful as (
    select *, case point when 'meter' then 5 when 'pdu' then 4 when 'ac' then 3 when 'dc' then 2 else 1 end as point_rank
    from segment
    semi join intricate using (host)
),
point_slot as (
    select host, slot_start, device, point, point_rank,
        cast(sum(cast(round(measured_s * 1e3) as bigint)) as bigint) as measured_ms,
        cast(sum(cast(round((measured_s - estimated_s) * 1e3) as bigint)) as bigint) as metered_ms,
        exact_sum(case when parent is not null then energy_j end) as part_j
    from doubtful
    group by all
),
device_slot as (
    select host, slot_start, device, device.kind, device.parent, point, metered_ms, part_j, measured_ms > 0 as is_read
    from point_slot
    join device using (host, device)
    where points_n = 1
    union all
    select host, slot_start, device, device.kind, device.parent,
        arg_max(point, (measured_ms > 0, point_rank, point)),
        arg_max(metered_ms, (measured_ms > 0, point_rank, point)),
        arg_max(part_j, (measured_ms > 0, point_rank, point)),
        max(measured_ms) > 0
    from point_slot
    join device using (host, device)
    where points_n > 1
    group by all
),
part_read as (
    select host, slot_start, container as device
    from device_slot
    join device_inside as inside using (host, device)
    where is_read
    group by all
),
container_state as (
    select own.host, own.slot_start, own.device,
        bool_or(outer_slot.is_read) as container_is_read,
        bool_or(not outer_slot.is_read and part_read.device is null) as container_is_silent
    from device_slot as own
    join device_inside as inside using (host, device)
    join device_slot as outer_slot
        on outer_slot.host = own.host and outer_slot.slot_start = own.slot_start and outer_slot.device = inside.container
    left join part_read
        on part_read.host = own.host and part_read.slot_start = own.slot_start and part_read.device = inside.container
    group by all
),
standing as (
    select device_slot.*
    from device_slot
    left join container_state using (host, slot_start, device)
    left join part_read using (host, slot_start, device)
    where kind <> 'facility'
        and case
            when is_read then not coalesce(container_is_read, false)
            else part_read.device is null
                and not coalesce(container_is_read, false)
                and not coalesce(container_is_silent, false)
        end
),
repeated as (
    select host, slot_start, parent, max(point) as point, max(metered_ms) as metered_ms
    from standing
    semi join device_inside as inside
        on inside.host = standing.host and inside.device = standing.device and inside.container = standing.parent
    cross join named_value
    where is_read and kind in ('gpu', 'accelerator')
    group by host, slot_start, parent, same_energy_tolerance
    having count(*) > 1
        and min(part_j) > 0
        and max(part_j) - min(part_j) <= same_energy_tolerance * max(part_j)
),
host_slot as (
    select host, slot_start,
        min(metered_ms) filter (where kind = 'node' and metered_ms > 0) as node_ms,
        max(metered_ms) filter (where kind not in ('node', 'switch') and metered_ms > 0) as part_ms,
        bool_or(kind not in ('node', 'switch') and is_read) as a_part_is_read
    from standing
    group by host, slot_start
),
host_rule as (
    select host, slot_start, a_part_is_read,
        case
            when node_ms is null then 'no node'
            when part_ms is null then 'node'
            when node_ms >= node_min_coverage * part_ms then 'shared'
            else 'parts'
        end as rule
    from host_slot
    cross join named_value
),
-- What becomes of a device in a slot: own (as read), part (of the node), node (that is apportioned) or nothing.
decided as (
    select standing.* exclude (part_of), rule, repeated.point as repeated_point,
        case
            when kind = 'switch' then 'own'
            when kind = 'node' and standing.metered_ms > 0
                then case rule when 'shared' then 'node' when 'node' then 'own' end
            when kind = 'node' then case when rule in ('no node', 'parts') and not a_part_is_read then 'own' end
            when rule in ('no node', 'parts') or not is_read then 'own'
            when rule = 'shared' and coalesce(repeated.metered_ms, standing.metered_ms) > 0 then 'part'
        end as role
    from (
        select *, case when is_read and kind in ('gpu', 'accelerator') then parent end as part_of from standing
    ) as standing
    join host_rule using (host, slot_start)
    left join repeated
        on repeated.host = standing.host and repeated.slot_start = standing.slot_start
        and repeated.parent = standing.part_of
),
-- One row of the container for parts that repeat its counter; it takes the place of the silent rows of the container.
once as (
    select doubtful.* replace (decided.parent as device, repeated_point as point, outer_device.parent as parent), role
    from doubtful
    join decided using (host, slot_start, device, point)
    left join device as outer_device on outer_device.host = decided.host and outer_device.device = decided.parent
    where decided.repeated_point is not null
    qualify row_number() over (
        partition by doubtful.host, decided.parent, doubtful.start_ms
        order by doubtful.measured_s desc, doubtful.device
    ) = 1
),
counting as (
    select doubtful.*, case when decided.repeated_point is null then role end as role
    from doubtful
    left join decided using (host, slot_start, device, point)
    anti join repeated
        on repeated.host = doubtful.host and repeated.slot_start = doubtful.slot_start
        and repeated.parent = doubtful.device and repeated.point = doubtful.point
    union all
    select * from once
),
shared as (
    select host, start_ms,
        exact_sum(case when role = 'part' then energy_j end) as parts_j,
        exact_sum(case when role = 'node' then energy_j end) as node_j,
        coalesce(max(case when role = 'node' then measured_s end), 0) > 0 as node_is_read
    from counting
    where role in ('node', 'part')
    group by host, start_ms
),
apportioned as (
    select counting.*,
        case
            when role is null or role = 'node' then 0
            when role = 'part' and node_is_read and parts_j > node_j then energy_j * (node_j / parts_j)
            else energy_j
        end as counted_j
    from counting
    left join shared using (host, start_ms)
),
host_other as (
    select * replace (counted_j as energy_j, fraction * estimated_j as estimated_j, fraction * counter_j as counter_j)
    from (
        select any_value(day) as day, any_value(hour_start) as hour_start, any_value(slot_start) as slot_start, host,
            'host_other' as device, max(point) as point, 'node' as kind, cast(null as varchar) as parent,
            max(source) as source, start_ms, any_value(end_ms) as end_ms,
            exact_sum(energy_j) as energy_j,
            max(measured_s) as measured_s,
            min(gap_s) as gap_s,
            exact_sum(estimated_j) as estimated_j,
            exact_sum(counter_j) as counter_j,
            max(samples_n) as samples_n,
            case when any_value(node_is_read)
                then greatest(any_value(node_j) - coalesce(any_value(parts_j), 0), 0) else 0.0 end as counted_j,
            coalesce(counted_j / nullif(any_value(node_j), 0), 1) as fraction
        from counting
        join shared using (host, start_ms)
        where role = 'node'
        group by host, start_ms
    )
)
select day, hour_start, slot_start, host, device, point, kind, parent, source, start_ms, end_ms,
    energy_j, measured_s, gap_s, estimated_j, counter_j, samples_n,
    case when kind = 'facility' then 0 else energy_j end as counted_j,
    kind <> 'facility' as in_total
from segment
anti join intricate using (host)
union all
select day, hour_start, slot_start, host, device, point, kind, parent, source, start_ms, end_ms,
    energy_j, measured_s, gap_s, estimated_j, counter_j, samples_n,
    counted_j, coalesce(role, 'node') <> 'node'
from apportioned
union all
select day, hour_start, slot_start, host, device, point, kind, parent, source, start_ms, end_ms,
    energy_j, measured_s, gap_s, estimated_j, counter_j, samples_n, counted_j, true
from host_other

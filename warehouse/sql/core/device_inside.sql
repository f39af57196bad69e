-- Which device of a host lies inside which, up to three containers deep (MIG compute instance, GPU instance, GPU, module).
-- grain: host x device x container    keys: the same
-- inputs: core.energy_segment    $day: the day to compute
--
-- Devices that name each other in a circle contain nothing. Switches and facility meters lie in nothing and contain nothing;
-- a node contains its devices by being their node meter, not as a container.
with device as (
    select host, device, max(kind) as kind, max(parent) as parent
    from lake.core.energy_segment
    where day = $day
    group by host, device
),
contained as (select host, device, parent as container from device where parent is not null),
contained_twice as (
    select inner_one.host, inner_one.device, outer_one.container
    from contained as inner_one
    join contained as outer_one on outer_one.host = inner_one.host and outer_one.device = inner_one.container
),
lineage as (
    from contained
    union
    from contained_twice
    union
    select inner_one.host, inner_one.device, outer_one.container
    from contained_twice as inner_one
    join contained as outer_one on outer_one.host = inner_one.host and outer_one.device = inner_one.container
)
select lineage.host, lineage.device, lineage.container
from lineage
join device using (host, device)
left join device as outer_device on outer_device.host = lineage.host and outer_device.device = lineage.container
anti join lineage as back
    on back.host = lineage.host and back.device = lineage.container and back.container = lineage.device
where device.kind not in ('switch', 'facility')
    and coalesce(outer_device.kind, '') not in ('switch', 'facility')
    and (device.kind = 'node' or (coalesce(outer_device.kind, '') <> 'node' and lineage.container <> 'node'))

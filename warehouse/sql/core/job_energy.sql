-- Energy of one job on one device in one hour, with rows for idle and unallocated energy.
-- grain: hour x allocation x basis x job x attempt x phase x host x device x point    keys: the same    units: J, s
-- inputs: counted_segment (temporary), day_hold (temporary), core.job, ref.facility, ref.cloud_region_factor
-- $idle: who bears idle energy: visible (nobody), holder (the job that reserves the device) or spread (jobs of the host)
--
-- A device goes to the jobs that hold it: by their stated shares, and what is left in equal parts to those that state none.
-- Shares above 1 in sum are scaled to 1. A hold on * or on the node is one on each device of the host, a hold on a container
-- one on each part in it. A hold on a part (a MIG instance) is one on its containers too: by the stated share of the
-- container, else equally with the other parts that are held. Equipment of the host that nobody holds by itself
-- (processors, memory, the node meter and what it leaves) follows the devices that lead the host: accelerators, or
-- processors where there are none. What is left goes to the reservations of the device by the same rule of shares (idle,
-- reserved), and the rest is idle and free; of shared equipment (switch) all that is left is unallocated. covered_s counts
-- a measured second once in each row that has a part of it.
with device as (
    select host, device, max(kind) as kind, max(parent) as parent from counted_segment group by host, device
),
-- Between two neighbouring starts and ends of holds on a host the holders are the same: an epoch of the host. Segments are
-- cut there, so those of an hour and epoch are added up before anything is given out.
cut as (select distinct host, unnest([start_ms, end_ms]) as cut_ms from day_hold),
moment as (select host, start_ms from counted_segment semi join cut using (host) group by host, start_ms),
placed as (
    select moment.host, moment.start_ms,
        greatest(coalesce(cut.cut_ms, 0), moment.start_ms // 3600000 * 3600000) as epoch_ms
    from moment
    asof left join cut on cut.host = moment.host and cut.cut_ms <= moment.start_ms
),
piece as (
    select day, hour_start, host, device, point,
        coalesce(placed.epoch_ms, epoch_ms(hour_start)) as epoch_ms,
        any_value(device.kind) as kind,
        max(source) as source,
        exact_sum(counted_j) as energy_j,
        exact_sum(measured_s) as measured_s,
        exact_sum(gap_s) as gap_s,
        exact_sum(estimated_j * if(counted_j = energy_j, 1, counted_j / energy_j)) as estimated_j,
        exact_sum(counter_j * if(counted_j = energy_j, 1, counted_j / energy_j)) as counter_j
    from counted_segment
    join device using (host, device)
    left join placed using (host, start_ms)
    where in_total
    group by all
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
),
-- Which device lies inside which, as counted_segment decides it.
inside as (
    select lineage.*, device.kind
    from lineage
    join device using (host, device)
    left join device as outer_device on outer_device.host = lineage.host and outer_device.device = lineage.container
    anti join lineage as back
        on back.host = lineage.host and back.device = lineage.container and back.container = lineage.device
    where device.kind not in ('switch', 'facility')
        and coalesce(outer_device.kind, '') not in ('switch', 'facility')
        and (device.kind = 'node' or (coalesce(outer_device.kind, '') <> 'node' and lineage.container <> 'node'))
),
-- Devices that lead a host, the outermost of each.
ranked as (
    select *, case when kind in ('gpu', 'accelerator') then 2 when kind = 'cpu' then 1 else 0 end as lead_rank from device
),
lead_device as (
    select distinct ranked.host, coalesce(outermost.container, ranked.device) as device
    from ranked
    join (select host, max(lead_rank) as lead_rank from ranked group by host) as highest using (host, lead_rank)
    left join (
        select * from inside
        anti join inside as further on further.host = inside.host and further.device = inside.container
    ) as outermost on outermost.host = ranked.host and outermost.device = ranked.device
    where lead_rank > 0
),
lead_count as (select host, count(*) as lead_n from lead_device group by host),
-- Which devices a hold reaches: as a whole, or through a part that lies inside.
reached as (
    select host, device as held, device, true as is_whole from device
    union
    select host, device, device, true from lead_device
    union
    select host, '*', device, true from device
    union
    select node.host, node.device, device.device, true
    from device as node
    join device using (host)
    where node.kind = 'node' and device.kind not in ('switch', 'facility')
    union
    select host, container, device, true from inside
    union
    select host, device, container, false from inside
),
epoch as (select host, epoch_ms from placed group by host, epoch_ms),
hold_at as (
    select epoch.host, epoch_ms, job_id, attempt, phase, basis, day_hold.device as held, share_fraction
    from epoch
    join day_hold on day_hold.host = epoch.host and day_hold.start_ms <= epoch_ms and day_hold.end_ms > epoch_ms
),
-- A job holds a device once, as a whole or by each of the parts that it holds.
unit as (
    select hold_at.host, epoch_ms, reached.device, basis, job_id, attempt, phase,
        case when not is_whole then held end as part_held,
        max(share_fraction) as share_fraction
    from hold_at
    join reached using (host, held)
    group by all
),
whole_unit as (select * from unit where part_held is null),
-- Parts that lie in another part that the same job holds.
narrower as (
    select unit.host, epoch_ms, unit.device, basis, job_id, attempt, inside.device as part_held
    from unit
    join inside on inside.host = unit.host and inside.container = unit.part_held
),
own_unit as (
    select * from whole_unit
    union all
    select *
    from (select * from unit where part_held is not null)
    anti join whole_unit using (host, epoch_ms, device, basis, job_id, attempt)
    anti join narrower using (host, epoch_ms, device, basis, job_id, attempt, part_held)
),
asked as (
    select host, epoch_ms, device, basis,
        coalesce(exact_sum(share_fraction), 0) as stated,
        count(*) filter (where share_fraction is null) as unstated_n
    from own_unit
    group by all
),
-- Stated shares that fill the device but for their rounding fill it.
share as (
    select host, epoch_ms, device, basis, job_id, attempt, phase,
        exact_sum(
            case
                when share_fraction is null then greatest(1 - stated, 0) / unstated_n
                when stated > 1 or (unstated_n = 0 and round(stated, 9) = 1) then share_fraction / stated
                else share_fraction
            end
        ) as part
    from own_unit
    join asked using (host, epoch_ms, device, basis)
    group by all
),
followed as (
    select device.host, lead.epoch_ms, device.device, lead.job_id, lead.attempt, lead.phase,
        exact_sum(lead.part / lead_n) as part
    from device
    join lead_device on lead_device.host = device.host and lead_device.device <> device.device
    join lead_count on lead_count.host = device.host
    join share as lead on lead.host = device.host and lead.device = lead_device.device and lead.basis = 'held'
    anti join share as own
        on own.host = device.host and own.device = device.device and own.epoch_ms = lead.epoch_ms and own.basis = 'held'
    where device.kind in ('cpu', 'dram', 'node')
    group by all
),
running as (
    select host, epoch_ms, device, 'held' as basis, job_id, attempt, phase, part
    from share
    where basis = 'held' and part > 0
    union all
    select host, epoch_ms, device, 'follows', job_id, attempt, phase, part from followed where part > 0
),
-- What running jobs leave of a device, and how much of that nobody reserves; what rounding leaves is nothing.
left_over as (
    select host, epoch_ms, device, kind,
        case when 1 - run > 1e-14 then 1 - run else 0 end as part,
        case when 1 - reserved > 1e-14 then 1 - reserved else 0 end as free_fraction
    from (
        select host, epoch_ms, device,
            coalesce(exact_sum(case when basis <> 'reserved' then part end), 0) as run,
            coalesce(exact_sum(case when basis = 'reserved' then part end), 0) as reserved
        from (from running union all select * from share where basis = 'reserved')
        group by all
    )
    join device using (host, device)
),
reserved as (
    select host, epoch_ms, device,
        if($idle = 'holder', 'job', 'idle') as allocation,
        if($idle = 'holder', job_id, null) as job_id,
        if($idle = 'holder', attempt, null) as attempt,
        if($idle = 'holder', phase, null) as phase,
        exact_sum(left_over.part * share.part) as part
    from share
    join left_over using (host, epoch_ms, device)
    where basis = 'reserved' and share.part > 0 and left_over.part > 0 and kind <> 'switch'
    group by all
),
-- Of the idle rows of a device in an epoch, is_first says which one stands for them all.
part as (
    select host, epoch_ms, device, 'job' as allocation, basis, job_id, attempt, phase, part, false as is_first
    from running
    union all
    select host, epoch_ms, device, allocation, 'reserved', job_id, attempt, phase, part, true from reserved
    union all
    select host, epoch_ms, device, 'idle', 'free', null, null, null, part * free_fraction, free_fraction = 1
    from left_over
    where part > 0 and free_fraction > 0 and kind <> 'switch'
    union all
    select host, epoch_ms, device, 'unallocated', 'shared', null, null, null, part, false
    from left_over
    where part > 0 and kind = 'switch'
),
given as (
    select day, hour_start, host, device, point,
        coalesce(allocation, if(kind = 'switch', 'unallocated', 'idle')) as allocation,
        coalesce(basis, if(kind = 'switch', 'shared', 'free')) as basis,
        job_id, attempt, phase, kind,
        max(source) as source,
        exact_sum(energy_j * coalesce(part, 1)) as energy_j,
        exact_sum(measured_s * coalesce(part, 1)) as measured_s,
        exact_sum(gap_s * coalesce(part, 1)) as gap_s,
        exact_sum(estimated_j * coalesce(part, 1)) as estimated_j,
        exact_sum(counter_j * coalesce(part, 1)) as counter_j,
        exact_sum(measured_s) as covered_s,
        exact_sum(if(coalesce(is_first, true), measured_s, 0)) as idle_covered_s
    from piece
    left join part using (host, epoch_ms, device)
    group by all
),
-- Idle energy that is spread goes to the jobs of the host in the hour by their energy on it; without such a job it stays.
job_weight as (
    select hour_start, host, job_id, attempt, phase, job_j / total_j as weight
    from (
        select hour_start, host, job_id, attempt, phase, exact_sum(energy_j) as job_j
        from given
        where allocation = 'job' and $idle = 'spread'
        group by all
    )
    join (
        select hour_start, host, exact_sum(energy_j) as total_j from given where allocation = 'job' group by all
    ) using (hour_start, host)
    where job_j > 0
),
row_of as (
    select * exclude (idle_covered_s) from given where allocation <> 'idle'
    union all
    select * exclude (idle_covered_s)
    from given
    anti join job_weight using (hour_start, host)
    where allocation = 'idle'
    union all
    select day, hour_start, host, device, point, 'job', 'spread', bearer.job_id, bearer.attempt, bearer.phase, kind,
        max(source),
        exact_sum(energy_j * weight), exact_sum(measured_s * weight), exact_sum(gap_s * weight),
        exact_sum(estimated_j * weight), exact_sum(counter_j * weight),
        exact_sum(idle_covered_s)
    from given
    join job_weight as bearer using (hour_start, host)
    where allocation = 'idle'
    group by all
),
-- Where a host stands: the first facility of the configuration whose patterns match its name; else what its job states.
host_place as (
    select host, arg_min(facility, position) as facility, arg_min(zone, position) as zone
    from (select distinct host from device) as seen
    join (
        select facility, zone, position, unnest(hosts) as pattern from lake.ref.facility where known_to is null
    ) as place on seen.host glob place.pattern
    group by host
),
cloud as (select provider, region, zone from lake.ref.cloud_region_factor where metric = 'grid_zone' and known_to is null),
job_place as (
    select job.job_id, job.attempt,
        coalesce(named.facility, cloud.provider || '/' || cloud.region) as facility,
        coalesce(named.zone, cloud.zone) as zone
    from lake.core.job as job
    semi join (select distinct job_id, attempt from day_hold) as held using (job_id, attempt)
    left join lake.ref.facility as named on named.facility = job.facility and named.known_to is null
    left join cloud on cloud.provider = job.provider and cloud.region = job.region
    where coalesce(named.facility, cloud.provider) is not null
),
-- Idle time of a host that the configuration does not place stands where its jobs of the day say, if they agree.
agreed_place as (
    select host, any_value(facility) as facility, any_value(zone) as zone
    from (
        select distinct running.host, job_place.facility, job_place.zone
        from running
        join job_place using (job_id, attempt)
    )
    group by host
    having count(*) = 1
)
select
    day, hour_start, allocation, basis, row_of.job_id, row_of.attempt, phase, host, device, point, kind,
    case when host_place.host is not null then host_place.facility
        when allocation = 'job' then job_place.facility
        else agreed_place.facility end as facility,
    case when host_place.host is not null then host_place.zone
        when allocation = 'job' then job_place.zone
        else agreed_place.zone end as zone,
    source, energy_j, measured_s, gap_s, estimated_j, counter_j, covered_s
from row_of
left join host_place using (host)
left join job_place using (job_id, attempt)
left join agreed_place using (host)
order by hour_start, host, device, point, allocation, basis, job_id, attempt, phase

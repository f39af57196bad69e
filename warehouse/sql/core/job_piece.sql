-- Energy of one job on one device in one slot, with rows for idle and unallocated energy; core.job_energy adds it up by hour,
-- core.job_slot by place.
-- grain: slot x allocation x basis x job x attempt x phase x host x device x point    keys: the same    units: J, s
-- inputs: counted_segment, device_inside, day_hold (temporary), core.job, ref.facility, ref.cloud_region_factor
-- $day: the day to compute; $step_ms: length of a slot, a divisor of the hour and a multiple of the segments' slots;
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
--
-- Devices, jobs and times are numbered (_n), in the order of their names, and have their names back at the end.
with series as (
    select host, device, point, max(kind) as kind, max(parent) as parent,
        row_number() over (order by host, device, point) as series_n
    from counted_segment
    group by host, device, point
),
device as (
    select host, device, max(kind) as kind, max(parent) as parent, max(kind) in ('cpu', 'dram', 'node') as is_equipment
    from series
    group by host, device
),
contained as (select host, device, parent as container from device where parent is not null),
-- Devices that lead a host, the outermost of each.
ranked as (
    select *, case when kind in ('gpu', 'accelerator') then 2 when kind = 'cpu' then 1 else 0 end as lead_rank from device
),
lead_device as (
    select distinct ranked.host, coalesce(outermost.container, ranked.device) as device
    from ranked
    join (select host, max(lead_rank) as lead_rank from ranked group by host) as highest using (host, lead_rank)
    left join (
        select inside.* from device_inside as inside
        anti join device_inside as further on further.host = inside.host and further.device = inside.container
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
    select host, container, device, true from device_inside
    union
    select host, device, container, false from device_inside
),
-- A device has a clock that ticks when a hold that reaches it starts or ends. Equipment that can follow other devices has one
-- clock in a host, which ticks with every hold there.
numbered as (
    select *, case when is_equipment then min(device_n) over (partition by host, is_equipment) else device_n end as clock_n
    from (
        select host, device, kind, coalesce(is_equipment, false) as is_equipment,
            row_number() over (order by host, device) as device_n
        from device
        full join (select distinct host, container as device from contained) as container using (host, device)
    )
),
hold as (
    select *,
        dense_rank() over (order by job_id, attempt) as job_n,
        dense_rank() over (order by job_id, attempt, phase) as who_n
    from day_hold
),
who as (
    select who_n, any_value(job_id) as job_id, any_value(attempt) as attempt, any_value(phase) as phase
    from hold
    group by who_n
),
hold_on as (
    select numbered.device_n, numbered.clock_n, basis, job_n, who_n, share_fraction, start_ms, end_ms,
        case when not is_whole then part.device_n end as part_n
    from hold
    join reached on reached.host = hold.host and reached.held = hold.device
    join numbered on numbered.host = hold.host and numbered.device = reached.device
    left join numbered as part on part.host = hold.host and part.device = hold.device
),
slot as (
    select unnest(range(hour_ms, hour_ms + 3600000, $step_ms)) as slot_ms
    from (select distinct epoch_ms(hour_start) as hour_ms from counted_segment)
),
tick as (
    select clock_n, slot_ms as tick_ms from (select distinct clock_n from numbered) as clock cross join slot
    union
    select clock_n, tick_ms
    from (
        select clock_n, unnest([start_ms, end_ms]) as tick_ms from hold_on
        union all
        select clock_n, unnest([start_ms, end_ms])
        from hold
        join (select distinct host, clock_n from numbered where is_equipment) as clock using (host)
    )
    where tick_ms between (select min(slot_ms) from slot) and (select max(slot_ms) + $step_ms - 1 from slot)
),
-- Between two ticks of a clock the holders are the same. Segments are cut there, so those of an epoch are added up before
-- anything is given out.
epoch as (
    select clock_n, tick_ms as start_ms, tick_ms // $step_ms * $step_ms as slot_ms,
        lead(tick_ms, 1, 9223372036854775807) over (partition by clock_n order by tick_ms) as end_ms,
        row_number() over (order by clock_n, tick_ms) as epoch_n
    from tick
),
piece as (
    select series_n, device_n, epoch_n, epoch.slot_ms,
        max(source) as source,
        exact_sum(counted_j) as energy_j,
        cast(sum(cast(round(measured_s * 1e3) as bigint)) as bigint) as measured_ms,
        cast(sum(cast(round(gap_s * 1e3) as bigint)) as bigint) as gap_ms,
        exact_sum(estimated_j * if(counted_j = energy_j, 1, counted_j / energy_j)) as estimated_j,
        exact_sum(counter_j * if(counted_j = energy_j, 1, counted_j / energy_j)) as counter_j
    from counted_segment as segment
    join (select host, device, point, series_n, device_n, clock_n from series join numbered using (host, device)) as series
        using (host, device, point)
    join epoch
        on epoch.clock_n = series.clock_n and epoch.slot_ms = segment.start_ms // $step_ms * $step_ms
        and segment.start_ms >= epoch.start_ms and segment.start_ms < epoch.end_ms
    where in_total
    group by all
),
-- A job holds a device once, as a whole or by each of the parts that it holds.
unit as (
    select device_n, epoch_n, basis, job_n, who_n, part_n, max(share_fraction) as share_fraction
    from hold_on
    join epoch
        on epoch.clock_n = hold_on.clock_n and hold_on.start_ms <= epoch.start_ms and hold_on.end_ms > epoch.start_ms
    group by all
),
whole_unit as (select * from unit where part_n is null),
-- Parts that lie in another part that the same job holds.
narrower as (
    select unit.device_n, epoch_n, basis, job_n, inner_part.device_n as part_n
    from (select * from unit where part_n is not null) as unit
    join numbered as outer_part on outer_part.device_n = unit.part_n
    join device_inside as inside on inside.host = outer_part.host and inside.container = outer_part.device
    join numbered as inner_part on inner_part.host = inside.host and inner_part.device = inside.device
),
own_unit as (
    select * from whole_unit
    union all
    select *
    from (select * from unit where part_n is not null)
    anti join whole_unit using (device_n, epoch_n, basis, job_n)
    anti join narrower using (device_n, epoch_n, basis, job_n, part_n)
),
asked as (
    select device_n, epoch_n, basis,
        coalesce(exact_sum(share_fraction), 0) as stated,
        count(*) filter (where share_fraction is null) as unstated_n
    from own_unit
    group by all
),
-- Stated shares that fill the device but for their rounding fill it.
share as (
    select device_n, epoch_n, basis, who_n,
        exact_sum(
            case
                when share_fraction is null then greatest(1 - stated, 0) / unstated_n
                when stated > 1 or (unstated_n = 0 and round(stated, 9) = 1) then share_fraction / stated
                else share_fraction
            end
        ) as part
    from own_unit
    join asked using (device_n, epoch_n, basis)
    group by all
),
held_by_itself as (select distinct device_n, epoch_n from share where basis = 'held'),
leader as (
    select host, device_n, count(*) over (partition by host) as lead_n from lead_device join numbered using (host, device)
),
-- Equipment that follows the same leaders follows them by one rule; a leader does not follow itself.
follower as (
    select numbered.device_n, clock_n, host, lead_n, leader.device_n as leader_n,
        coalesce(leader.device_n, -clock_n) as rule_n
    from numbered
    join (select distinct host, lead_n from leader) as led using (host)
    left join leader using (host, device_n, lead_n)
    where is_equipment
),
followed as (
    select rule_n, epoch.epoch_n, who_n, exact_sum(part / rule.lead_n) as part
    from (select distinct rule_n, clock_n, host, lead_n, leader_n from follower) as rule
    join leader on leader.host = rule.host and leader.device_n is distinct from rule.leader_n
    join share on share.device_n = leader.device_n and share.basis = 'held' and part > 0
    join epoch as of_leader on of_leader.epoch_n = share.epoch_n
    join epoch
        on epoch.clock_n = rule.clock_n and epoch.slot_ms = of_leader.slot_ms
        and epoch.start_ms >= of_leader.start_ms and epoch.start_ms < of_leader.end_ms
    group by all
),
own_sum as (
    select device_n, epoch_n,
        coalesce(exact_sum(case when basis <> 'reserved' then part end), 0) as run,
        coalesce(exact_sum(case when basis = 'reserved' then part end), 0) as reserved
    from share
    group by all
),
followed_sum as (
    select device_n, epoch_n, run
    from follower
    join (select rule_n, epoch_n, exact_sum(part) as run from followed group by all) using (rule_n)
    anti join held_by_itself using (device_n, epoch_n)
),
-- What running jobs leave of a device, and how much of that nobody reserves; what rounding leaves is nothing.
left_over as (
    select device_n, epoch_n,
        case when 1 - run > 1e-14 then 1 - run else 0 end as part,
        case when 1 - reserved > 1e-14 then 1 - reserved else 0 end as free_fraction
    from (
        select device_n, epoch_n, coalesce(followed_sum.run, own_sum.run) as run, coalesce(reserved, 0) as reserved
        from own_sum
        full join followed_sum using (device_n, epoch_n)
    )
),
-- Of the idle rows of a device in an epoch, is_first says which one stands for them all.
own_part as (
    select device_n, epoch_n, basis, who_n, part, false as is_first from share where basis = 'held' and part > 0
    union all
    select device_n, epoch_n, 'reserved', if($idle = 'holder', who_n, null) as bearer_n,
        exact_sum(left_over.part * share.part), true
    from share
    join left_over using (device_n, epoch_n)
    join numbered using (device_n)
    where basis = 'reserved' and share.part > 0 and left_over.part > 0 and kind <> 'switch'
    group by device_n, epoch_n, bearer_n
),
given as (
    select series_n, slot_ms, slot_ms // 3600000 * 3600000 as hour_ms, basis, who_n,
        max(source) as source,
        exact_sum(energy_j * part) as energy_j,
        exact_sum(measured_ms * part) / 1e3 as measured_s,
        exact_sum(gap_ms * part) / 1e3 as gap_s,
        exact_sum(estimated_j * part) as estimated_j,
        exact_sum(counter_j * part) as counter_j,
        sum(measured_ms) / 1e3 as covered_s,
        sum(if(is_first, measured_ms, 0)) / 1e3 as idle_covered_s
    from (
        select piece.*, basis, who_n, part, is_first
        from piece
        join own_part using (device_n, epoch_n)
        union all
        select piece.*, 'follows', who_n, part, false
        from piece
        anti join held_by_itself using (device_n, epoch_n)
        join follower using (device_n)
        join followed using (rule_n, epoch_n)
        union all
        select piece.*,
            if(kind = 'switch', 'shared', 'free'), null,
            coalesce(part * if(kind = 'switch', 1, free_fraction), 1) as left_part,
            coalesce(free_fraction, 1) = 1
        from piece
        join numbered using (device_n)
        left join left_over using (device_n, epoch_n)
        where left_part > 0
    )
    group by all
),
named as (
    select given.*, host, device, point,
        case when who_n is not null then 'job' when basis = 'shared' then 'unallocated' else 'idle' end as allocation
    from given
    join series using (series_n)
),
-- Idle energy that is spread goes to the jobs of the host in the hour by their energy on it; without such a job it stays.
job_weight as (
    select hour_ms, host, who_n, job_j / total_j as weight
    from (
        select hour_ms, host, who_n, exact_sum(energy_j) as job_j
        from named
        where allocation = 'job' and $idle = 'spread'
        group by all
    )
    join (
        select hour_ms, host, exact_sum(energy_j) as total_j from named where allocation = 'job' group by all
    ) using (hour_ms, host)
    where job_j > 0
),
row_of as (
    select * exclude (idle_covered_s) from named where allocation <> 'idle'
    union all
    select * exclude (idle_covered_s)
    from named
    anti join job_weight using (hour_ms, host)
    where allocation = 'idle'
    union all
    select series_n, slot_ms, hour_ms, 'spread', bearer.who_n,
        max(source),
        exact_sum(energy_j * weight), exact_sum(measured_s * weight), exact_sum(gap_s * weight),
        exact_sum(estimated_j * weight), exact_sum(counter_j * weight),
        exact_sum(idle_covered_s),
        host, device, point, 'job'
    from named
    join job_weight as bearer using (hour_ms, host)
    where allocation = 'idle'
    group by all
),
-- Where a host stands: the first facility of the configuration whose patterns match its name; else what its job states.
host_place as (
    select host, arg_min(facility, position) as facility, arg_min(zone, position) as zone
    from (select distinct host from device) as seen
    join (
        select facility, zone, position, unnest(hosts) as pattern from lake.ref.facility where known_to is null
    ) as stand on seen.host glob stand.pattern
    group by host
),
cloud as (select provider, region, zone from lake.ref.cloud_region_factor where metric = 'grid_zone' and known_to is null),
job_place as (
    select job.job_id, job.attempt,
        coalesce(named.facility, cloud.provider || '/' || cloud.region) as facility,
        coalesce(named.zone, cloud.zone) as zone
    from lake.core.job as job
    semi join who using (job_id, attempt)
    left join lake.ref.facility as named on named.facility = job.facility and named.known_to is null
    left join cloud on cloud.provider = job.provider and cloud.region = job.region
    where coalesce(named.facility, cloud.provider) is not null
),
-- Idle time of a host that the configuration does not place stands where its jobs of the day say, if they agree.
agreed_place as (
    select host, any_value(facility) as facility, any_value(zone) as zone
    from (
        select distinct numbered.host, job_place.facility, job_place.zone
        from (select distinct device_n, who_n from share where basis = 'held' and part > 0)
        join numbered using (device_n)
        join who using (who_n)
        join job_place using (job_id, attempt)
    )
    group by host
    having count(*) = 1
)
select
    $day as day, make_timestamptz(hour_ms * 1000) as hour_start, make_timestamptz(slot_ms * 1000) as slot_start,
    allocation, basis, who.job_id, who.attempt, who.phase,
    host, device, point, device.kind,
    case when host_place.host is not null then host_place.facility
        when allocation = 'job' then job_place.facility
        else agreed_place.facility end as facility,
    case when host_place.host is not null then host_place.zone
        when allocation = 'job' then job_place.zone
        else agreed_place.zone end as zone,
    source, energy_j, measured_s, gap_s, estimated_j, counter_j, covered_s
from row_of
join device using (host, device)
left join who using (who_n)
left join host_place using (host)
left join job_place using (job_id, attempt)
left join agreed_place using (host)
order by slot_ms, series_n, allocation, basis, who_n

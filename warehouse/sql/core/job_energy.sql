-- Energy of one job on one device in one hour, with rows for idle and unallocated energy.
-- grain: hour x allocation x job x attempt x phase x host x device x point    keys: the same    units: J, s
-- inputs: core.energy_segment, core.job, ref.facility, ref.cloud_region_factor, job_hold (temporary)    $day: the day to compute
--
-- A segment goes to the jobs that hold its device: by their stated shares, and what is left in equal parts to those that
-- state none. Shares above 1 in sum are scaled to 1. Equipment of the host that nobody reserves by itself (processors,
-- memory, the node meter) follows the devices that lead the host: accelerators, or processors where there are none. The
-- rest is idle; of shared equipment (switch) it is unallocated.
with segment as (select * from lake.core.energy_segment where day = $day and in_total),
all_segment as (select host, device, kind from lake.core.energy_segment where day = $day group by all),
lead_kind as (
    select host, max(case when kind in ('gpu', 'accelerator') then 2 when kind = 'cpu' then 1 else 0 end) as lead_rank
    from all_segment
    group by host
),
lead_device as (
    select all_segment.host, device
    from all_segment
    join lead_kind using (host)
    where case when kind in ('gpu', 'accelerator') then 2 when kind = 'cpu' then 1 else 0 end = lead_rank
),
lead_count as (select host, count(*) as lead_n from lead_device group by host),
own_hold as (
    select segment.host, segment.device, segment.point, segment.start_ms,
        job_hold.job_id, job_hold.attempt, job_hold.phase,
        max(job_hold.share_fraction) as share_fraction
    from segment
    join job_hold
        on job_hold.host = segment.host
        and job_hold.device in (segment.device, '*')
        and job_hold.start_ms <= segment.start_ms
        and job_hold.end_ms >= segment.end_ms
    group by all
),
own_sum as (
    select *,
        coalesce(sum(share_fraction) over held, 0) as stated,
        count(*) filter (where share_fraction is null) over held as unstated_n
    from own_hold
    window held as (partition by host, device, point, start_ms)
),
own_part as (
    select host, device, point, start_ms, job_id, attempt, phase,
        case
            when share_fraction is null then greatest(1 - stated, 0) / unstated_n
            else share_fraction / greatest(stated, 1)
        end as part
    from own_sum
),
follower as (
    select segment.host, segment.device, segment.point, segment.start_ms, segment.end_ms, lead_count.lead_n
    from segment
    join lead_count using (host)
    anti join own_part
        on own_part.host = segment.host and own_part.device = segment.device
        and own_part.point = segment.point and own_part.start_ms = segment.start_ms
    where segment.kind in ('cpu', 'dram', 'node')
),
led_hold as (
    select follower.host, follower.device, follower.point, follower.start_ms, follower.lead_n,
        lead_device.device as lead_device,
        job_hold.job_id, job_hold.attempt, job_hold.phase,
        max(job_hold.share_fraction) as share_fraction
    from follower
    join lead_device on lead_device.host = follower.host and lead_device.device <> follower.device
    join job_hold
        on job_hold.host = follower.host
        and job_hold.device = lead_device.device
        and job_hold.start_ms <= follower.start_ms
        and job_hold.end_ms >= follower.end_ms
    group by all
),
led_sum as (
    select *,
        coalesce(sum(share_fraction) over held, 0) as stated,
        count(*) filter (where share_fraction is null) over held as unstated_n
    from led_hold
    window held as (partition by host, device, point, start_ms, lead_device)
),
led_part as (
    select host, device, point, start_ms, job_id, attempt, phase,
        sum(
            case
                when share_fraction is null then greatest(1 - stated, 0) / unstated_n
                else share_fraction / greatest(stated, 1)
            end / lead_n
            order by lead_device
        ) as part
    from led_sum
    group by all
),
part as (
    select * from own_part where part > 0
    union all
    select * from led_part where part > 0
),
given as (
    select host, device, point, start_ms, round(sum(part order by job_id, attempt, phase), 9) as given
    from part
    group by all
),
row_of as (
    select segment.*, 'job' as allocation, part.job_id, part.attempt, part.phase, part.part
    from segment
    join part using (host, device, point, start_ms)
    union all
    select segment.*,
        case when segment.kind = 'switch' then 'unallocated' else 'idle' end,
        null, null, null,
        1 - coalesce(given.given, 0)
    from segment
    left join given using (host, device, point, start_ms)
    where coalesce(given.given, 0) < 1
),
-- Where a host stands: the first facility of the configuration whose patterns match its name; else what its job states.
host_place as (
    select host, arg_min(facility, position) as facility, arg_min(zone, position) as zone
    from (select distinct host from segment) as seen
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
    left join lake.ref.facility as named on named.facility = job.facility and named.known_to is null
    left join cloud on cloud.provider = job.provider and cloud.region = job.region
    where coalesce(named.facility, cloud.provider) is not null
),
-- Idle time of a host that the configuration does not place stands where its jobs of the day say, if they agree.
agreed_place as (
    select host, any_value(facility) as facility, any_value(zone) as zone
    from (select distinct part.host, job_place.facility, job_place.zone from part join job_place using (job_id, attempt))
    group by host
    having count(*) = 1
)
select
    day,
    make_timestamptz(start_ms // 3600000 * 3600000 * 1000) as hour_start,
    allocation, row_of.job_id, row_of.attempt, phase, host, device, point,
    max(kind) as kind,
    any_value(
        case when host_place.host is not null then host_place.facility
            when allocation = 'job' then job_place.facility
            else agreed_place.facility end
    ) as facility,
    any_value(
        case when host_place.host is not null then host_place.zone
            when allocation = 'job' then job_place.zone
            else agreed_place.zone end
    ) as zone,
    max(source) as source,
    exact_sum(energy_j * part) as energy_j,
    exact_sum(measured_s * part) as measured_s,
    exact_sum(gap_s * part) as gap_s,
    exact_sum(estimated_j * part) as estimated_j,
    exact_sum(counter_j * part) as counter_j,
    exact_sum(measured_s) as covered_s
from row_of
left join host_place using (host)
left join job_place using (job_id, attempt)
left join agreed_place using (host)
group by day, start_ms // 3600000, allocation, row_of.job_id, row_of.attempt, phase, host, device, point
order by hour_start, host, device, point, allocation, job_id, attempt, phase

-- check: duplicated_device_time    severity: major    blocking: no    scope: day    asset: core.job_energy
-- No device has more than an hour in an hour: two measuring points, two host names or jobs that hold more than the whole.
-- grain: day x device    units: s, fraction
-- inputs: core.job_energy, core.job_hold
-- $first_day, $last_day: days to check; $first_ms, $end_ms: their bounds; $slack_s: allowance for stamps
with counted as (
    select day, hour_start, host, device, exact_sum(measured_s + gap_s) as held_s
    from lake.core.job_energy
    where day between $first_day and $last_day
    group by all
),
-- A GPU or MIG identifier is unique in the world; under two host names at once it is counted twice.
worldwide as (
    select day, hour_start, device, exact_sum(held_s) as held_s, string_agg(distinct host, ', ' order by host) as hosts
    from counted
    where device glob 'GPU-*' or device glob 'MIG-*'
    group by all
    having count(distinct host) > 1
),
stated as (
    select host, device, start_ms, end_ms, share_fraction
    from lake.core.job_hold
    where basis = 'held' and share_fraction is not null and start_ms < $end_ms and end_ms > $first_ms
),
shared as (
    select cast(make_timestamp(one.start_ms * 1000) as date) as day, one.host, one.device, one.start_ms,
        sum(other.share_fraction) as share_fraction
    from (select distinct host, device, start_ms from stated) as one
    join stated as other
        on other.host = one.host and other.device = one.device
        and other.start_ms <= one.start_ms and other.end_ms > one.start_ms
    where one.start_ms >= $first_ms and one.start_ms < $end_ms
    group by all
)
select day || ' ' || host || '/' || device as entity,
    round(max(held_s), 3) || ' s in one hour' as observed,
    'at most 3600 s' as expected
from counted
where held_s > 3600 + $slack_s
group by day, host, device
union all
select day || ' ' || device || ' on ' || max(hosts), round(max(held_s), 3) || ' s in one hour', 'at most 3600 s'
from worldwide
where held_s > 3600 + $slack_s
group by day, device
union all
select day || ' shares of ' || host || '/' || device, round(max(share_fraction), 4) || ' of the device', 'at most 1'
from shared
where share_fraction > 1 + 1e-9
group by day, host, device
order by entity

-- Own training jobs that ended well, with what a forecast learns from: size, tokens, accelerators and device-hours.
-- grain: job    keys: job_id    units: h
-- inputs: core.job, core.job_energy, core.asset, ref.host_hardware
--
-- All attempts of a job count: restarts are part of what a run takes. A job on accelerators of several or unknown models
-- has no model here.
with job as (
    select job_id, arg_max(parameters_n, attempt) as parameters_n, arg_max(tokens_n, attempt) as tokens_n
    from core.job
    group by job_id
    having arg_max(phase, attempt) = 'training' and arg_max(state, attempt) = 'completed'
),
held as (
    select job_id, host, device, sum(measured_s + gap_s) / 3600 as device_hours
    from core.job_energy
    semi join job using (job_id)
    where kind in ('gpu', 'accelerator') and allocation = 'job'
    group by job_id, host, device
),
stated as (
    select host, arg_min(accelerator_key, position) as hardware_key
    from (select distinct host from held) as hosts
    join (
        select position, accelerator_key, unnest(hosts) as pattern from ref.host_hardware where known_to is null
    ) as entry on hosts.host glob entry.pattern
    group by host
),
named as (
    select held.*, coalesce(asset.hardware_key, stated.hardware_key) as hardware_key
    from held
    left join (select host, device, max(hardware_key) as hardware_key from core.asset group by host, device) as asset
        on asset.host = held.host and asset.device = held.device
    left join stated on stated.host = held.host
)
select job_id, any_value(parameters_n) as parameters_n, any_value(tokens_n) as tokens_n,
    case when count(distinct hardware_key) = 1 and count(hardware_key) = count(*) then any_value(hardware_key) end
        as hardware_key,
    count(*) as devices_n, sum(device_hours) as device_hours
from named
join job using (job_id)
where parameters_n is not null and tokens_n is not null
group by job_id
order by job_id

-- One attempt of a job with the newest attributes that its events state.
-- grain: job x attempt    keys: job_id, attempt    units: ms
-- inputs: raw.job_event, raw.job_device, touched_job (temporary)
-- $first_job_day, $last_job_day: days on which rows of the touched jobs lie; other days are not read
with event as (
    select raw.* exclude (day, file_sha256, row_number, written_ms),
        -- Events of the same millisecond happen in the order of a job's life.
        raw.ts_ms * 8 + case raw.event
            when 'submitted' then 0 when 'started' then 1 when 'heartbeat' then 2 when 'phase_changed' then 3 else 4
        end as happened
    from lake.raw.job_event as raw
    semi join touched_job using (job_id, attempt)
    where raw.day between $first_job_day and $last_job_day
),
reserved as (
    select job_id, attempt, min(start_ms) as first_ms, max(greatest(start_ms, coalesce(end_ms, start_ms))) as last_ms,
        count(distinct (host, device)) filter (where device <> '*') as devices_n
    from lake.raw.job_device
    semi join touched_job using (job_id, attempt)
    where day between $first_job_day and $last_job_day
    group by job_id, attempt
)
select
    job_id, attempt,
    arg_max(org, happened) filter (where org is not null) as org,
    arg_max(team, happened) filter (where team is not null) as team,
    arg_max(project, happened) filter (where project is not null) as project,
    arg_max(user_ref, happened) filter (where user_ref is not null) as user_ref,
    arg_max(model, happened) filter (where model is not null) as model,
    arg_max(model_version, happened) filter (where model_version is not null) as model_version,
    arg_max(task, happened) filter (where task is not null) as task,
    arg_max(provider, happened) filter (where provider is not null) as provider,
    arg_max(region, happened) filter (where region is not null) as region,
    arg_max(facility, happened) filter (where facility is not null) as facility,
    arg_max(parameters_n, happened) filter (where parameters_n is not null) as parameters_n,
    arg_max(tokens_n, happened) filter (where tokens_n is not null) as tokens_n,
    arg_max(quality_metric, happened) filter (where quality_metric is not null) as quality_metric,
    arg_max(quality_value, happened) filter (where quality_value is not null) as quality_value,
    arg_max(exit_code, happened) filter (where exit_code is not null) as exit_code,
    coalesce(arg_min(phase, happened) filter (where event = 'started'), arg_min(phase, happened)) as phase,
    case
        when bool_or(event = 'ended') then coalesce(arg_max(state, happened) filter (where event = 'ended'), 'unknown')
        when bool_or(event <> 'submitted') then 'running'
        else 'submitted'
    end as state,
    coalesce(
        min(ts_ms) filter (where event = 'started'), min(ts_ms) filter (where event in ('heartbeat', 'phase_changed'))
    ) as start_ms,
    coalesce(max(ts_ms) filter (where event = 'ended'), max(ts_ms) filter (where event <> 'submitted')) as end_ms,
    least(min(ts_ms), any_value(reserved.first_ms)) as first_ms,
    greatest(max(ts_ms), any_value(reserved.last_ms)) as last_ms,
    max(ts_ms) as last_event_ms,
    any_value(reserved.last_ms) as last_reserved_ms,
    coalesce(any_value(reserved.devices_n), 0) as reserved_devices_n
from event
left join reserved using (job_id, attempt)
group by job_id, attempt
order by job_id, attempt

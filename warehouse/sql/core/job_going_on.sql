-- Jobs that go on: of which nothing landed since they were worked out but later heartbeats. Their new row follows from the
-- old one, whatever the length of their history.
-- grain: job x attempt    keys: job_id, attempt    units: ms
-- inputs: noted_job, old_job (temporary), raw.job_event
-- $first_job_day, $last_job_day: days of the landed rows and of the ends of these jobs; other days are not read
--
-- The columns of core.job, and was_end_ms: the end of the job before. Left out, and worked out from all their rows, are jobs
-- of which anything else is noted, and those of which a phase or a reservation begins or ends at the end they had or later:
-- in all others the last phase, and what is held without a stated end, last longer and nothing else changes.
with candidate as (
    select *
    from old_job
    where state = 'running' and start_ms < end_ms and end_ms = last_event_ms
        and coalesce(last_reserved_ms < end_ms, true)
),
event as (
    select raw.*, candidate.end_ms as was_end_ms
    from lake.raw.job_event as raw
    join candidate on candidate.job_id = raw.job_id and candidate.attempt = raw.attempt
    where raw.day between $first_job_day and $last_job_day
),
cause as (select job_id, attempt, unnest(causes) as file_sha256 from noted_job),
landed as (select event.* from event join cause using (job_id, attempt, file_sha256)),
otherwise as (
    select job_id, attempt from cause anti join landed using (job_id, attempt, file_sha256)
    union
    select job_id, attempt from landed where event <> 'heartbeat' or ts_ms <= was_end_ms
    union
    select job_id, attempt from event where event in ('started', 'phase_changed') and ts_ms >= was_end_ms
),
newest as (
    select job_id, attempt, max(ts_ms) as at_ms,
        arg_max(org, ts_ms) filter (where org is not null) as org,
        arg_max(team, ts_ms) filter (where team is not null) as team,
        arg_max(project, ts_ms) filter (where project is not null) as project,
        arg_max(user_ref, ts_ms) filter (where user_ref is not null) as user_ref,
        arg_max(model, ts_ms) filter (where model is not null) as model,
        arg_max(model_version, ts_ms) filter (where model_version is not null) as model_version,
        arg_max(task, ts_ms) filter (where task is not null) as task,
        arg_max(provider, ts_ms) filter (where provider is not null) as provider,
        arg_max(region, ts_ms) filter (where region is not null) as region,
        arg_max(facility, ts_ms) filter (where facility is not null) as facility,
        arg_max(parameters_n, ts_ms) filter (where parameters_n is not null) as parameters_n,
        arg_max(tokens_n, ts_ms) filter (where tokens_n is not null) as tokens_n,
        arg_max(quality_metric, ts_ms) filter (where quality_metric is not null) as quality_metric,
        arg_max(quality_value, ts_ms) filter (where quality_value is not null) as quality_value,
        arg_max(exit_code, ts_ms) filter (where exit_code is not null) as exit_code
    from landed
    anti join otherwise using (job_id, attempt)
    group by job_id, attempt
)
select old.* replace (
        coalesce(newest.org, old.org) as org,
        coalesce(newest.team, old.team) as team,
        coalesce(newest.project, old.project) as project,
        coalesce(newest.user_ref, old.user_ref) as user_ref,
        coalesce(newest.model, old.model) as model,
        coalesce(newest.model_version, old.model_version) as model_version,
        coalesce(newest.task, old.task) as task,
        coalesce(newest.provider, old.provider) as provider,
        coalesce(newest.region, old.region) as region,
        coalesce(newest.facility, old.facility) as facility,
        coalesce(newest.parameters_n, old.parameters_n) as parameters_n,
        coalesce(newest.tokens_n, old.tokens_n) as tokens_n,
        coalesce(newest.quality_metric, old.quality_metric) as quality_metric,
        coalesce(newest.quality_value, old.quality_value) as quality_value,
        coalesce(newest.exit_code, old.exit_code) as exit_code,
        at_ms as end_ms,
        greatest(old.last_ms, at_ms) as last_ms,
        at_ms as last_event_ms
    ),
    old.end_ms as was_end_ms
from newest
join old_job as old on old.job_id = newest.job_id and old.attempt = newest.attempt

-- Days touched by jobs that were worked out anew: those in which another device is held, or from or until another moment;
-- all days of a job of which a column by which figures are grouped changed; and in any case its last day, with which the
-- row of the job itself is computed.
-- grain: day    keys: day
-- inputs: old_job, old_hold, new_job, new_hold (temporary: these jobs before and now), raw.sample_hour
with other_hold as ((from new_hold except from old_hold) union all (from old_hold except from new_hold)),
-- Where only the end of a hold moved, the days before the earlier end stay as they are.
moved as (
    select start_ms, min(end_ms) as first_end_ms, max(end_ms) as last_end_ms, count(*) as ends_n
    from other_hold
    group by job_id, attempt, phase, basis, host, device, share_fraction, start_ms
),
held as (
    select case when ends_n = 2 then first_end_ms else start_ms end as from_ms, last_end_ms as to_ms from moved
),
named as (
    select job_id, attempt, org, team, project, model, model_version, provider, region, facility, phase from new_job
    except
    select job_id, attempt, org, team, project, model, model_version, provider, region, facility, phase from old_job
),
span as (
    select from_ms, to_ms from held
    union all
    select first_ms, last_ms from new_job semi join named using (job_id, attempt)
),
day as (
    select distinct cast(make_timestamp(from_ms * 1000) as date) as from_day,
        cast(make_timestamp(to_ms * 1000) as date) as to_day
    from span
)
select distinct cast(make_timestamp(last_ms * 1000) as date) as day from new_job
union
select distinct reading.day from lake.raw.sample_hour as reading
join day on reading.day between day.from_day and day.to_day

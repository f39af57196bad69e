-- Days touched by new job rows: start and end of the job, and the days between them that have readings.
-- grain: day    keys: day    inputs: good (temporary), raw.job_event, raw.job_device, raw.power_sample
with touched as (select distinct job_id, attempt from good),
moment as (
    select job_id, attempt, ts_ms as at_ms from lake.raw.job_event semi join touched using (job_id, attempt)
    union all
    select job_id, attempt, unnest([start_ms, coalesce(end_ms, start_ms)])
    from lake.raw.job_device semi join touched using (job_id, attempt)
),
span as (
    select cast(make_timestamp(min(at_ms) * 1000) as date) as from_day,
        cast(make_timestamp(max(at_ms) * 1000) as date) as to_day
    from moment group by job_id, attempt
)
select distinct unnest([from_day, to_day]) as day from span
union
select distinct r.day from lake.raw.power_sample as r
join (select distinct from_day, to_day from span where to_day > from_day + 1) as s
  on r.day between s.from_day and s.to_day

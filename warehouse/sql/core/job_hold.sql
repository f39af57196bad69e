-- Which job holds which device of which host from when to when in which phase, or reserves it without running.
-- grain: job x attempt x phase x basis x host x device x start
-- keys: job_id, attempt, phase, basis, host, device, start_ms    units: ms, fraction
-- inputs: new_phase (temporary: core.job_phase of these jobs), raw.job_device, touched_job (temporary)
-- $first_job_day, $last_job_day: days on which rows of the touched jobs lie; other days are not read
--
-- held: the part of a reservation that lies in a phase of its job. reserved: what lies before the first phase or after the
-- last one, in the phase next to it; a reservation without a stated end ends with its job. Reservations of a job on the
-- same device that overlap are one, with the largest stated share at any time. A reservation that ends at or before its
-- start is none, and a job without a phase (it never started, or it ended at its start) holds and reserves nothing.
with life as (
    select job_id, attempt, min(start_ms) as life_start_ms, max(end_ms) as life_end_ms,
        arg_min(phase, start_ms) as first_phase,
        arg_max(phase, start_ms) as last_phase
    from new_phase
    semi join touched_job using (job_id, attempt)
    group by job_id, attempt
),
stated as (
    select job_id, attempt, host, device, start_ms, coalesce(end_ms, life_end_ms) as end_ms, share_fraction
    from lake.raw.job_device
    join life using (job_id, attempt)
    where day between $first_job_day and $last_job_day and start_ms < coalesce(end_ms, life_end_ms)
),
edge as (
    select distinct job_id, attempt, host, device, unnest([start_ms, end_ms]) as from_ms from stated
),
stretch as (
    select *, lead(from_ms) over (partition by job_id, attempt, host, device order by from_ms) as to_ms from edge
),
covered as (
    select stretch.*, max(share_fraction) as share_fraction
    from stretch
    join stated using (job_id, attempt, host, device)
    where stated.start_ms <= stretch.from_ms and stated.end_ms >= stretch.to_ms
    group by all
),
marked as (
    select *,
        from_ms is distinct from lag(to_ms) over same or share_fraction is distinct from lag(share_fraction) over same
            as is_new
    from covered
    window same as (partition by job_id, attempt, host, device order by from_ms)
),
numbered as (
    select *, count(*) filter (where is_new) over (partition by job_id, attempt, host, device order by from_ms) as number
    from marked
),
reservation as (
    select job_id, attempt, host, device, any_value(share_fraction) as share_fraction,
        min(from_ms) as start_ms,
        max(to_ms) as end_ms
    from numbered
    group by job_id, attempt, host, device, number
),
hold as (
    select held.job_id, held.attempt, phase.phase, 'held' as basis, held.host, held.device,
        greatest(held.start_ms, phase.start_ms) as start_ms,
        least(held.end_ms, phase.end_ms) as end_ms,
        held.share_fraction
    from reservation as held
    join new_phase as phase using (job_id, attempt)
    union all
    select held.job_id, held.attempt, first_phase, 'reserved', held.host, held.device,
        held.start_ms, least(held.end_ms, life_start_ms), held.share_fraction
    from reservation as held
    join life using (job_id, attempt)
    union all
    select held.job_id, held.attempt, last_phase, 'reserved', held.host, held.device,
        greatest(held.start_ms, life_end_ms), held.end_ms, held.share_fraction
    from reservation as held
    join life using (job_id, attempt)
)
select * from hold where start_ms < end_ms order by host, start_ms, device, job_id, attempt, phase

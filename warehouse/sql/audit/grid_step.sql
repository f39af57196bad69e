-- check: grid_step    severity: minor    blocking: no    scope: day    asset: core.grid_factor
-- A series of slots changes the length of its steps, or has steps that no grid settles by: rows may be lost, doubled or summed.
-- grain: day x series x change    units: s
-- inputs: core.grid_factor, ref.grid_intensity    $first_day, $last_day: days to check; $first_ms, $end_ms: their bounds
--
-- A change counts on the day on which the new step begins, so one at midnight is seen as well.
with named_value as (select 3600000 as longest_step_ms),
-- Lengths that providers state: 5 min (WattTime, Australia), 15 and 30 min (European markets), an hour.
usual as (select unnest([300, 900, 1800, 3600]) as step_s),
zone as (
    select distinct zone
    from lake.core.grid_factor
    where day between $first_day and $last_day
),
stated as (
    select value.zone, provider, factor_set, kind, basis, flow, factor_id, epoch_ms(valid_from) as start_ms,
        (epoch_ms(valid_to) - epoch_ms(valid_from)) // 1000 as step_s
    from lake.ref.grid_intensity as value
    semi join zone using (zone)
    cross join named_value
    where known_to is null
        and tier in ('zone_slot_measured', 'zone_slot_estimated')
        and valid_from >= make_timestamptz(($first_ms - longest_step_ms) * 1000)
        and valid_from < make_timestamptz($end_ms * 1000)
),
followed as (
    select *, lag(step_s) over (partition by factor_id order by start_ms, step_s) as before_s
    from stated
    qualify start_ms >= $first_ms
),
found as (
    select *, cast(make_timestamp(start_ms * 1000) as date) as day
    from followed
    where step_s <> before_s or (step_s not in (select step_s from usual) and before_s is null)
)
select
    day || ' ' || zone || ' ' || provider || ' ' || kind || ' ' || basis || ' ' || flow || ' ' || factor_set as entity,
    count(*) || ' times: '
        || min_by(
            case when before_s is null then 'steps of ' || step_s || ' s'
                else 'from ' || before_s || ' s to ' || step_s || ' s' end
            || ' at ' || strftime(make_timestamp(start_ms * 1000), '%H:%M') || 'Z',
            start_ms
        ) as observed,
    'steps of one length: 300, 900, 1800 or 3600 s' as expected
from found
group by day, zone, provider, kind, basis, flow, factor_set
order by entity

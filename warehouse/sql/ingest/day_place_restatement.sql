-- What another PUE made of the operational emissions of a day, upstream and losses included.
-- grain: org x phase_group x zone x tier before x tier now    keys: the same    units: kWh, kgCO2e
-- inputs: old_operational, new_operational (temporary: by either PUE), changed_place (temporary), core.job
-- $day_start_ms, $day_end_ms: bounds of the day; $organisation: who answers for rows that name nobody
with both_sides as (
    select 'old' as side, * from old_operational
    union all
    select 'new', * from new_operational
),
named as (
    select side, coalesce(job.org, $organisation) as org, phase_group(allocation, part.phase) as phase_group, zone,
        old_tier, new_tier, case when component in ('it', 'overhead') then part_kwh end as kwh, gco2e
    from both_sides as part
    join changed_place using (facility)
    left join (from lake.core.job where first_ms < $day_end_ms and last_ms >= $day_start_ms) as job using (job_id, attempt)
),
summed as (
    select org, phase_group, zone, old_tier, new_tier,
        exact_sum(case when side = 'new' then kwh end) as energy_kwh,
        exact_sum(case when side = 'old' then gco2e end) / 1e3 as old_kgco2e,
        exact_sum(case when side = 'new' then gco2e end) / 1e3 as new_kgco2e
    from named
    group by all
),
tier (tier, rank) as (values ('facility', 0), ('region_period', 1), ('region_other_period', 2), ('missing', 3))
select summed.*,
    case
        when old_tier = new_tier then 'pue_revised'
        when new.rank < old.rank then 'pue_arrived'
        else 'pue_withdrawn'
    end as cause
from summed
join tier as old on old.tier = old_tier
join tier as new on new.tier = new_tier
order by org, phase_group, zone, old_tier, new_tier

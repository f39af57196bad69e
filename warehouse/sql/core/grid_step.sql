-- The shortest interval for which a factor is known in a zone where something may run on a day.
-- grain: one row    units: ms
-- inputs: ref.grid_intensity, ref.facility, ref.cloud_region_factor, core.job, touched_job (temporary)
-- $day: the day to compute
with zone as (
    select zone from lake.ref.facility where known_to is null
    union
    select cloud.zone
    from lake.core.job
    semi join touched_job using (job_id, attempt)
    join lake.ref.cloud_region_factor as cloud using (provider, region)
    where cloud.metric = 'grid_zone' and cloud.known_to is null
)
select min(epoch_ms(valid_to) - epoch_ms(valid_from)) as step_ms
from lake.ref.grid_intensity
semi join zone using (zone)
where valid_from >= cast($day as timestamptz) and valid_from < cast($day as timestamptz) + interval 1 day
    and tier in ('zone_slot_measured', 'zone_slot_estimated') and kind = 'average' and known_to is null

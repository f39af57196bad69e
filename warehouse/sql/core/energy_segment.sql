-- Segments as the kernel made them, with what the ledger knows of their series.
-- grain: host x device x point x segment x part    keys: host, device, point, start_ms, part    units: J, s, ms
-- inputs: raw.sample_hour, raw.sample_series, core.job_hold (its cuts), made_segment (registered)
-- $slot_ms: length of a slot; $day: the day; $part: inner or stitch; $hours: hours [epoch ms] to keep; $near_start, $near_end: days around it
--
-- A series that is silent in an hour but bridged by its counter has the attributes of its nearest hour.
with series as (
    select host, device, point, kind, parent, source, epoch_ms(hour_start) as hour_ms
    from lake.raw.sample_series
    where day between $near_start and $near_end
),
silent as (
    select *
    from (select distinct host, device, point, unnest($hours) as hour_ms from series)
    anti join series using (host, device, point, hour_ms)
),
attribute as (
    select host, device, point, hour_ms, kind, parent, source from series where list_contains($hours, hour_ms)
    union all
    select silent.host, silent.device, silent.point, silent.hour_ms,
        unnest(
            arg_min(struct_pack(kind := kind, parent := parent, source := source),
                (abs(series.hour_ms - silent.hour_ms), series.hour_ms))
        )
    from silent
    join series on series.host = silent.host and series.device = silent.device and series.point = silent.point
    group by silent.host, silent.device, silent.point, silent.hour_ms
)
select
    $day as day,
    make_timestamptz(hour_ms * 1000) as hour_start,
    $part as part,
    host, device, point, kind, parent, source,
    start_ms, end_ms,
    make_timestamptz(start_ms // $slot_ms * $slot_ms * 1000) as slot_start,
    energy_j,
    measured_ms / 1e3 as measured_s,
    gap_ms / 1e3 as gap_s,
    estimated_ms / 1e3 as estimated_s,
    estimated_j, counter_j,
    cast(samples_n as bigint) as samples_n,
    flags
from (select *, start_ms // 3600000 * 3600000 as hour_ms from made_segment) as segment
left join attribute using (host, device, point, hour_ms)
where list_contains($hours, hour_ms)

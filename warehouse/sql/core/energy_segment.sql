-- Segments as the kernel made them, with what the ledger knows of their series.
-- grain: host x device x point x segment x part    keys: host, device, point, start_ms, part    units: J, s, ms
-- inputs: raw.sample_hour, raw.sample_series, core.job_hold (its cuts), made_segment (registered)
-- $slot_ms: length of a slot; $day: the day; $part: inner or stitch; $hours: hours [epoch ms] to keep; $near_start, $near_end: days around it
--
-- A series that is silent in an hour but bridged by its counter has the attributes of its nearest hour.
with segment as (
    select *, start_ms // 3600000 * 3600000 as hour_ms from made_segment
    where list_contains($hours, start_ms // 3600000 * 3600000)
),
series as (
    select host, device, point, kind, parent, source, epoch_ms(hour_start) as hour_ms
    from lake.raw.sample_series
    where day between $near_start and $near_end
),
own as (
    select segment.*, series.kind, series.parent, series.source
    from segment
    left join series using (host, device, point, hour_ms)
),
nearest as (
    select own.host, own.device, own.point, own.hour_ms,
        arg_min(struct_pack(kind := series.kind, parent := series.parent, source := series.source),
            (abs(series.hour_ms - own.hour_ms), series.hour_ms)) as attributes
    from own
    join series on series.host = own.host and series.device = own.device and series.point = own.point
    where own.kind is null
    group by all
)
select
    $day as day,
    make_timestamptz(own.hour_ms * 1000) as hour_start,
    $part as part,
    own.host, own.device, own.point,
    coalesce(own.kind, nearest.attributes.kind) as kind,
    case when own.kind is null then nearest.attributes.parent else own.parent end as parent,
    coalesce(own.source, nearest.attributes.source) as source,
    start_ms, end_ms,
    make_timestamptz(start_ms // $slot_ms * $slot_ms * 1000) as slot_start,
    own.energy_j,
    measured_ms / 1e3 as measured_s,
    gap_ms / 1e3 as gap_s,
    estimated_ms / 1e3 as estimated_s,
    own.estimated_j, own.counter_j,
    cast(samples_n as bigint) as samples_n,
    flags
from own
left join nearest using (host, device, point, hour_ms)
order by own.host, own.device, own.point, start_ms

-- check: grid_stale    severity: major    blocking: no    scope: all    asset: raw.feed_pull
-- A configured feed of slots has no value for the newest energy of its zone: the figures of these days stay on yearly means.
-- grain: feed x zone    units: h
-- inputs: raw.feed_pull, ref.grid_intensity, core.grid_factor    $feeds: configured feeds
-- $stale_h: longest wait after the newest day with energy began
--
-- Feeds of months and years have no values of slots and are left out. A feed that never gave anything is not.
with configured as (
    select feed.source, feed.zone from (select unnest(cast($feeds as struct(source varchar, zone varchar, since date)[])) as feed)
),
used as (
    select zone, max(day) as last_day
    from lake.core.grid_factor
    semi join configured using (zone)
    group by zone
),
asked as (
    select source, zone, max(fetched_ms) as last_ms, max_by(coalesce(reason, outcome), fetched_ms) as outcome,
        count(*) filter (where values_n > 0) as answers_n
    from lake.raw.feed_pull
    semi join configured using (source, zone)
    group by source, zone
),
stated as (
    select value.provider as source, value.zone, max(valid_to) as newest
    from lake.ref.grid_intensity as value
    semi join configured on configured.source = value.provider and configured.zone = value.zone
    where known_to is null and tier in ('zone_slot_measured', 'zone_slot_estimated') and file_sha256 is not null
    group by all
)
select
    source || ' ' || zone as entity,
    coalesce('newest value ' || strftime(newest at time zone 'UTC', '%Y-%m-%d %H:%M') || 'Z', 'no value')
        || ', energy until ' || last_day
        || coalesce(', asked last ' || strftime(make_timestamp(last_ms * 1000), '%Y-%m-%d %H:%M') || 'Z: ' || outcome, ', never asked')
        as observed,
    'values until ' || $stale_h || ' h before the day of the newest energy, or later' as expected
from configured
join used using (zone)
left join asked using (source, zone)
left join stated using (source, zone)
where coalesce(newest < cast(last_day as timestamptz) - to_hours($stale_h), coalesce(answers_n, 0) = 0)
order by entity

-- check: grid_unknown_zone    severity: major    blocking: no    scope: all    asset: ref.facility
-- A zone of the configuration that no table and no feed knows, as after a typing error: its energy has the country's factor or none.
-- grain: facility or feed x zone
-- inputs: ref.facility, ref.grid_intensity    $feeds: configured feeds; $known_zones: zones of the zone table
with configured as (
    select 'facility ' || facility as place, zone
    from lake.ref.facility
    where known_to is null and zone is not null
    union all
    select 'feed ' || feed.source, feed.zone from (select unnest(cast($feeds as struct(source varchar, zone varchar, since date)[])) as feed)
),
unknown as (
    select distinct place, zone from configured where not list_contains($known_zones, zone)
)
select
    place || ': zone ' || zone as entity,
    'a zone that nobody knows' as observed,
    'a key of models/data/zone.csv, or of a file that was taken in' as expected
from unknown
anti join (
    select zone
    from lake.ref.grid_intensity
    semi join unknown using (zone)
) as stated using (zone)
order by entity

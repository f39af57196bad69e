-- Days touched by new hardware events: the later days, with readings, of every host that the asset was ever stated to be in.
-- A row may end an asset without naming its host, move it to another one, or take the place of a row with another host.
-- grain: day    keys: day    inputs: good (temporary), raw.asset_event, raw.quarantine_row, raw.sample_series
with touched as (select asset_id, min(day) as from_day from good group by asset_id),
stated as (
    select event.host, touched.from_day from lake.raw.asset_event as event join touched using (asset_id)
    union
    select json_extract_string(refused.row_json, '$.host'), touched.from_day
    from lake.raw.quarantine_row as refused
    join touched on touched.asset_id = json_extract_string(refused.row_json, '$.asset_id')
    where refused.table_name = 'asset_event' and refused.reason = 'conflict'
),
place as (select host, min(from_day) as from_day from stated where host is not null group by host)
select distinct reading.day
from lake.raw.sample_series as reading
join place on reading.host = place.host and reading.day >= place.from_day

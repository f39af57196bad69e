-- What was known of the figures of cloud regions that landed, from when to when: a new version where a publication states
-- another value, unit, end, basis or flags than before.
-- grain: figure x version    keys: factor_id, known_from    units: see unit    inputs: raw.cloud_region_factor
--
-- A figure counts as known from the moment at which it was fetched, in whatever order files are taken in.
with changed as (
    select *
    from lake.raw.cloud_region_factor
    window answer as (
        partition by provider, region, metric, source, valid_from order by fetched_ms, file_sha256, row_number
    )
    qualify row(value, unit, valid_to, basis, flags)
        is distinct from lag(row(value, unit, valid_to, basis, flags)) over answer
)
select
    metric || '.' || source || '.' || provider || '.' || region || '.'
        || strftime(make_timestamp(valid_from * 1000), '%Y-%m-%d') as factor_id,
    provider, region, metric, value, cast(null as varchar) as zone, unit,
    cast(year(make_timestamp((valid_to - 1) * 1000)) as integer) as year,
    make_timestamptz(valid_from * 1000) as valid_from,
    make_timestamptz(valid_to * 1000) as valid_to,
    basis, cast(null as varchar) as confidence, flags, file_sha256, source,
    make_timestamptz(fetched_ms * 1000) as known_from,
    make_timestamptz(1000 * lead(fetched_ms) over (
        partition by provider, region, metric, source, valid_from order by fetched_ms, file_sha256, row_number
    )) as known_to
from changed

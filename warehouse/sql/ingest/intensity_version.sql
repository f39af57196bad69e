-- What was known of some intervals of grid intensity, from when to when: a new version where the value, its
-- carbon-free share, or whether it is an estimate, changed from one answer of the provider to the next.
-- grain: series x interval x version    keys: factor_id, valid_from, valid_to, known_from    units: gCO2e/kWh, 1
-- inputs: raw.grid_intensity, touched_interval (temporary: keys of the intervals)    $from_day, $to_day: their days
--
-- A value counts as known from the moment at which it was fetched, so that the same landed files give the same versions in
-- whatever order, and however late, they are taken in.
with fact as (
    select grid.*
    from lake.raw.grid_intensity as grid
    semi join touched_interval as touched
        on touched.zone = grid.zone and touched.start_ms = grid.start_ms and touched.end_ms = grid.end_ms
        and touched.kind = grid.kind and touched.basis = grid.basis and touched.flow = grid.flow
        and touched.provider = grid.provider and touched.factor_set = grid.factor_set
    where day between $from_day and $to_day
),
changed as (
    select *
    from fact
    window answer as (
        partition by zone, start_ms, end_ms, kind, basis, flow, provider, factor_set
        order by fetched_ms, file_sha256, row_number
    )
    qualify gco2e_per_kwh is distinct from lag(gco2e_per_kwh) over answer
        or is_estimate is distinct from lag(is_estimate) over answer
        or carbon_free_fraction is distinct from lag(carbon_free_fraction) over answer
),
version as (
    select *, end_ms - start_ms as length_ms,
        lead(fetched_ms) over (
            partition by zone, start_ms, end_ms, kind, basis, flow, provider, factor_set
            order by fetched_ms, file_sha256, row_number
        ) as replaced_ms
    from changed
)
select
    'grid.' || provider || '.' || zone || '.' || kind || '.' || basis || '.' || flow || '.' || factor_set as factor_id,
    zone,
    make_timestamptz(start_ms * 1000) as valid_from,
    make_timestamptz(end_ms * 1000) as valid_to,
    cast(null as double) as low_gco2e_per_kwh,
    gco2e_per_kwh,
    cast(null as double) as high_gco2e_per_kwh,
    carbon_free_fraction,
    kind, basis, flow,
    case
        when length_ms <= 3600000 then if(is_estimate, 'zone_slot_estimated', 'zone_slot_measured')
        when length_ms <= 31 * 24 * cast(3600000 as bigint) then 'zone_month'
        else 'zone_year'
    end as tier,
    provider, factor_set, is_estimate,
    make_timestamptz(updated_ms * 1000) as provider_updated_at,
    response_sha256, file_sha256,
    provider || ', ' || factor_set as source,
    make_timestamptz(fetched_ms * 1000) as known_from,
    make_timestamptz(replaced_ms * 1000) as known_to
from version

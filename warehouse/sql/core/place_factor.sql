-- Overhead and losses of the places with energy on a day, and on what they rest.
-- grain: facility    keys: facility    units: 1
-- inputs: core.job_slot, ref.facility, ref.cloud_region_factor
-- $day: the day to compute; $known_at: landed figures as known at that moment, NULL for now
--
-- What the configuration states of a facility comes first. Of a cloud region: a figure whose period holds the day, else that of
-- the nearest year; a landed figure before a shipped one of the same distance, then the earlier year, then what was learned
-- last. Never a provider's average, never an estimate of a year that nobody has measured.
with used as (select distinct facility from lake.core.job_slot where day = $day and facility is not null),
configured as (
    select facility, pue, grid_loss_fraction from lake.ref.facility where known_to is null
),
figure as (
    select provider || '/' || region as facility, factor_id, value as pue, year, known_from,
        source || ' ' || year as source,
        file_sha256 is not null as is_landed,
        case when valid_from < cast($day as timestamptz) + interval 1 day and valid_to > cast($day as timestamptz) then 0
            else greatest(1, abs(year - year(cast($day as date)))) end as age_years
    from lake.ref.cloud_region_factor
    where metric = 'pue' and region <> '*' and not ends_with(source, '_estimate')
        and case when $known_at is null or file_sha256 is null then known_to is null
            else known_from <= $known_at and coalesce(known_to > $known_at, true) end
),
region as (
    select *
    from figure
    semi join used using (facility)
    qualify row_number() over (
        partition by facility order by age_years, is_landed desc, year, known_from desc, factor_id
    ) = 1
)
select
    $day as day, used.facility,
    case when configured.pue is not null then 'pue.configured.' || used.facility else region.factor_id end as factor_id,
    case when configured.pue is not null then 'facility'
        when region.pue is null then 'missing'
        when region.age_years = 0 then 'region_period'
        else 'region_other_period' end as tier,
    coalesce(configured.pue, region.pue) as pue,
    configured.grid_loss_fraction,
    case when configured.pue is not null then 'wattledger.toml' else region.source end as source,
    case when configured.pue is not null then 0 else region.age_years end as age_years,
    case when configured.pue is null and region.is_landed then region.known_from end as known_from
from used
left join configured using (facility)
left join region using (facility)
order by used.facility

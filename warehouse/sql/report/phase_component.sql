-- What the emissions of each phase group consist of: IT, overhead, upstream, chip, server and building.
-- grain: phase_group x component    keys: the same    units: kgCO2e
-- inputs: mart.training_vs_inference_monthly, mart.footprint_daily
--
-- estimated_kgco2e is the part of an operational component that rests on modelled readings: in proportion to energy inside
-- each row of mart.footprint_daily. Embodied components do not rest on energy.
with total as (
    select
        phase_group,
        sum(it_kgco2e) as it, sum(overhead_kgco2e) as overhead, sum(upstream_kgco2e) as upstream,
        sum(chip_kgco2e) as chip,
        sum(server_kgco2e) as server, sum(building_kgco2e) as building
    from mart.training_vs_inference_monthly
    group by all
),
long as (
    select * from total unpivot include nulls (kgco2e for component in (it, overhead, upstream, chip, server, building))
),
estimated as (
    select
        phase_group,
        sum(it_kgco2e * estimated_kwh / nullif(it_kwh, 0)) as it,
        sum(overhead_kgco2e * estimated_kwh / nullif(it_kwh, 0)) as overhead
    from mart.footprint_daily
    group by all
)
select
    long.phase_group, long.component, long.kgco2e,
    coalesce(case long.component when 'it' then estimated.it when 'overhead' then estimated.overhead end, 0)
        as estimated_kgco2e
from long
left join estimated using (phase_group)
-- Where no factor tells combustion from the life cycle, nothing is known of upstream alone: it is inside the others.
where long.component <> 'upstream' or exists (select 1 from total where upstream is not null)
order by long.phase_group, long.component

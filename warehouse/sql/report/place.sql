-- The places where energy was used: grid zone, PUE that was applied, energy.
-- grain: region    keys: region    units: kWh, 1
-- inputs: mart.footprint_daily, core.place_factor, ref.facility
with used as (
    select
        region,
        string_agg(distinct zone, ', ' order by zone) as zone,
        sum(it_kwh) as it_kwh,
        sum(estimated_kwh) as estimated_kwh,
        case when count(*) filter (where facility_kwh is null) = 0 then sum(facility_kwh) end as facility_kwh,
        sum(unlocated_kwh) as unlocated_kwh
    from mart.footprint_daily
    group by region
),
stated as (
    -- Of the newest day.
    select place.facility as region, place.pue, if(configured.facility is null, 'cloud', ownership) as ownership, source
    from core.place_factor as place
    left join (from ref.facility where known_to is null) as configured on configured.facility = place.facility
    qualify row_number() over (partition by place.facility order by day desc) = 1
)
select used.region, used.zone, stated.pue, stated.ownership, stated.source, used.it_kwh, used.estimated_kwh,
    used.facility_kwh, used.unlocated_kwh
from used
left join stated using (region)
order by used.it_kwh desc, used.region

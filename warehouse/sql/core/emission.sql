-- Emissions of one job, or of idle or unallocated time, in one hour by component and method.
-- grain: hour x allocation x job x attempt x phase x facility x zone x energy source x component x method x factor
-- keys: the same    units: gCO2e, kWh, s
-- inputs: core.job_energy, ref.facility, ref.cloud_region_factor, ref.grid_intensity, ref.grid_age_spread,
--         ref.source_uncertainty, embodied_rate (temporary)    $day: the day to compute; $calc_run_id: this calculation
--
-- Operational: energy x intensity (it) and energy x (PUE - 1) x intensity (overhead), location-based.
-- Embodied: device-seconds x rate (chip, server, building), amortised in a straight line over the service life.
-- A factor that is not known gives a row without a figure and with the tier "missing", never a default.
with energy as (
    select hour_start, allocation, job_id, attempt, phase, facility, zone, source,
        exact_sum(energy_j) / 3.6e6 as kwh
    from lake.core.job_energy
    where day = $day
    group by all
),
wanted as (select distinct zone, cast(year(hour_start) as integer) as year from energy where zone is not null),
-- The factor of the zone nearest in time; the country's where the zone has none. Never a world average for a named zone.
candidate as (
    select wanted.zone, wanted.year, factor.*,
        cast(abs(wanted.year - year(factor.valid_from)) as integer) as age_years
    from wanted
    join (select * exclude (zone), zone as factor_zone from lake.ref.grid_intensity where known_to is null) as factor
        on factor.factor_zone = wanted.zone
        or (factor.tier = 'country_year' and factor.factor_zone = split_part(wanted.zone, '-', 1))
    where factor.kind = 'average'
    qualify row_number() over (
        partition by wanted.zone, wanted.year
        order by case factor.tier when 'zone_year' then 0 else 1 end, age_years, factor.valid_from, factor.factor_id
    ) = 1
),
intensity as (
    select candidate.zone, year, factor_id, tier, candidate.age_years, gco2e_per_kwh,
        low_gco2e_per_kwh * spread.low_factor as low_gco2e_per_kwh,
        high_gco2e_per_kwh * spread.high_factor as high_gco2e_per_kwh
    from candidate
    join (select * from lake.ref.grid_age_spread where known_to is null) as spread
        on spread.age_years = least(
            candidate.age_years, (select max(age_years) from lake.ref.grid_age_spread where known_to is null)
        )
),
overhead as (
    select facility, pue from lake.ref.facility where known_to is null
    union all
    select provider || '/' || region, value from lake.ref.cloud_region_factor where metric = 'pue' and known_to is null
),
operational as (
    select energy.*, component.component,
        case component.component when 'it' then kwh else kwh * (overhead.pue - 1) end as part_kwh,
        intensity.factor_id, intensity.tier, intensity.age_years,
        intensity.low_gco2e_per_kwh * uncertainty.low_factor as low_gco2e_per_kwh,
        intensity.gco2e_per_kwh,
        intensity.high_gco2e_per_kwh * uncertainty.high_factor as high_gco2e_per_kwh
    from energy
    cross join (values ('it'), ('overhead')) as component (component)
    join (select * from lake.ref.source_uncertainty where known_to is null) as uncertainty using (source)
    left join intensity on intensity.zone = energy.zone and intensity.year = year(energy.hour_start)
    left join overhead on overhead.facility = energy.facility
),
embodied as (
    select hour_start, allocation, job_id, attempt, phase, facility, zone, source, component,
        factor_id, any_value(tier) as tier,
        exact_sum(device_s) as device_s,
        exact_sum(device_s * low_g_per_s) as low_gco2e,
        exact_sum(device_s * g_per_s) as gco2e,
        exact_sum(device_s * high_g_per_s) as high_gco2e
    from (select *, measured_s + gap_s as device_s from lake.core.job_energy where day = $day) as held
    join embodied_rate using (host, device)
    group by all
)
select
    $day as day, hour_start, allocation, job_id, attempt, phase, facility, zone,
    source as energy_source, component, 'location' as method,
    part_kwh as energy_kwh,
    0.0 as device_s,
    part_kwh * low_gco2e_per_kwh as low_gco2e,
    part_kwh * gco2e_per_kwh as gco2e,
    part_kwh * high_gco2e_per_kwh as high_gco2e,
    case when part_kwh is not null then factor_id end as factor_id,
    case when part_kwh is not null then coalesce(tier, 'missing') else 'missing' end as quality_tier,
    case when part_kwh is not null then age_years end as factor_age_years,
    $calc_run_id as calc_run_id
from operational
union all
select
    $day, hour_start, allocation, job_id, attempt, phase, facility, zone,
    source, component, 'amortised',
    0.0, device_s, low_gco2e, gco2e, high_gco2e,
    factor_id, coalesce(tier, 'missing'), null, $calc_run_id
from embodied

-- Emissions of one job, or of idle or unallocated time, in one hour by component and method.
-- grain: hour x allocation x job x attempt x phase x facility x zone x energy source x component x method x factor
-- keys: the same    units: gCO2e, kWh, s
-- inputs: core.job_energy, operational, market_based, embodied_rate (temporary)
-- $day: the day to compute; $calc_run_id: this calculation
--
-- Operational: energy x intensity, location-based; market-based where that is configured, with all of the energy at the
-- residual mix beside it. Embodied: device-seconds x rate (chip, server, building), amortised in a straight line over the
-- service life. Methods stand side by side and are never added up. What is not known gives a row without a figure and with the tier "missing".
with embodied as (
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
    low_gco2e,
    gco2e,
    high_gco2e,
    factor_id,
    tier as quality_tier,
    age_years as factor_age_years,
    basis,
    flow,
    $calc_run_id as calc_run_id
from operational
union all
select
    $day, hour_start, allocation, job_id, attempt, phase, facility, zone,
    source, component, method,
    part_kwh, 0.0, low_gco2e, gco2e, high_gco2e,
    factor_id, tier, age_years, null, null, $calc_run_id
from market_based
union all
select
    $day, hour_start, allocation, job_id, attempt, phase, facility, zone,
    source, component, 'amortised',
    0.0, device_s, low_gco2e, gco2e, high_gco2e,
    factor_id, coalesce(tier, 'missing'), null, null, null, $calc_run_id
from embodied

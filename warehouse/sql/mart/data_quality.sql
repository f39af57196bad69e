-- What the figures of one day and place rest on: coverage, estimates, counters and factor tiers.
-- grain: day x region x component x basis x quality_tier    keys: the same    units: kWh, kgCO2e, s
-- inputs: core.emission, core.job_energy, raw.quarantine_row
-- $day: the day to compute; $day_start_ms, $day_end_ms: its bounds
with whole_day as (
    select exact_sum(measured_s) as measured_s, exact_sum(gap_s) as gap_s,
        exact_sum(counter_j) / nullif(exact_sum(energy_j), 0) as counter_fraction
    from lake.core.job_energy
    where day = $day
),
estimated as (
    select facility, exact_sum(estimated_j) / nullif(exact_sum(energy_j), 0) as fraction
    from lake.core.job_energy
    where day = $day
    group by all
),
refused as (
    select count(*) as rows_n
    from lake.raw.quarantine_row
    where state = 'open' and time_ms >= $day_start_ms and time_ms < $day_end_ms
),
tier as (
    select facility, component, basis, quality_tier,
        case when count(*) filter (where energy_kwh is null) = 0 then exact_sum(energy_kwh) end as energy_kwh,
        exact_sum(gco2e) / 1e3 as kgco2e
    from lake.core.emission
    where day = $day and method in ('location', 'amortised')
    group by all
)
select
    $day as day, tier.facility as region, component, basis, quality_tier, energy_kwh,
    energy_kwh * estimated.fraction as estimated_kwh,
    kgco2e,
    whole_day.measured_s as day_measured_s,
    whole_day.gap_s as day_gap_s,
    whole_day.measured_s / nullif(whole_day.measured_s + whole_day.gap_s, 0) as day_coverage_fraction,
    least(whole_day.counter_fraction, 1) as day_counter_fraction,
    refused.rows_n as day_quarantined_rows_n
from tier
left join estimated on estimated.facility is not distinct from tier.facility
cross join whole_day
cross join refused
order by region, component, basis, quality_tier

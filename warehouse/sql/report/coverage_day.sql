-- How much of each day is covered by readings, and how much of its energy is estimated.
-- grain: day    keys: day    units: kWh, s, fraction
-- inputs: mart.footprint_daily, mart.data_quality
with energy as (
    select
        day,
        sum(it_kwh) as it_kwh,
        sum(estimated_kwh) as estimated_kwh,
        sum(estimated_kwh) / nullif(sum(it_kwh), 0) as estimated_fraction,
        sum(measured_s) as measured_s,
        sum(gap_s) as gap_s,
        sum(measured_s) / nullif(sum(measured_s) + sum(gap_s), 0) as coverage_fraction
    from mart.footprint_daily
    group by day
),
quality as (
    select
        day,
        any_value(day_counter_fraction) as counter_fraction,
        any_value(day_quarantined_rows_n) as quarantined_rows_n
    from mart.data_quality
    group by day
)
select energy.*, counter_fraction, quarantined_rows_n
from energy
left join quality using (day)
order by day

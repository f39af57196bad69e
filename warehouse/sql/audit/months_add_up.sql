-- check: months_add_up    severity: critical    blocking: yes    scope: month    asset: mart.training_vs_inference_monthly
-- A month must equal the sum of its days, for every organisation and phase group; months that are noted as to do are left out.
-- grain: month x org x phase_group x measure    units: kWh, kgCO2e
-- inputs: mart.training_vs_inference_monthly, mart.footprint_daily, audit.pending
-- $first_day, $last_day: first and last day of the months to check; $tolerance: relative difference allowed
with month_of_days as (
    select cast(date_trunc('month', day) as date) as month, org, phase_group,
        exact_sum(it_kwh) as it_kwh, exact_sum(total_kgco2e) as total_kgco2e
    from lake.mart.footprint_daily
    where day between $first_day and $last_day
    group by all
),
stated as (
    select month, org, phase_group, it_kwh, total_kgco2e
    from lake.mart.training_vs_inference_monthly
    where month between $first_day and $last_day
),
compared as (
    select month, month || ' ' || org || ' ' || phase_group as entity,
        unnest(['it_kwh', 'total_kgco2e']) as measure,
        unnest([stated.it_kwh, stated.total_kgco2e]) as observed,
        unnest([month_of_days.it_kwh, month_of_days.total_kgco2e]) as expected
    from stated
    full join month_of_days using (month, org, phase_group)
)
select entity || ' ' || measure as entity,
    coalesce(cast(observed as varchar), 'none') as observed,
    coalesce(cast(expected as varchar), 'none') as expected
from compared
where (observed is not null or expected is not null)
    and not coalesce(abs(observed - expected) <= $tolerance * greatest(abs(expected), 1e-9), false)
    and strftime(month, '%Y-%m') not in (select partition_key from lake.audit.pending)
order by entity

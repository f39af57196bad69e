-- check: grid_sources_disagree    severity: minor    blocking: no    scope: day    asset: core.grid_factor
-- Two providers state averages of one zone, basis and flow whose means of a day differ by more than a third.
-- grain: day x zone x basis x flow x two series    units: gCO2e/kWh, fraction
-- inputs: core.grid_factor, ref.grid_intensity    $first_day, $last_day: days to check; $first_ms, $end_ms: their bounds
-- $disagree_fraction: difference of the means over their mean above which it is a finding
--
-- Compared over the hours for which both have values, and only where these are half a day or more.
with named_value as (select 12 as fewest_hours_n),
zone as (
    select distinct zone
    from lake.core.grid_factor
    where day between $first_day and $last_day
),
hourly as (
    select value.zone, provider, factor_set, basis, flow, factor_id, epoch_ms(valid_from) // 3600000 as hour_n,
        sum(gco2e_per_kwh * (epoch_ms(valid_to) - epoch_ms(valid_from))) / sum(epoch_ms(valid_to) - epoch_ms(valid_from))
            as gco2e_per_kwh
    from lake.ref.grid_intensity as value
    semi join zone using (zone)
    where known_to is null
        and kind = 'average'
        and tier in ('zone_slot_measured', 'zone_slot_estimated')
        and valid_from >= make_timestamptz($first_ms * 1000) and valid_from < make_timestamptz($end_ms * 1000)
    group by all
),
compared as (
    select cast(make_timestamp(hour_n * 3600000000) as date) as day, zone, basis, flow,
        one.provider || ' ' || one.factor_set as one_name, other.provider || ' ' || other.factor_set as other_name,
        avg(one.gco2e_per_kwh) as one_mean, avg(other.gco2e_per_kwh) as other_mean, count(*) as hours_n
    from hourly as one
    join hourly as other using (zone, basis, flow, hour_n)
    where one.provider < other.provider
    group by all
)
select
    day || ' ' || zone || ' ' || basis || ' ' || flow || ': ' || one_name || ' and ' || other_name as entity,
    round(one_mean, 3) || ' and ' || round(other_mean, 3) || ' g/kWh over ' || hours_n || ' h' as observed,
    'means that differ by at most ' || cast(round(100 * $disagree_fraction) as integer) || ' %' as expected
from compared
cross join named_value
where hours_n >= fewest_hours_n
    and abs(one_mean - other_mean) > $disagree_fraction * (one_mean + other_mean) / 2
order by entity

-- Load of a market boundary in a year against its contracts, matched by the year and by the hour, with CFE scores.
-- grain: market boundary x year    keys: the same    units: kWh, gCO2e
-- inputs: core.market_hour, ref.instrument, raw.instrument_volume
--
-- By the year an instrument counts with the volume that was issued for the part of its vintage in the year, or with what
-- was delivered in it; instruments are used in their order, and what is left of them is lost.
with hourly as (
    select market_boundary, cast(date_trunc('year', day) as date) as year,
        exact_sum(load_kwh) as load_kwh,
        exact_sum(contract_kwh) as hourly_contract_kwh,
        exact_sum(matched_kwh) as hourly_matched_kwh,
        exact_sum(excess_kwh) as hourly_excess_kwh,
        exact_sum(carbon_free_kwh) as hourly_carbon_free_kwh,
        case when count(*) filter (where grid_carbon_free_fraction is null) = 0
            then exact_sum(unmatched_kwh * grid_carbon_free_fraction) end as grid_carbon_free_kwh,
        case when count(*) filter (where grid_carbon_free_fraction is null) = 0
            then exact_sum(load_kwh * grid_carbon_free_fraction) / nullif(exact_sum(load_kwh), 0)
        end as grid_carbon_free_fraction,
        exact_sum(case when grid_carbon_free_tier in ('zone_slot_measured', 'zone_slot_estimated') then load_kwh else 0 end)
            as slot_share_kwh,
        exact_sum(case when grid_carbon_free_tier = 'missing' then load_kwh else 0 end) as missing_share_kwh
    from lake.core.market_hour
    group by all
),
instrument as (select * from lake.ref.instrument where known_to is null),
delivered as (
    select instrument_id, cast(date_trunc('year', day) as date) as year, exact_sum(volume_kwh) as volume_kwh
    from lake.raw.instrument_volume
    group by all
),
offer as (
    select hourly.market_boundary, year, load_kwh, position, gco2e_per_kwh, is_carbon_free,
        case when profile = 'hourly' and type = 'supplier_rate' then coalesce(delivered.volume_kwh, load_kwh)
            when profile = 'hourly' then delivered.volume_kwh
            else instrument.volume_kwh
                * (least(epoch_ms(valid_to), epoch_ms(cast(year + interval 1 year as timestamptz)))
                    - greatest(epoch_ms(valid_from), epoch_ms(cast(year as timestamptz))))
                / (epoch_ms(valid_to) - epoch_ms(valid_from))
        end as offer_kwh
    from hourly
    join instrument
        on instrument.market_boundary = hourly.market_boundary
        and valid_from < cast(year + interval 1 year as timestamptz) and valid_to > cast(year as timestamptz)
    left join delivered using (instrument_id, year)
),
used as (
    select *,
        least(
            offer_kwh,
            greatest(load_kwh - coalesce(sum(offer_kwh) over (
                partition by market_boundary, year order by position rows between unbounded preceding and 1 preceding
            ), 0), 0)
        ) as used_kwh
    from offer
    where offer_kwh is not null
),
annual as (
    select market_boundary, year,
        exact_sum(offer_kwh) as contract_kwh,
        exact_sum(used_kwh) as matched_kwh,
        exact_sum(case when is_carbon_free then used_kwh else 0 end) as carbon_free_kwh,
        exact_sum(used_kwh * gco2e_per_kwh) as matched_gco2e
    from used
    group by all
)
select
    market_boundary, year, load_kwh,
    coalesce(annual.contract_kwh, 0) as contract_kwh,
    coalesce(annual.matched_kwh, 0) as annual_matched_kwh,
    greatest(coalesce(annual.contract_kwh, 0) - coalesce(annual.matched_kwh, 0), 0) as annual_excess_kwh,
    coalesce(annual.matched_gco2e, 0) as annual_matched_gco2e,
    hourly_contract_kwh, hourly_matched_kwh, hourly_excess_kwh,
    grid_carbon_free_fraction,
    slot_share_kwh / nullif(load_kwh, 0) as share_by_slot_fraction,
    greatest(load_kwh - slot_share_kwh - missing_share_kwh, 0) / nullif(load_kwh, 0) as share_by_year_fraction,
    missing_share_kwh / nullif(load_kwh, 0) as share_missing_fraction,
    coalesce(annual.carbon_free_kwh, 0) / nullif(load_kwh, 0) as cfe_annual_fraction,
    hourly_carbon_free_kwh / nullif(load_kwh, 0) as cfe_hourly_fraction,
    (hourly_carbon_free_kwh + grid_carbon_free_kwh) / nullif(load_kwh, 0) as cfe_score_fraction
from hourly
left join annual using (market_boundary, year)
order by market_boundary, year

-- Load of a market boundary in an hour against what contracts delivered in it.
-- grain: market boundary x hour    keys: market_boundary, hour_start    units: kWh, gCO2e
-- inputs: core.job_slot, place (temporary), carbon_free_share (temporary), ref.instrument, ref.market_zone,
--         raw.instrument_volume
-- $day: the day to compute; $has_market: whether market-based accounting is configured
--
-- Instruments are used in their order, each at most for what it delivered in the hour and for what the ones before it left
-- of the load; what is left of them is lost. A volume for the year alone matches no hour. A zone that no boundary names is
-- matched in its country. The carbon-free share of the grid weighs by the load of each slot and zone; its tier is the worst.
with market as (select zone, market_boundary from lake.ref.market_zone where known_to is null),
load as (
    select hour_start, market_boundary,
        exact_sum(kwh) as load_kwh,
        case when count(*) filter (where carbon_free_fraction is null) = 0
            then exact_sum(kwh * carbon_free_fraction) / nullif(exact_sum(kwh), 0) end as grid_carbon_free_fraction,
        case when count(*) filter (where carbon_free_fraction is null) = 0
            then max_by(tier, rank) else 'missing' end as grid_carbon_free_tier,
        case when count(*) filter (where carbon_free_fraction is null) = 0
            then max(age_years) end as grid_carbon_free_age_years
    from (
        select hour_start, coalesce(market.market_boundary, split_part(slot.zone, '-', 1)) as market_boundary,
            energy_j / 3.6e6 * coalesce(place.pue, 1) as kwh, carbon_free_fraction, tier, rank, age_years
        from lake.core.job_slot as slot
        left join place on place.facility = slot.facility
        left join market on market.zone = slot.zone
        left join carbon_free_share as share on share.zone = slot.zone and share.slot_start = slot.slot_start
        where day = $day and slot.zone is not null and $has_market
    )
    group by all
),
instrument as (select * from lake.ref.instrument where known_to is null),
delivered as (
    select instrument_id, make_timestamptz(start_ms // 3600000 * 3600000 * 1000) as hour_start,
        exact_sum(volume_kwh) as volume_kwh
    from lake.raw.instrument_volume
    where day = $day and end_ms <= start_ms // 3600000 * 3600000 + 3600000
    group by all
),
offer as (
    select load.hour_start, load.market_boundary, load_kwh, instrument_id, position, is_carbon_free, gco2e_per_kwh,
        case profile
            when 'hourly' then case when type = 'supplier_rate' then coalesce(delivered.volume_kwh, load_kwh)
                else delivered.volume_kwh end
            when 'flat' then instrument.volume_kwh * 3600000 / (epoch_ms(valid_to) - epoch_ms(valid_from))
        end as offer_kwh
    from load
    join instrument
        on instrument.market_boundary = load.market_boundary
        and load.hour_start >= instrument.valid_from and load.hour_start < instrument.valid_to
    left join delivered using (instrument_id, hour_start)
),
used as (
    select *,
        least(
            offer_kwh,
            greatest(load_kwh - coalesce(sum(offer_kwh) over (
                partition by market_boundary, hour_start order by position
                rows between unbounded preceding and 1 preceding
            ), 0), 0)
        ) as used_kwh
    from offer
    where offer_kwh is not null
),
contract as (
    select hour_start, market_boundary,
        exact_sum(offer_kwh) as contract_kwh,
        exact_sum(used_kwh) as matched_kwh,
        exact_sum(case when is_carbon_free then used_kwh else 0 end) as carbon_free_kwh,
        exact_sum(used_kwh * gco2e_per_kwh) as matched_gco2e
    from used
    group by all
)
select
    $day as day, hour_start, market_boundary, load_kwh,
    coalesce(contract_kwh, 0) as contract_kwh,
    coalesce(matched_kwh, 0) as matched_kwh,
    greatest(load_kwh - coalesce(matched_kwh, 0), 0) as unmatched_kwh,
    greatest(coalesce(contract_kwh, 0) - coalesce(matched_kwh, 0), 0) as excess_kwh,
    coalesce(carbon_free_kwh, 0) as carbon_free_kwh,
    coalesce(matched_gco2e, 0) as matched_gco2e,
    grid_carbon_free_fraction, grid_carbon_free_tier, grid_carbon_free_age_years
from load
left join contract using (hour_start, market_boundary)
order by market_boundary, hour_start

-- The two ledgers of an asset by month: acquired in the month of purchase; accrued and written off; what remains.
-- grain: month x asset    keys: the same    units: kgCO2e
-- inputs: core.asset, core.asset_accrual, asset_write_off (temporary), mart.footprint_daily,
--         raw.asset_event
--
-- From the month in which an asset was acquired to the last month in which anything is known. To date, in each of low,
-- central and high: acquired = accrued + written off + remaining. An asset without a figure has rows without figures.
with until as (
    select date_trunc('month', max(known_at)) as last_month
    from (
        select max(cast(day as timestamp)) as known_at from lake.mart.footprint_daily
        union all
        select make_timestamp(1000 * max(ts_ms)) from lake.raw.asset_event
    )
),
asset_month as (
    select asset.*, month, month + interval 1 month as next_month,
        date_trunc('month', acquired_at at time zone 'UTC') = month as is_acquired
    from lake.core.asset as asset
    cross join until
    cross join lateral (
        select unnest(generate_series(date_trunc('month', acquired_at at time zone 'UTC'), last_month, interval 1 month))
            as month
    ) as months
),
accrued as (
    select span.asset_id, asset_month.month,
        exact_sum(seconds * low_gco2e_per_s) / 1e3 as low_kg,
        exact_sum(seconds * gco2e_per_s) / 1e3 as kg,
        exact_sum(seconds * high_gco2e_per_s) / 1e3 as high_kg
    from asset_month
    join lake.core.asset_accrual as span
        on span.asset_id = asset_month.asset_id
        and span.start_at at time zone 'UTC' < next_month and span.end_at at time zone 'UTC' > asset_month.month
    cross join lateral (
        select epoch(least(span.end_at at time zone 'UTC', next_month))
            - epoch(greatest(span.start_at at time zone 'UTC', asset_month.month)) as seconds
    ) as held
    group by all
),
written_off as (
    select asset_id, date_trunc('month', make_timestamp(1000 * at_ms)) as month,
        exact_sum(low_kgco2e) as low_kg, exact_sum(kgco2e) as kg, exact_sum(high_kgco2e) as high_kg
    from asset_write_off
    group by all
),
flow as (
    select asset_month.*,
        case when kgco2e is not null then coalesce(accrued.low_kg, 0) end as low_accrued,
        case when kgco2e is not null then coalesce(accrued.kg, 0) end as accrued,
        case when kgco2e is not null then coalesce(accrued.high_kg, 0) end as high_accrued,
        case when kgco2e is not null then coalesce(written_off.low_kg, 0) end as low_lost,
        case when kgco2e is not null then coalesce(written_off.kg, 0) end as lost,
        case when kgco2e is not null then coalesce(written_off.high_kg, 0) end as high_lost
    from asset_month
    left join accrued using (asset_id, month)
    left join written_off using (asset_id, month)
),
to_date as (
    select *,
        low_kgco2e - sum(low_accrued + low_lost) over so_far as low_left,
        kgco2e - sum(accrued + lost) over so_far as left_kg,
        high_kgco2e - sum(high_accrued + high_lost) over so_far as high_left
    from flow
    window so_far as (partition by asset_id order by month rows between unbounded preceding and current row)
)
select
    cast(month as date) as month, asset_id, kind, level, hardware_model, host, facility,
    if(is_acquired, low_kgco2e, 0 * low_kgco2e) as low_acquired_kgco2e,
    if(is_acquired, kgco2e, 0 * kgco2e) as acquired_kgco2e,
    if(is_acquired, high_kgco2e, 0 * high_kgco2e) as high_acquired_kgco2e,
    low_accrued as low_accrued_kgco2e, accrued as accrued_kgco2e, high_accrued as high_accrued_kgco2e,
    low_lost as low_written_off_kgco2e, lost as written_off_kgco2e, high_lost as high_written_off_kgco2e,
    -- What is left after the last gram went is the rounding of sums.
    if(abs(low_left) <= 1e-9 * low_kgco2e, 0, low_left) as low_remaining_kgco2e,
    if(abs(left_kg) <= 1e-9 * kgco2e, 0, left_kg) as remaining_kgco2e,
    if(abs(high_left) <= 1e-9 * high_kgco2e, 0, high_left) as high_remaining_kgco2e,
    factor_id, quality_tier
from to_date
order by month, asset_id

-- check: instrument_unknown    severity: major    blocking: no    scope: all    asset: core.market_hour
-- Delivered volumes that no instrument of the configuration claims, or outside of its vintage, match nothing.
-- grain: instrument    units: kWh
-- inputs: raw.instrument_volume, ref.instrument
select
    delivered.instrument_id as entity,
    round(exact_sum(delivered.volume_kwh), 6) || ' kWh delivered and not claimed' as observed,
    'an [[instrument]] of that id whose vintage holds them' as expected
from lake.raw.instrument_volume as delivered
left join (select * from lake.ref.instrument where known_to is null) as instrument
    on instrument.instrument_id = delivered.instrument_id
    and delivered.start_ms >= epoch_ms(instrument.valid_from) and delivered.end_ms <= epoch_ms(instrument.valid_to)
where instrument.instrument_id is null
group by delivered.instrument_id
order by entity

-- check: instrument_beyond_issued    severity: critical    blocking: yes    scope: all    asset: core.market_hour
-- An instrument is never used beyond what was issued: delivered volumes of its vintage that sum to more are not to be claimed.
-- grain: instrument    units: kWh
-- inputs: raw.instrument_volume, ref.instrument    $tolerance: relative difference allowed
select
    instrument_id as entity,
    round(exact_sum(delivered.volume_kwh), 6) || ' kWh delivered' as observed,
    'at most the ' || any_value(instrument.volume_kwh) || ' kWh that were issued' as expected
from lake.raw.instrument_volume as delivered
join (select * from lake.ref.instrument where known_to is null and volume_kwh is not null and profile = 'hourly') as instrument
    using (instrument_id)
where delivered.start_ms >= epoch_ms(valid_from) and delivered.end_ms <= epoch_ms(valid_to)
group by instrument_id
having exact_sum(delivered.volume_kwh) > any_value(instrument.volume_kwh) * (1 + $tolerance)
order by entity

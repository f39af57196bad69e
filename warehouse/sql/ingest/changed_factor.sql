-- Slots of a day to which another grid factor applies than before, once with the factor before and once with that now.
-- grain: zone x slot x side    keys: zone, slot_start, side    units: gCO2e/kWh
-- inputs: old_factor (temporary: core.grid_factor of the day before), core.grid_factor    $day: the day
-- tier holds both tiers, so that what is computed from either side can be laid side by side.
--
-- The slots of a day become shorter with the first factor of shorter intervals: the factor of a longer slot before is that of
-- every shorter one in it now. Where slots become longer the mean of those before stands for them.
with present as (select * from lake.core.grid_factor where day = $day),
former as (
    select any_value(old.day) as day, any_value(present.hour_start) as hour_start, zone, present.slot_start,
        any_value(present.slot_s) as slot_s,
        min_by(factor_id, old.slot_start) as factor_id, min_by(tier, old.slot_start) as tier,
        min_by(basis, old.slot_start) as basis, min_by(flow, old.slot_start) as flow,
        avg(low_gco2e_per_kwh) as low_gco2e_per_kwh, avg(gco2e_per_kwh) as gco2e_per_kwh,
        avg(high_gco2e_per_kwh) as high_gco2e_per_kwh, avg(upstream_gco2e_per_kwh) as upstream_gco2e_per_kwh,
        min_by(age_years, old.slot_start) as age_years, max(old.known_from) as known_from
    from old_factor as old
    join (select zone, hour_start, slot_start, slot_s from present) as present using (zone)
    where epoch_ms(old.slot_start) < epoch_ms(present.slot_start) + 1000 * present.slot_s
        and epoch_ms(old.slot_start) + 1000 * old.slot_s > epoch_ms(present.slot_start)
    group by zone, present.slot_start
),
changed as (
    select old.zone, old.slot_start, old.tier || '>' || new.tier as tiers
    from former as old
    join present as new using (zone, slot_start)
    where (old.factor_id, old.tier, old.gco2e_per_kwh, old.upstream_gco2e_per_kwh)
        is distinct from (new.factor_id, new.tier, new.gco2e_per_kwh, new.upstream_gco2e_per_kwh)
)
select 'old' as side, old.* replace (tiers as tier)
from former as old
join changed using (zone, slot_start)
union all by name
select 'new' as side, new.* replace (tiers as tier)
from present as new
join changed using (zone, slot_start)

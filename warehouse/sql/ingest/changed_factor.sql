-- Slots of a day to which another grid factor applies than before, once with the factor before and once with that now.
-- grain: zone x slot x side    keys: zone, slot_start, side    units: gCO2e/kWh
-- inputs: old_factor (temporary: core.grid_factor of the day before), core.grid_factor    $day: the day
-- tier holds both tiers, so that what is computed from either side can be laid side by side.
with changed as (
    select old.zone, old.slot_start, old.tier || '>' || new.tier as tiers
    from old_factor as old
    join (select * from lake.core.grid_factor where day = $day) as new using (zone, slot_start)
    where (old.factor_id, old.tier, old.gco2e_per_kwh, old.upstream_gco2e_per_kwh)
        is distinct from (new.factor_id, new.tier, new.gco2e_per_kwh, new.upstream_gco2e_per_kwh)
)
select 'old' as side, old.* replace (tiers as tier)
from old_factor as old
join changed using (zone, slot_start)
union all
select 'new', new.* replace (tiers as tier)
from lake.core.grid_factor as new
join changed using (zone, slot_start)
where day = $day

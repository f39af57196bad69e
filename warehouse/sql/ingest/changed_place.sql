-- Places of a day to which another published PUE applies than before, or one in place of what the configuration states.
-- grain: facility    keys: facility    units: 1
-- inputs: old_place (temporary: core.place_factor of the day before), core.place_factor    $day: the day
select facility, old.tier as old_tier, new.tier as new_tier
from old_place as old
join (select * from lake.core.place_factor where day = $day) as new using (facility)
-- What the configuration states now and stated before is the configuration's change, which restates closed months.
where not (old.tier = 'facility' and new.tier = 'facility')
    and (old.pue, old.grid_loss_fraction) is distinct from (new.pue, new.grid_loss_fraction)

-- Places of a day to which another PUE, or other losses, apply than before.
-- grain: facility    keys: facility    units: 1
-- inputs: old_place (temporary: core.place_factor of the day before), core.place_factor    $day: the day
select facility, old.tier as old_tier, new.tier as new_tier
from old_place as old
join (select * from lake.core.place_factor where day = $day) as new using (facility)
where (old.pue, old.grid_loss_fraction) is distinct from (new.pue, new.grid_loss_fraction)

-- The grid factors of a day, as they are applied.
-- grain: zone x slot    keys: zone, slot_start    units: gCO2e/kWh
-- inputs: core.grid_factor    $day: the day to compute
select * from lake.core.grid_factor where day = $day

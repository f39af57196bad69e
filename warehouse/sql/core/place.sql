-- Overhead and losses of the places of a day, as they are applied.
-- grain: facility    keys: facility    units: 1
-- inputs: core.place_factor    $day: the day to compute
select facility, pue, grid_loss_fraction from lake.core.place_factor where day = $day

-- Overhead and losses of the places of a day: what the configuration states of a facility, and of a cloud region the figure of
-- the year, else of the nearest year (the earlier of two).
-- grain: facility    keys: facility    units: 1
-- inputs: ref.facility, ref.cloud_region_factor    $day: the day to compute
select facility, pue, grid_loss_fraction from lake.ref.facility where known_to is null
union all
select provider || '/' || region, value, null
from lake.ref.cloud_region_factor
where metric = 'pue' and known_to is null and region <> '*'
qualify row_number() over (
    partition by provider, region order by abs(year - year(cast($day as date))), year
) = 1

-- Days to which another PUE of a cloud region may apply now: those of its region that rest on the figure that changed, on one
-- that lies as far away, or on none.
-- grain: day    keys: day
-- inputs: changed_figure (temporary: landed figures of which another version is the newest), core.place_factor
select distinct place.day
from lake.core.place_factor as place
join changed_figure as figure on place.facility = figure.provider || '/' || figure.region
where figure.metric = 'pue' and place.tier <> 'facility'
    and (place.factor_id is null or place.factor_id = figure.factor_id
        or place.age_years >= case
            when valid_from < cast(day as timestamptz) + interval 1 day and valid_to > cast(day as timestamptz) then 0
            else greatest(1, abs(year - year(day))) end)

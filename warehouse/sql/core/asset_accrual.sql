-- Spans of time in which an asset accrues embodied emissions at one rate.
-- grain: asset x span    keys: asset_id, start_at    units: gCO2e/s    inputs: asset_span (temporary)
--
-- The spans are worked out by models.embodied.accrual: straight line, revised lives, retirement.
select asset_id,
    make_timestamptz(1000 * start_ms) as start_at, make_timestamptz(1000 * end_ms) as end_at,
    low_gco2e_per_s, gco2e_per_s, high_gco2e_per_s
from asset_span
order by asset_id, start_ms

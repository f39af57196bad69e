"""Emissions as they would have been stated at a moment in the past: today's energy with the grid factors known then.

What belongs here: the question for one day and one moment. What must not be here: which factor applies
(``warehouse/sql/core/grid_factor.sql``), equations, or anything that is written into the lake.

Only grid factors, and the PUE of cloud regions that landed, are taken back in time. Energy, jobs, and what the
configuration states of places are those of now.
What the program itself ships counts as known since the lake took it in: a moment before that rests on feeds and drops.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import duckdb

from warehouse.lake import Lake
from warehouse.sqlfiles import sql_text
from warehouse.temporaries import bound, parameters, prepare

_ROWS = """
SELECT CAST($day AS DATE) AS day, hour_start, allocation, job_id, attempt, phase, facility, zone,
    source AS energy_source, component, 'location' AS method, part_kwh AS energy_kwh, low_gco2e, gco2e, high_gco2e,
    factor_id, tier AS quality_tier, age_years AS factor_age_years, basis, flow
FROM operational
ORDER BY ALL
"""


def emissions_as_known(lake: Lake, day: str, known_at: datetime) -> list[dict[str, Any]]:
    """Return the operational emissions of a day by the grid factors that were known at a moment.

    Args:
        lake: an open lake whose day was computed; nothing of it is changed.
        day: the day (ISO 8601).
        known_at: the moment; it must have a time zone.

    Returns:
        Rows with the names, the grain and the units [kWh, gCO2e] of the operational part of ``core.emission``, without
        a calculation; a slot without a factor at that moment has the tier ``missing`` and no figure.

    Raises:
        ValueError: if ``day`` is no day, or ``known_at`` has no time zone and could be any of several moments.
    """
    only_day = date.fromisoformat(day)
    if known_at.tzinfo is None:
        msg = f"known_at: {known_at.isoformat()} has no time zone; write {known_at.isoformat()}+00:00 for UTC"
        raise ValueError(msg)
    prepare(lake, day)
    values = parameters(lake.connection, lake.config, "", day) | {"known_at": known_at}
    for name, layer in (("place", "place_factor"), ("applied_factor", "grid_factor"), ("operational", "operational")):
        text = sql_text("core", layer)
        columns = "facility, pue, grid_loss_fraction" if name == "place" else "*"
        lake.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {columns} FROM ({text})", bound(text, values)
        )
    return _dicts(lake.connection.execute(_ROWS, {"day": only_day}))


def _dicts(found: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

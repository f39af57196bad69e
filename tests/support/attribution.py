"""Filling the tables from segments on: jobs from raw rows, segments by hand, then the SQL of a day in its order."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pyarrow as pa

from collectors.contract import TABLES
from warehouse.jobs import JOB_TABLES, fill_jobs
from warehouse.lake import Lake
from warehouse.sqlfiles import sql_text
from warehouse.temporaries import prepare
from warehouse.transform import Calculation, fill

DAY = "2025-03-03"
RUN = Calculation("test", "", "")
ENERGY_TABLES = ("core.device_energy", "core.job_energy", "core.job_slot", "core.grid_factor")
SLOT_MS = 300_000
MS_PER_HOUR = 3_600_000
START_MS = int(datetime.fromisoformat(DAY).replace(tzinfo=UTC).timestamp() * 1000)
END_MS = START_MS + 24 * MS_PER_HOUR

Row = dict[str, Any]


def segment(start_ms: int, end_ms: int, energy_j: float, **changes: Any) -> Row:
    """Return a segment of a GPU that is measured from end to end."""
    length_s = (end_ms - start_ms) / 1000
    return {
        "part": "inner",
        "host": "a",
        "device": "gpu-0",
        "point": "board",
        "kind": "gpu",
        "parent": None,
        "start_ms": start_ms,
        "end_ms": end_ms,
        "energy_j": energy_j,
        "measured_s": length_s,
        "gap_s": 0.0,
        "estimated_j": 0.0,
        "counter_j": 0.0,
        "estimated_s": 0.0,
        "samples_n": 1,
        "source": "nvml_power",
        "flags": 0,
    } | changes


def put_raw(lake: Lake, name: str, rows: list[Row]) -> None:
    """Replace the rows of a raw table."""
    lake.transaction(lambda connection: _put_raw(connection, name, rows))


def _put_raw(connection: duckdb.DuckDBPyConnection, name: str, rows: list[Row]) -> None:
    connection.execute(f"DELETE FROM lake.raw.{name}")
    if not rows:
        return
    schema = TABLES[name].arrow_schema()
    filled = [{field.name: row.get(field.name) for field in schema} for row in rows]
    connection.register("new_rows", pa.Table.from_pylist(filled, schema=schema))
    connection.execute(
        f"INSERT INTO lake.raw.{name} SELECT *, CAST(make_timestamp({TABLES[name].time_column} * 1000) AS DATE), "
        "'file', row_number() OVER (), 0 FROM new_rows"
    )
    connection.unregister("new_rows")


def put_segments(lake: Lake, rows: list[Row]) -> None:
    """Replace the segments; each lies in one slot."""
    lake.transaction(lambda connection: _put_segments(connection, rows))


def _put_segments(connection: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
    connection.execute("DELETE FROM lake.core.energy_segment")
    if not rows:
        return
    connection.register("new_rows", pa.Table.from_pylist(rows))
    connection.execute(
        "INSERT INTO lake.core.energy_segment BY NAME SELECT *, "
        "make_timestamptz(start_ms // 3600000 * 3600000 * 1000) AS hour_start, "
        f"make_timestamptz(start_ms // {SLOT_MS} * {SLOT_MS} * 1000) AS slot_start, "
        "CAST(make_timestamp(start_ms * 1000) AS DATE) AS day FROM new_rows"
    )
    connection.unregister("new_rows")


def put_jobs(lake: Lake, events: list[Row], reservations: list[Row]) -> None:
    """Replace all jobs by those of these rows."""
    lake.transaction(lambda connection: _put_jobs(connection, events, reservations))


def _put_jobs(connection: duckdb.DuckDBPyConnection, events: list[Row], reservations: list[Row]) -> None:
    _put_raw(connection, "job_event", events)
    _put_raw(connection, "job_device", reservations)
    for name in JOB_TABLES:
        connection.execute(f"DELETE FROM lake.{name}")
    connection.execute("CREATE OR REPLACE TEMP TABLE touched_job AS SELECT DISTINCT job_id, attempt FROM raw.job_event")
    days = connection.execute(
        "SELECT min(day), max(day) FROM (SELECT day FROM raw.job_event UNION ALL SELECT day FROM raw.job_device)"
    ).fetchall()[0]
    for name in JOB_TABLES:
        fill_jobs(connection, name, *days)


def compute(lake: Lake, day: str = DAY, *, idle: str = "visible", tables: tuple[str, ...] = ENERGY_TABLES) -> None:
    """Fill tables of a day from its segments and the holds of its jobs.

    Args:
        lake: an open, writable lake.
        day: the day (ISO 8601).
        idle: policy for idle energy.
        tables: tables to fill, in their order.
    """
    accounting = lake.config.accounting.model_copy(update={"idle": idle})
    config = lake.config.model_copy(update={"accounting": accounting})
    prepare(lake, day)
    lake.transaction(lambda connection: fill(connection, config, RUN, tables, day))


def look(lake: Lake, check: str, day: str = DAY) -> list[tuple[str, str]]:
    """Return entity and observed of what an audit check finds on a day."""
    text = sql_text("audit", check)
    start_ms = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
    values = {"first_day": date.fromisoformat(day), "last_day": date.fromisoformat(day), "min_coverage": 0.95}
    values |= {"first_ms": start_ms, "end_ms": start_ms + 24 * MS_PER_HOUR}
    used = {name: value for name, value in values.items() if f"${name}" in re.sub(r"--.*", "", text)}
    return [(entity, observed) for entity, observed, _ in lake.rows(text, used)]

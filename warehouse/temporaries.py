"""What the SQL of one partition is given: its parameters, and small temporary tables.

What belongs here: parameters by name, the temporary tables of a day and which table needs which. What must not be here:
filling tables (``transform``), equations (``warehouse/sql``).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import duckdb

from models.factors import components
from warehouse.assets import make_spans, name_hardware
from warehouse.config import Config
from warehouse.energy import day_bounds_ms
from warehouse.lake import Lake
from warehouse.sqlfiles import sql_text

# An error above 5 % of an inventory is material as a rule of thumb (GHG Protocol Corporate Standard, chapter 10), so a
# device may be unmeasured for 5 % of its time.
MIN_COVERAGE = 0.95
MS_PER_MINUTE = 60_000
MS_PER_HOUR = 3_600_000
ALL = "*"
SUPPLIER_BAND = "band_t2"
"""Interval of what a supplier states of his product: that of a maker's own assessment."""
SEGMENT_TABLES = ("device_inside", "counted_segment")
PIECES = (*SEGMENT_TABLES, "job_piece")
# Temporary tables that the SQL of a table reads, made right before it because they read what was computed just before.
_NEEDS = {
    "core.device_energy": SEGMENT_TABLES,
    "core.job_energy": PIECES,
    "core.job_slot": PIECES,
    "core.asset": ("hardware_name",),
    "core.asset_accrual": ("asset_span",),
    "mart.embodied_ledger": ("asset_span",),
    "core.market_hour": ("place", "carbon_free_share"),
    "core.emission": ("place", "applied_factor", "operational", "residual_factor", "market_based", "embodied_rate"),
}


def parameters(
    connection: duckdb.DuckDBPyConnection, config: Config, calc_run_id: str, partition: str
) -> dict[str, Any]:
    """Return the values that the SQL of a partition may ask for, by name.

    Args:
        connection: for a day, a connection for which ``prepare`` was called.
        config: the configuration.
        calc_run_id: the calculation.
        partition: day (2025-03-01), month (2025-03) or ``*``.
    """
    rules, grid, supplier = config.accounting, config.grid, components()[SUPPLIER_BAND]
    values: dict[str, Any] = {
        "organisation": config.organisation.name,
        "calc_run_id": calc_run_id,
        "slot_ms": rules.slot_minutes * MS_PER_MINUTE,
        "idle": rules.idle,
        "basis": grid.basis,
        "prefer": grid.prefer,
        "max_age_months": grid.max_age_months,
        "max_age_years": grid.max_age_years,
        "known_at": None,
        "min_coverage": MIN_COVERAGE,
        "has_market": config.market is not None,
        "fallback": config.market.fallback if config.market else None,
        "supplier_low": supplier.low,
        "supplier_high": supplier.high,
    }
    if len(partition) == len("2025-03-01"):
        start_ms, end_ms = day_bounds_ms(partition)
        values |= {"day": date.fromisoformat(partition), "day_start_ms": start_ms, "day_end_ms": end_ms}
        values["step_ms"] = step_ms(connection)
    elif partition != ALL:
        month = date.fromisoformat(f"{partition}-01")
        values |= {"month": month, "next_month": (month + timedelta(days=31)).replace(day=1)}
    return values


def bound(text: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return those of some values for which a statement asks."""
    statement = "\n".join(line.partition("--")[0] for line in text.splitlines())
    return {name: value for name, value in values.items() if f"${name}" in _words(statement)}


def _words(statement: str) -> set[str]:
    separators = str.maketrans(dict.fromkeys(" ()\n,;+-*/=<>:|", " "))
    return {word for word in statement.translate(separators).split() if word.startswith("$")}


def prepare(lake: Lake, day: str) -> None:
    """Make the small temporary tables that the SQL of one day reads: its jobs, what they hold, names of hardware.

    Args:
        lake: an open, writable lake.
        day: the day to compute (ISO 8601).
    """
    name_hardware(lake.connection)
    start_ms, end_ms = day_bounds_ms(day)
    bounds = {"start": start_ms, "end": end_ms}
    lake.connection.execute(
        "CREATE OR REPLACE TEMP TABLE day_hold AS FROM lake.core.job_hold WHERE start_ms < $end AND end_ms > $start",
        bounds,
    )
    lake.connection.execute(
        "CREATE OR REPLACE TEMP TABLE touched_job AS "
        "SELECT job_id, attempt, first_ms, last_ms FROM lake.core.job WHERE first_ms < $end AND last_ms >= $start",
        bounds,
    )
    forget(lake.connection)
    lake.connection.execute(f"SET VARIABLE grid_step_ms = {_finest_ms(lake, day)}")


def _finest_ms(lake: Lake, day: str) -> int:
    """Return the length of the slots in which grid factors are applied on a day [ms].

    An hour, or the length of the shortest interval that a factor of one of the day's zones has; never shorter than the
    slots at which segments are cut.
    """
    slot_ms = lake.config.accounting.slot_minutes * MS_PER_MINUTE
    finest = lake.value(sql_text("core", "grid_step"), {"day": date.fromisoformat(day)})
    if finest is None or finest >= MS_PER_HOUR:
        return MS_PER_HOUR
    whole = finest % slot_ms == 0 and MS_PER_HOUR % finest == 0
    return int(finest) if whole else slot_ms


def step_ms(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the length of the slots of the day for which ``prepare`` was called [ms]."""
    return int(connection.execute("SELECT getvariable('grid_step_ms')").fetchall()[0][0])


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Forget which temporary tables were made of segments: the segments are other ones now."""
    for name in PIECES:
        connection.execute(f"SET VARIABLE made_{name} = NULL")


_BY_PROGRAM: dict[str, Callable[[duckdb.DuckDBPyConnection], None]] = {
    "hardware_name": name_hardware,
    "asset_span": make_spans,
}


def make(connection: duckdb.DuckDBPyConnection, table_name: str, partition: str, values: dict[str, Any]) -> None:
    """Make the temporary tables that the SQL of a table reads; those of segments are read several times and made once.

    Args:
        connection: a connection in a transaction.
        table_name: the table, schema.name.
        partition: its partition.
        values: what ``parameters`` gives.
    """
    for name in _NEEDS.get(table_name, ()):
        if name in _BY_PROGRAM:
            _BY_PROGRAM[name](connection)
            continue
        if name in PIECES:
            if connection.execute(f"SELECT getvariable('made_{name}')").fetchall() == [(partition,)]:
                continue
            connection.execute(f"SET VARIABLE made_{name} = '{date.fromisoformat(partition)}'")
        text = sql_text("core", name)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {text}", bound(text, values))

"""Filling one table for one partition from the .sql file of the same name.

What belongs here: which partitions a table has, what its SQL needs, replacing a partition. What must not be here: the
order of the tables and what is to do (``engine``), equations (``warehouse/sql``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from collectors import __version__ as program_version
from collectors.contract import DEVICE_KINDS, SOURCES
from models.embodied.catalogue import normalise_model
from warehouse.config import Config
from warehouse.lake import Lake
from warehouse.reference import reference_rows, rows_sha256
from warehouse.registry import table
from warehouse.sqlfiles import sql_sha256, sql_text

MS_PER_MINUTE = 60_000
MS_PER_HOUR = 3_600_000
MS_PER_DAY = 86_400_000
MS_PER_S = 1000
MW_PER_W = 1000
ALL = "*"
CONSERVATION_TOLERANCE = 1e-9

DAILY = (
    "core.job",
    "core.job_phase",
    "core.energy_segment",
    "core.device_energy",
    "core.job_energy",
    "core.emission",
    "mart.footprint_daily",
    "mart.data_quality",
    "mart.job",
)
MONTHLY = ("mart.training_vs_inference_monthly",)
WHOLE = ("mart.model_lifecycle",)
COMPUTED = (*DAILY, *MONTHLY, *WHOLE)
_BY_JOB = {"core.job", "core.job_phase", "mart.job"}

# The largest power that one device of a kind may draw, as a bound on what a counter difference may imply; above it the
# counter was reset. 1.5 times the largest published limits: 1,400 W for an accelerator module (NVIDIA B300, vendor),
# 500 W for a processor socket (AMD EPYC 9005, vendor); the rest is wide on purpose. The configuration overrides it by
# kind.
MAX_POWER_W = {
    "gpu": 2_100.0,
    "accelerator": 2_100.0,
    "cpu": 750.0,
    "dram": 1_000.0,
    "node": 50_000.0,
    "switch": 100_000.0,
    "facility": 1e9,
}


class ConservationError(RuntimeError):
    """Jobs, idle and unallocated do not add up to the devices; nothing of the partition is kept."""


@dataclass(frozen=True, slots=True)
class Calculation:
    """The identity of a way of calculating; see audit.calc_run."""

    calc_run_id: str
    config_sha256: str
    factors_sha256: str


def calculation(config: Config) -> Calculation:
    """Return the identity of a calculation by this program with this configuration and these factors."""
    factors = rows_sha256(reference_rows(config))
    parts = f"{program_version}\n{config.accounting_sha256}\n{factors}\n{sql_sha256()}"
    return Calculation(hashlib.sha256(parts.encode()).hexdigest()[:16], config.accounting_sha256, factors)


def note_calculation(lake: Lake, run: Calculation) -> bool:
    """Write the calculation into audit.calc_run if it is new; tell whether it was."""

    def work(connection: duckdb.DuckDBPyConnection) -> bool:
        seen = connection.execute(
            "SELECT count(*) FROM lake.audit.calc_run WHERE calc_run_id = $id", {"id": run.calc_run_id}
        ).fetchall()[0][0]
        if seen:
            return False
        connection.execute(
            "INSERT INTO lake.audit.calc_run VALUES ($id, $program, $config, $factors, $sql, now())",
            {
                "id": run.calc_run_id,
                "program": program_version,
                "config": run.config_sha256,
                "factors": run.factors_sha256,
                "sql": sql_sha256(),
            },
        )
        return True

    return lake.transaction(work)


def partition_kind(name: str) -> str:
    """Return day, month or all: by what a computed table is recomputed.

    Raises:
        ValueError: if the table is not computed; the message lists those that are.
    """
    for kind, names in (("day", DAILY), ("month", MONTHLY), ("all", WHOLE)):
        if name in names:
            return kind
    msg = f"{name} is not a computed table; these are: {', '.join(COMPUTED)}"
    raise ValueError(msg)


def month_of(day: str) -> str:
    """Return the month (2025-03) of a day (2025-03-01)."""
    return day[:7]


def day_bounds_ms(day: str) -> tuple[int, int]:
    """Return the first millisecond of a UTC day and of the next one."""
    start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * MS_PER_S)
    return start, start + MS_PER_DAY


def _parameters(config: Config, run: Calculation, partition: str) -> dict[str, Any]:
    rules = config.accounting
    values: dict[str, Any] = {
        "organisation": config.organisation.name,
        "calc_run_id": run.calc_run_id,
        "slot_ms": rules.slot_minutes * MS_PER_MINUTE,
        "reach_ms": rules.max_counter_gap_h * MS_PER_HOUR,
        "absent_ms": int(rules.absent_after_s * MS_PER_S),
        "jitter_ms": int(rules.jitter_s * MS_PER_S),
    }
    if len(partition) == len("2025-03-01"):
        start_ms, end_ms = day_bounds_ms(partition)
        values |= {"day": date.fromisoformat(partition), "day_start_ms": start_ms, "day_end_ms": end_ms}
    elif partition != ALL:
        month = date.fromisoformat(f"{partition}-01")
        values |= {"month": month, "next_month": (month + timedelta(days=31)).replace(day=1)}
    return values


def _bound(text: str, values: dict[str, Any]) -> dict[str, Any]:
    statement = "\n".join(line.partition("--")[0] for line in text.splitlines())
    return {name: value for name, value in values.items() if f"${name}" in _words(statement)}


def _words(statement: str) -> set[str]:
    separators = str.maketrans(dict.fromkeys(" ()\n,;+-*/=<>:|", " "))
    return {word for word in statement.translate(separators).split() if word.startswith("$")}


def prepare(lake: Lake, run: Calculation, day: str) -> None:
    """Make the small temporary tables that the SQL of one day reads. Call it before the day's transaction.

    Args:
        lake: an open, writable lake.
        run: the calculation.
        day: the day to compute (ISO 8601).
    """
    rules = lake.config.accounting
    gaps = {source: rules.max_gap_s_by_source.get(source, rules.max_gap_s) for source in SOURCES}
    limits = {kind: rules.max_power_w.get(kind, MAX_POWER_W[kind]) for kind in DEVICE_KINDS}
    _temporary(lake, "source_rule", {"source": list(gaps), "max_gap_ms": [gap * MS_PER_S for gap in gaps.values()]})
    _temporary(lake, "kind_rule", {"kind": list(limits), "max_power_mw": [w * MW_PER_W for w in limits.values()]})
    names = [name for (name,) in lake.rows("SELECT DISTINCT hardware_model FROM raw.asset_event ORDER BY 1")]
    keys = [normalise_model(name) for name in names]
    _temporary(
        lake,
        "hardware_name",
        {"hardware_model": pa.array(names, pa.string()), "hardware_key": pa.array(keys, pa.string())},
    )
    _materialise_temporary(lake.connection, lake.config, run, "touched_job", day)


def _temporary(lake: Lake, name: str, columns: dict[str, Any]) -> None:
    lake.connection.register("columns_of", pa.table(columns))
    try:
        lake.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM columns_of")
    finally:
        lake.connection.unregister("columns_of")


def _materialise_temporary(
    connection: duckdb.DuckDBPyConnection, config: Config, run: Calculation, name: str, day: str
) -> None:
    text = sql_text("core", name)
    values = _bound(text, _parameters(config, run, day))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {text}", values)


# Temporary tables that the SQL of a table reads, made right before it because they read what was computed just before.
_NEEDS = {"core.energy_segment": ("job_hold",), "core.job_energy": ("job_hold",), "core.emission": ("embodied_rate",)}


def fill(connection: duckdb.DuckDBPyConnection, config: Config, run: Calculation, name: str, partition: str) -> int:
    """Replace one partition of one table by what its SQL gives, in the caller's transaction.

    Args:
        connection: a connection in a transaction; for a day, ``prepare`` was called before.
        config: the configuration.
        run: the calculation.
        name: table, schema.name.
        partition: day (2025-03-01), month (2025-03) or ``*``.

    Returns:
        Rows of the partition.

    Raises:
        ConservationError: if job energies do not add up to device energies.
    """
    entry = table(name)
    for needed in _NEEDS.get(name, ()):
        _materialise_temporary(connection, config, run, needed, partition)
    text = sql_text(entry.schema, entry.name)
    values = _parameters(config, run, partition)
    if name in _BY_JOB:
        keys = "(job_id, attempt) IN (SELECT (job_id, attempt) FROM touched_job)"
        connection.execute(f"DELETE FROM lake.{name} WHERE {keys}")
    elif entry.partition:
        bound = values[entry.partition]
        connection.execute(f"DELETE FROM lake.{name} WHERE {entry.partition} = $bound", {"bound": bound})
    else:
        connection.execute(f"DELETE FROM lake.{name}")
    columns = ", ".join(f'"{column}"' for column in entry.column_names)
    inserted = connection.execute(
        f"INSERT INTO lake.{name} BY NAME SELECT {columns} FROM ({text})", _bound(text, values)
    )
    rows = int(inserted.fetchall()[0][0])
    if name == "core.job_energy":
        check_conservation(connection, partition)
    _note(connection, name, partition, rows, run)
    return rows


def _note(connection: duckdb.DuckDBPyConnection, name: str, partition: str, rows: int, run: Calculation) -> None:
    values = {"name": name, "partition": partition}
    connection.execute(
        "DELETE FROM lake.audit.materialisation WHERE table_name = $name AND partition_key = $partition", values
    )
    connection.execute(
        "INSERT INTO lake.audit.materialisation VALUES ($name, $partition, $rows, $run, now())",
        {**values, "rows": rows, "run": run.calc_run_id},
    )


def check_conservation(connection: duckdb.DuckDBPyConnection, day: str) -> None:
    """Check that jobs + idle + unallocated equal the device total for every device and hour of a day.

    Raises:
        ConservationError: naming the worst device and hour and the difference.
    """
    text = sql_text("audit", "conservation")
    only_day = date.fromisoformat(day)
    values = {"first_day": only_day, "last_day": only_day, "tolerance": CONSERVATION_TOLERANCE}
    worst = connection.execute(text, values).fetchall()
    if worst:
        entity, observed, expected = worst[0][:3]
        msg = f"energy is not conserved for {entity}: jobs + idle + unallocated = {observed}, devices = {expected}"
        raise ConservationError(msg)

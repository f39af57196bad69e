"""Filling one table for one partition from the .sql file of the same name.

What belongs here: which partitions a table has, what its SQL needs, replacing a partition. What must not be here: the
order of the tables and what is to do (``engine``), equations (``warehouse/sql``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from collectors import __version__ as program_version
from models.embodied.catalogue import normalise_model
from warehouse import energy
from warehouse.config import Config
from warehouse.energy import DaySegments, day_bounds_ms
from warehouse.jobs import JOB_TABLES
from warehouse.kernel import KERNEL_VERSION
from warehouse.lake import MACROS, Lake
from warehouse.reference import reference_rows, rows_sha256
from warehouse.registry import table
from warehouse.sqlfiles import sql_sha256, sql_text

MS_PER_MINUTE = 60_000
MS_PER_S = 1000
ALL = "*"
CONSERVATION_TOLERANCE = 1e-9

DAILY = (
    *JOB_TABLES,
    "core.energy_segment",
    "core.device_energy",
    "core.job_energy",
    "core.emission",
    "core.job_day",
    "mart.footprint_daily",
    "mart.data_quality",
    "mart.job",
)
MONTHLY = ("mart.training_vs_inference_monthly",)
WHOLE = ("mart.model_lifecycle",)
COMPUTED = (*DAILY, *MONTHLY, *WHOLE)
_BY_JOB = {"mart.job"}
# What is computed from segments and holds alone; other factors leave them as they are.
ENERGY_TABLES = ("core.device_energy", "core.job_energy")


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
    parts = f"{program_version}\n{KERNEL_VERSION}\n{config.accounting_sha256}\n{factors}\n{sql_sha256()}"
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


def _parameters(config: Config, run: Calculation, partition: str) -> dict[str, Any]:
    rules = config.accounting
    values: dict[str, Any] = {
        "organisation": config.organisation.name,
        "calc_run_id": run.calc_run_id,
        "slot_ms": rules.slot_minutes * MS_PER_MINUTE,
        "idle": rules.idle,
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
    """Make the small temporary tables that the SQL of one day reads: its jobs, what they hold, names of hardware.

    Args:
        lake: an open, writable lake.
        run: the calculation.
        day: the day to compute (ISO 8601).
    """
    names = [name for (name,) in lake.rows("SELECT DISTINCT hardware_model FROM raw.asset_event ORDER BY 1")]
    keys = [normalise_model(name) for name in names]
    _temporary(
        lake,
        "hardware_name",
        {"hardware_model": pa.array(names, pa.string()), "hardware_key": pa.array(keys, pa.string())},
    )
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
    lake.connection.execute("SET VARIABLE counted_day = NULL")


def _temporary(lake: Lake, name: str, columns: dict[str, Any]) -> None:
    lake.connection.register("columns_of", pa.table(columns))
    try:
        lake.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM columns_of")
    finally:
        lake.connection.unregister("columns_of")


def _materialise_temporary(
    connection: duckdb.DuckDBPyConnection, config: Config, run: Calculation, name: str, day: str
) -> None:
    if name in SEGMENT_TABLES:  # they are read twice a day and made once
        if connection.execute("SELECT getvariable('counted_day')").fetchall() == [(day,)]:
            return
        if name == SEGMENT_TABLES[-1]:
            connection.execute(f"SET VARIABLE counted_day = '{date.fromisoformat(day)}'")
    text = sql_text("core", name)
    values = _bound(text, _parameters(config, run, day))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {text}", values)


# Temporary tables that the SQL of a table reads, made right before it because they read what was computed just before.
SEGMENT_TABLES = ("device_inside", "counted_segment")
_NEEDS = {
    "core.device_energy": SEGMENT_TABLES,
    "core.job_energy": SEGMENT_TABLES,
    "core.emission": ("embodied_rate",),
}


def fill(
    connection: duckdb.DuckDBPyConnection,
    config: Config,
    run: Calculation,
    names: Iterable[str],
    partition: str,
    made: DaySegments | None = None,
    *,
    force: bool = True,
) -> dict[tuple[str, str], int]:
    """Replace one partition of some tables by what their SQL gives, in the caller's transaction, and note it.

    Args:
        connection: a connection in a transaction; for a day, ``prepare`` was called before.
        config: the configuration.
        run: the calculation.
        names: tables, schema.name, in the order in which they rest on each other.
        partition: day (2025-03-01), month (2025-03) or ``*``.
        made: for core.energy_segment, the segments that were made anew.
        force: compute also the tables of energy whose inputs have not changed, for example after another factor.

    Returns:
        Rows of the partition by table and partition; of a table by jobs, those of the jobs of that day.

    Raises:
        ConservationError: if job energies do not add up to device energies.
        InputsChangedError: if the segments were made of something that has changed since.
    """
    rows: dict[tuple[str, str], int] = {}
    remembered: dict[str, str] = {}
    for name in names:
        inputs = energy_inputs_sha256(connection, config, partition) if name in ENERGY_TABLES else None
        known = _filled_from(connection, name, partition, inputs) if inputs and not force else None
        rows[name, partition] = _fill(connection, config, run, name, partition, made) if known is None else known
        if inputs:
            remembered[name] = inputs
    _note(connection, rows, run, remembered)
    return rows


def energy_inputs_sha256(connection: duckdb.DuckDBPyConnection, config: Config, day: str) -> str:
    """Return a hash over everything on which the energy of devices and jobs on a day rests.

    Args:
        connection: a connection in a transaction, after the segments of the day were kept.
        config: the configuration.
        day: the day (ISO 8601).
    """
    digest = hashlib.sha256()
    start_ms, end_ms = day_bounds_ms(day)
    values = {"day": date.fromisoformat(day), "day_start_ms": start_ms, "day_end_ms": end_ms}
    for sql in _ENERGY_INPUTS:
        digest.update(repr(connection.execute(_DIGEST.format(sql), _bound(sql, values)).fetchall()).encode())
    rules = config.accounting
    digest.update(f"{rules.idle} {rules.slot_minutes} {MACROS}".encode())
    for name in (*SEGMENT_TABLES, "device_energy", "job_energy"):
        digest.update(sql_text("core", name).encode())
    return digest.hexdigest()


_DIGEST = (
    "SELECT count(*), sha256(coalesce(string_agg(h, '' ORDER BY h), '')) "
    "FROM (SELECT md5(CAST(t AS VARCHAR)) AS h FROM ({}) AS t)"
)
_ENERGY_INPUTS = (
    "SELECT hour_start, inner_sha256, stitch_sha256 FROM lake.audit.segment_input WHERE day = $day",
    "FROM day_hold",
    "SELECT job_id, attempt, facility, provider, region FROM lake.core.job "
    "SEMI JOIN touched_job USING (job_id, attempt) WHERE first_ms < $day_end_ms AND last_ms >= $day_start_ms",
    "SELECT facility, zone, position, hosts FROM lake.ref.facility WHERE known_to IS NULL",
    "SELECT provider, region, zone FROM lake.ref.cloud_region_factor WHERE metric = 'grid_zone' AND known_to IS NULL",
)


def _filled_from(connection: duckdb.DuckDBPyConnection, name: str, partition: str, inputs: str) -> int | None:
    """Return the rows of a partition that rests on just these inputs, or ``None`` if it rests on others."""
    found = connection.execute(
        "SELECT rows_n FROM lake.audit.materialisation "
        "WHERE table_name = $name AND partition_key = $partition AND inputs_sha256 = $inputs",
        {"name": name, "partition": partition, "inputs": inputs},
    ).fetchall()
    return int(found[0][0]) if found else None


def _fill(
    connection: duckdb.DuckDBPyConnection,
    config: Config,
    run: Calculation,
    name: str,
    partition: str,
    made: DaySegments | None,
) -> int:
    if name in JOB_TABLES:
        return _count_of_jobs(connection, name)
    if name == "core.energy_segment":
        if made is None:
            msg = "segments are made before the transaction that keeps them"
            raise ValueError(msg)
        connection.execute("SET VARIABLE counted_day = NULL")
        return energy.write_segments(connection, made, energy.rules_of(config.accounting))
    rows = _fill_by_sql(connection, config, run, name, partition)
    if name == "core.job_energy":
        check_conservation(connection, partition)
    return rows


def _count_of_jobs(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Return the rows that a table by jobs has for the jobs of the day; they are worked out before."""
    rows = "touched_job" if name == "core.job" else f"lake.{name} SEMI JOIN touched_job USING (job_id, attempt)"
    sql = f"SELECT count(*) FROM {rows}"
    return int(connection.execute(sql).fetchall()[0][0])


def _fill_by_sql(
    connection: duckdb.DuckDBPyConnection, config: Config, run: Calculation, name: str, partition: str
) -> int:
    entry = table(name)
    for needed in _NEEDS.get(name, ()):
        _materialise_temporary(connection, config, run, needed, partition)
    text = sql_text(entry.schema, entry.name)
    values = _parameters(config, run, partition)
    if name in _BY_JOB:
        values |= _job_days(connection)
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
    return int(inserted.fetchall()[0][0])


def _job_days(connection: duckdb.DuckDBPyConnection) -> dict[str, date]:
    """Return the first and last day of the jobs in ``touched_job``, so that no older day is read for them."""
    first, last = connection.execute("SELECT min(first_ms), max(last_ms) FROM touched_job").fetchall()[0]
    bounds = (datetime.fromtimestamp((at or 0) / MS_PER_S, UTC).date() for at in (first, last))
    return dict(zip(("first_job_day", "last_job_day"), bounds, strict=True))


def _note(
    connection: duckdb.DuckDBPyConnection,
    rows: dict[tuple[str, str], int],
    run: Calculation,
    remembered: dict[str, str],
) -> None:
    if not rows:
        return
    columns = {
        "table_name": [name for name, _ in rows],
        "partition_key": [partition for _, partition in rows],
        "rows_n": list(rows.values()),
        "inputs_sha256": pa.array([remembered.get(name) for name, _ in rows], pa.string()),
    }
    connection.register("filled", pa.table(columns))
    connection.execute(
        "DELETE FROM lake.audit.materialisation "
        "WHERE (table_name, partition_key) IN (SELECT (table_name, partition_key) FROM filled)"
    )
    connection.execute(
        "INSERT INTO lake.audit.materialisation "
        "SELECT table_name, partition_key, rows_n, $run, inputs_sha256, now() FROM filled",
        {"run": run.calc_run_id},
    )
    connection.unregister("filled")


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

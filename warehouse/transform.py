"""Filling one table for one partition from the .sql file of the same name.

What belongs here: which partitions a table has, what its SQL needs, replacing a partition. What must not be here: the
order of the tables and what is to do (``engine``), equations (``warehouse/sql``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa

from collectors import __version__ as program_version
from warehouse import energy, temporaries
from warehouse.config import Config
from warehouse.energy import DaySegments, day_bounds_ms
from warehouse.jobs import JOB_TABLES
from warehouse.kernel import KERNEL_VERSION
from warehouse.lake import MACROS, Lake, planned_lightly
from warehouse.reference import reference_rows, rows_sha256
from warehouse.registry import table
from warehouse.sqlfiles import sql_sha256, sql_text
from warehouse.temporaries import SEGMENT_TABLES, bound, parameters

MS_PER_S = 1000
CONSERVATION_TOLERANCE = 1e-9

DAILY = (
    *JOB_TABLES,
    "core.energy_segment",
    "core.device_energy",
    "core.job_energy",
    "core.job_slot",
    "core.place_factor",
    "core.grid_factor",
    "core.market_hour",
    "core.emission",
    "core.job_day",
    "mart.footprint_daily",
    "mart.data_quality",
    "mart.job",
)
MONTHLY = ("mart.training_vs_inference_monthly", "mart.sci_monthly")
WHOLE = (
    "core.asset",
    "core.asset_accrual",
    "mart.embodied_ledger",
    "mart.model_lifecycle",
    "mart.matching_annual",
    "mart.scope2_monthly",
    "mart.sci_ai",
    "mart.prediction_score",
    "mart.prediction_accuracy",
)
COMPUTED = (*DAILY, *MONTHLY, *WHOLE)
_BY_JOB = {"mart.job"}
SMALL_DAY_SEGMENTS = 5_000
"""Below this, joins in the order in which they are written take less than planning them does; see planned_lightly."""
# What is computed from segments and holds alone; other factors leave them as they are.
ENERGY_TABLES = ("core.device_energy", "core.job_energy", "core.job_slot")


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
    is_small = _is_small(connection, partition, made)
    for name in names:
        with planned_lightly(connection) if is_small and name not in _BY_JOB else nullcontext():
            inputs = energy_inputs_sha256(connection, config, partition) if name in ENERGY_TABLES else None
            known = _filled_from(connection, name, partition, inputs) if inputs and not force else None
            rows[name, partition] = _fill(connection, config, run, name, partition, made) if known is None else known
        if inputs:
            remembered[name] = inputs
    _note(connection, rows, run, remembered)
    return rows


def _is_small(connection: duckdb.DuckDBPyConnection, partition: str, made: DaySegments | None) -> bool:
    """Tell whether a partition is a day with so few segments that planning its statements costs more than they do."""
    if len(partition) != len("2025-03-01"):
        return False
    sql = "SELECT count(*) FROM lake.core.energy_segment WHERE day = $day"
    ((segments_n,),) = connection.execute(sql, {"day": date.fromisoformat(partition)}).fetchall()
    if made:
        segments_n += sum(part.num_rows for part in (*made.inner.values(), made.stitched) if part is not None)
    return bool(segments_n < SMALL_DAY_SEGMENTS)


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
        digest.update(repr(connection.execute(_DIGEST.format(sql), bound(sql, values)).fetchall()).encode())
    rules = config.accounting
    step_ms = temporaries.step_ms(connection)
    digest.update(f"{rules.idle} {rules.slot_minutes} {step_ms} {MACROS}".encode())
    for name in (*SEGMENT_TABLES, "job_piece", "device_energy", "job_energy", "job_slot"):
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
        temporaries.forget(connection)
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
    values = parameters(connection, config, run.calc_run_id, partition)
    temporaries.make(connection, name, partition, values)
    text = sql_text(entry.schema, entry.name)
    if name in _BY_JOB:
        values |= _job_days(connection)
        keys = "(job_id, attempt) IN (SELECT (job_id, attempt) FROM touched_job)"
        connection.execute(f"DELETE FROM lake.{name} WHERE {keys}")
    elif entry.partition:
        key = {"key": values[entry.partition]}
        connection.execute(f"DELETE FROM lake.{name} WHERE {entry.partition} = $key", key)
    else:
        connection.execute(f"DELETE FROM lake.{name}")
    columns = ", ".join(f'"{column}"' for column in entry.column_names)
    inserted = connection.execute(
        f"INSERT INTO lake.{name} BY NAME SELECT {columns} FROM ({text})", bound(text, values)
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

"""Publishing: the tables that people read, as one plain DuckDB file per audience, replaced in one step.

What belongs here: building, checking and swapping the published file. What must not be here: computing a figure.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
from filelock import FileLock, Timeout

from warehouse import files
from warehouse.lake import CATALOG, Lake, is_interrupt, planned_lightly
from warehouse.registry import ALL_TABLES, SCHEMAS, Table

ORGANISATION = "organisation.duckdb"
LOCK_TIMEOUT_S = 600.0
SNAPSHOTS_LOOKED_AT = 50
DAY_LENGTH = len("2025-03-01")
# Storage that every DuckDB since 1.2 reads, so that the tools of the audience need not be the newest.
STORAGE_VERSION = "v1.2.0"


class PublishError(RuntimeError):
    """The published file does not hold what the lake holds; the old file stays."""


def published_tables() -> tuple[Table, ...]:
    """Return the tables that are published."""
    return tuple(entry for entry in ALL_TABLES if entry.published)


def publish(lake: Lake) -> Path:
    """Publish the organisation's tables as one DuckDB file.

    The file is built beside the old one from one snapshot of the lake, checked, made durable and renamed, so that a
    reader sees the old state or the new one.

    Args:
        lake: an open lake.

    Returns:
        The published file.

    Raises:
        PublishError: if the rows of a table differ between lake and file.
    """
    target = lake.config.published_path / ORGANISATION
    target.parent.mkdir(parents=True, exist_ok=True, mode=files.FOLDER_MODE)
    # One at a time: else an older state that took longer to build could take the place of a newer one.
    try:
        with FileLock(target.with_name(f"{ORGANISATION}.lock"), timeout=LOCK_TIMEOUT_S):
            sweep_unfinished(target.parent)
            return _publish(lake, target)
    except Timeout:
        msg = f"another process has been publishing into {target.parent} for {LOCK_TIMEOUT_S:.0f} s; the old file stays"
        raise PublishError(msg) from None


def published_file(folder: Path) -> Path:
    """Return the place of the organisation's published database."""
    return folder / ORGANISATION


def sweep_unfinished(folder: Path) -> list[Path]:
    """Remove databases that a process which is gone has begun to build.

    Args:
        folder: folder of the published files.

    Returns:
        What was removed.
    """
    dead = [path for path in unfinished(folder) if not files.is_alive(files.owner_of(path))]
    for path in dead:
        path.unlink(missing_ok=True)
    return dead


def unfinished(folder: Path) -> list[Path]:
    """Return the databases, and their logs, that are being built or were left unfinished."""
    return sorted(folder.glob(".*.building*"))


def published_snapshot(folder: Path) -> int | None:
    """Return the snapshot of the lake that the published file shows; ``None`` if there is no file, or none of ours.

    Args:
        folder: folder of the published files.
    """
    try:
        with open_published(folder) as connection:
            return int(connection.execute("SELECT lake_snapshot FROM audit.publication").fetchall()[0][0])
    except (FileNotFoundError, duckdb.Error, IndexError) as error:
        if is_interrupt(error):
            raise
        return None


def is_current(lake: Lake) -> bool:
    """Tell whether the published file shows the newest snapshot of the lake."""
    newest = lake.value("SELECT max(snapshot_id) FROM lake.snapshots()")
    return bool(published_snapshot(lake.config.published_path) == newest)


def settled_snapshot(lake: Lake) -> int:
    """Return the newest snapshot in which months agree with their days; the newest of all if none of late does."""
    sql = f"SELECT snapshot_id FROM lake.snapshots() ORDER BY 1 DESC LIMIT {SNAPSHOTS_LOOKED_AT}"
    recent = [int(snapshot) for (snapshot,) in lake.rows(sql)]
    shown = published_snapshot(lake.config.published_path) or 0
    for snapshot in (entry for entry in recent if entry > shown):
        pending = f"lake.audit.pending AT (VERSION => {snapshot})"
        if not lake.value(f"SELECT count(*) FROM {pending} WHERE length(partition_key) < {DAY_LENGTH}"):
            return snapshot
    return recent[0]


def _publish(lake: Lake, target: Path) -> Path:
    building = target.with_name(f".{ORGANISATION}.{os.getpid()}.building")
    _remove(building)
    try:
        _build(lake, building)
        files.sync_file(building)
        building.replace(target)
    finally:
        _remove(building)
    files.sync_folder(target.parent)
    return target


def _build(lake: Lake, building: Path) -> None:
    connection = lake.connection
    quoted = str(building).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS published (STORAGE_VERSION '{STORAGE_VERSION}')")
    try:
        # Copying through one snapshot: all tables show the same moment of the lake.
        snapshot = settled_snapshot(lake)
        for schema in SCHEMAS:
            connection.execute(f"CREATE SCHEMA published.{schema}")
        with planned_lightly(connection):
            for entry in published_tables():
                _copy(connection, entry, snapshot)
        _add_views(connection)
        connection.execute(
            "CREATE TABLE published.audit.publication AS "
            "SELECT CAST($snapshot AS BIGINT) AS lake_snapshot, now() AS published_at",
            {"snapshot": snapshot},
        )
        connection.execute("CHECKPOINT published")
    finally:
        connection.execute("DETACH published")


def _add_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Give every table of factors a view of what is known now, and a macro of what was known at a moment."""
    connection.execute("USE published")
    try:
        for entry in published_tables():
            if "known_to" not in entry.column_names:
                continue
            name = entry.qualified
            connection.execute(
                f"CREATE VIEW {name}_current AS SELECT * EXCLUDE (known_to) FROM {name} WHERE known_to IS NULL"
            )
            _comment(connection, f"VIEW {name}_current", f"{entry.description} What is known now.")
            _comment_columns(connection, entry, f"{name}_current", leave_out="known_to")
            connection.execute(
                f"CREATE MACRO {name}_as_known_at(moment) AS TABLE SELECT * FROM {name} "
                "WHERE known_from <= moment AND coalesce(known_to > moment, true)"
            )
    finally:
        connection.execute(f"USE {CATALOG}")


def _copy(connection: duckdb.DuckDBPyConnection, entry: Table, snapshot: int) -> None:
    name = entry.qualified
    source = f"lake.{name} AT (VERSION => {int(snapshot)})"
    order = ", ".join(f'"{key}"' for key in entry.key)
    connection.execute(entry.ddl("published"))
    inserted = connection.execute(f"INSERT INTO published.{name} SELECT * FROM {source} ORDER BY {order}").fetchall()
    stands = connection.execute(f"SELECT count(*) FROM published.{name}").fetchall()
    if inserted[0][0] != stands[0][0]:
        msg = f"{name}: {inserted[0][0]} rows copied, {stands[0][0]} rows published"
        raise PublishError(msg)
    _comment(connection, f"TABLE published.{name}", f"{entry.description} Grain: {entry.grain}.")
    _comment_columns(connection, entry, f"published.{name}")


def _comment_columns(connection: duckdb.DuckDBPyConnection, entry: Table, shown: str, *, leave_out: str = "") -> None:
    for column in entry.columns:
        unit = f" [{column.unit}]" if column.unit else ""
        if column.name != leave_out:
            _comment(connection, f'COLUMN {shown}."{column.name}"', f"{column.description}{unit}")


def _comment(connection: duckdb.DuckDBPyConnection, what: str, text: str) -> None:
    quoted = text.replace("'", "''")
    connection.execute(f"COMMENT ON {what} IS '{quoted}'")


def _remove(building: Path) -> None:
    for path in (building, building.with_name(building.name + ".wal")):
        path.unlink(missing_ok=True)


def open_published(config_published_path: Path) -> duckdb.DuckDBPyConnection:
    """Open the published file for reading.

    Args:
        config_published_path: folder of the published files.

    Raises:
        FileNotFoundError: if nothing is published yet; the message says what to do.
    """
    file = config_published_path / ORGANISATION
    if not file.exists():
        msg = f"nothing is published at {file}; run `wattledger run` first"
        raise FileNotFoundError(msg)
    return duckdb.connect(str(file), read_only=True)

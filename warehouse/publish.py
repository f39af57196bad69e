"""Publishing: the tables that people read, as one plain DuckDB file per audience, replaced in one step.

What belongs here: building, checking and swapping the published file. What must not be here: computing a figure.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from warehouse import files
from warehouse.lake import Lake
from warehouse.registry import ALL_TABLES, SCHEMAS, Table

ORGANISATION = "organisation.duckdb"
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
    building = target.with_name(f".{ORGANISATION}.{os.getpid()}.building")
    _remove(building)
    connection = lake.connection
    connection.execute(f"ATTACH '{building}' AS published (STORAGE_VERSION '{STORAGE_VERSION}')")
    try:
        # Copying through one snapshot: all tables show the same moment of the lake.
        snapshot = lake.value("SELECT max(snapshot_id) FROM lake.snapshots()")
        for schema in SCHEMAS:
            connection.execute(f"CREATE SCHEMA published.{schema}")
        for entry in published_tables():
            _copy(connection, entry, snapshot)
        connection.execute(
            "CREATE TABLE published.audit.publication AS "
            "SELECT CAST($snapshot AS BIGINT) AS lake_snapshot, now() AS published_at",
            {"snapshot": snapshot},
        )
        connection.execute("CHECKPOINT published")
    finally:
        connection.execute("DETACH published")
    files.sync_file(building)
    building.replace(target)
    files.sync_folder(target.parent)
    return target


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
    for column in entry.columns:
        unit = f" [{column.unit}]" if column.unit else ""
        _comment(connection, f'COLUMN published.{name}."{column.name}"', f"{column.description}{unit}")


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

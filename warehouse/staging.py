"""The rows of landed files on their way into the lake: judged, staged in temporary tables, written into the ledger.

What belongs here: the temporary tables ``good`` and ``bad``, and the ledger entries. What must not be here: the way of
a file (``ingest``), the rules for rows (``rowrules``), which of two rows stays (``merge``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import duckdb
import pyarrow as pa

from collectors import contract
from collectors.landing.reader import LandedFile
from warehouse import intensities, jobs, samples
from warehouse.lake import Lake
from warehouse.rowrules import rule_expressions

MS_PER_S = 1000
POWER_SAMPLE = contract.POWER_SAMPLE.name


def stage(lake: Lake, landed: list[LandedFile], table: contract.LandingTable) -> dict[str, int]:
    """Judge the rows of some files of a table and stage them as ``good`` and ``bad``.

    Args:
        lake: an open, writable lake.
        landed: files of the table, each content once.
        table: their landing table.

    Returns:
        Refused rows by content hash; a file without any is left out.
    """
    _judge(lake, landed, table)
    # Readings are not written into the lake; what is taken from them is which hours they fall into.
    kept = (table.time_column,) if table.name == POWER_SAMPLE else tuple(column.name for column in table.columns)
    columns = ", ".join(f'"{name}"' for name in kept)
    fields = ", ".join(f'"{column.name}" := "{column.name}"' for column in table.columns)
    connection = lake.connection
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE good AS
        SELECT {columns}, CAST(make_timestamp("{table.time_column}" * 1000) AS DATE) AS day, file_sha256,
            row_number, written_ms
        FROM judged WHERE refused_for IS NULL
        """
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE bad AS
        SELECT file_sha256, row_number, '{table.name}' AS table_name, written_ms,
            "{table.time_column}" AS time_ms, refused_for AS reason, coalesce(refused_with, refused_for) AS detail,
            CAST(to_json(struct_pack({fields})) AS VARCHAR) AS row_json, 'open' AS state, CAST(NULL AS VARCHAR) AS note
        FROM judged WHERE refused_for IS NOT NULL
        """
    )
    connection.execute("DROP TABLE judged")
    return dict(lake.rows("SELECT file_sha256, count(*) FROM bad GROUP BY file_sha256"))


def _judge(lake: Lake, landed: list[LandedFile], table: contract.LandingTable) -> None:
    """Make the temporary table ``judged``: all rows with their origin, and why a row is refused.

    ``refused_for`` and ``refused_with`` are names of no column of the contract: a table may have a reason of its own.
    """
    reason, detail = rule_expressions(table)
    lake.connection.register("landed_rows", pa.concat_tables([_with_origin(one) for one in landed]))
    try:
        lake.connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE judged AS
            SELECT *, {reason} AS refused_for, CASE WHEN refused_for IS NOT NULL THEN {detail} END AS refused_with
            FROM landed_rows
            """,
            {"latest_ms": int(time.time() * MS_PER_S + lake.config.ingest.future_tolerance_s * MS_PER_S)},
        )
    finally:
        lake.connection.unregister("landed_rows")


def _with_origin(landed: LandedFile) -> pa.Table:
    count = landed.rows.num_rows
    nullable = pa.schema([field.with_nullable(True) for field in landed.rows.schema])  # as each file may have NULLs
    return (
        landed.rows.cast(nullable)
        .append_column("file_sha256", pa.repeat(pa.scalar(landed.sha256), count))
        .append_column("row_number", pa.array(range(count), pa.int64()))
        .append_column("written_ms", pa.repeat(pa.scalar(landed.written_ms, pa.int64()), count))
    )


def why_refused(lake: Lake, landed: LandedFile, rejected_n: int) -> str | None:
    """Tell why a staged file is refused as a whole, if it is: most of its rows are.

    Args:
        lake: the lake with the staged rows.
        landed: the file.
        rejected_n: its refused rows.
    """
    total = landed.rows.num_rows
    if not total or rejected_n <= lake.config.ingest.max_rejected_fraction * total:
        return None
    sql = "SELECT reason, detail FROM bad WHERE file_sha256 = $sha256 ORDER BY row_number LIMIT 1"
    reason, detail = lake.rows(sql, {"sha256": landed.sha256})[0]
    return f"{rejected_n} of {total} rows are refused; the first for {reason}: {detail}"


def leave_out(connection: duckdb.DuckDBPyConnection, hashes: list[str]) -> None:
    """Take the rows of some files out of what is staged."""
    if hashes:
        for name in ("good", "bad"):
            connection.execute(f"DELETE FROM {name} WHERE list_contains($hashes, file_sha256)", {"hashes": hashes})


def drop(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the temporary tables."""
    for name in ("good", "bad", "twice", "contested"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{name}")


def forget(inside: duckdb.DuckDBPyConnection, sha256: str, table_name: str) -> None:
    """Take out what an earlier pass over the same file left, so that it is judged by the rules of today."""
    is_samples = table_name == POWER_SAMPLE
    if is_samples:
        samples.forget_source(inside, sha256)
    elif table_name in jobs.NOTING_TABLES:
        jobs.forget_rows(inside, table_name, sha256)
    elif table_name == intensities.LANDED:
        intensities.note_forgotten(inside, sha256)
    # Conflicts between readings are those of an hour, and are judged with it.
    refused = "state = 'open' AND reason <> 'conflict'" if is_samples else "state = 'open'"
    for sql in (
        "DELETE FROM lake.raw.ingest_file WHERE file_sha256 = $sha256",
        f"DELETE FROM lake.raw.quarantine_row WHERE file_sha256 = $sha256 AND {refused}",
        *([] if is_samples else [f"DELETE FROM lake.raw.{table_name} WHERE file_sha256 = $sha256"]),
    ):
        inside.execute(sql, {"sha256": sha256})


def write_ledger(inside: duckdb.DuckDBPyConnection, entries: list[tuple[LandedFile, str, dict[str, int]]]) -> None:
    """Write the ledger entries of files.

    Args:
        inside: a connection in the transaction that takes them in.
        entries: file, path under the landing root, refused rows by content hash.
    """
    rows = [_ledger_row(*entry) for entry in entries]
    marks = ", ".join(f"({', '.join('?' * len(row))}, now())" for row in rows)
    inside.execute(f"INSERT INTO lake.raw.ingest_file VALUES {marks}", [value for row in rows for value in row])


def _ledger_row(landed: LandedFile, relative: str, rejected: dict[str, int]) -> list[str | int | None]:
    meta = landed.metadata
    rows = landed.rows.num_rows
    return [
        landed.sha256,
        relative,
        landed.table,
        landed.version,
        meta[contract.META_COLLECTOR],
        meta[contract.META_HOST],
        meta[contract.META_BOOT],
        landed.sequence,
        landed.written_ms,
        landed.size_bytes,
        rows,
        rejected.get(landed.sha256, 0),
        _dropped_n(meta),
        int(meta[contract.META_FIRST_MS]) if rows else None,
        int(meta[contract.META_LAST_MS]) if rows else None,
    ]


def _dropped_n(meta: Mapping[str, str]) -> int:
    """Return how many samples the collector dropped; what is no number there was not written by one of ours."""
    text = meta.get(contract.META_DROPPED, "0")
    return int(text) if text.isdecimal() and len(text) < len(str(2**63)) else 0


def note_released(inside: duckdb.DuckDBPyConnection, sha256: str, kept_as: str) -> None:
    """Note that a refused file went in after all."""
    inside.execute(
        "UPDATE lake.raw.quarantine_file SET state = 'released', decided_at = now() "
        "WHERE file_sha256 IN ($sha256, $kept_as)",
        {"sha256": sha256, "kept_as": kept_as},
    )

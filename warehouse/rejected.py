"""Rows that an importer could not turn into landing rows: taken into quarantine, so that they are seen and not lost.

What belongs here: the JSON-lines files that importers leave under ``_rejected`` in the landing folder.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from warehouse import files
from warehouse.lake import Lake
from warehouse.reasons import ROW_REASONS
from warehouse.touched import note_days, refused_days

REJECTED_FOLDER = "_rejected"
MAX_BYTES = 256_000_000


class _NotRejectedRowsError(ValueError):
    """The file is not one that an importer wrote."""


def ingest_rejected(lake: Lake, landing: Path) -> int:
    """Take the rejected rows of importers into quarantine.

    Args:
        lake: an open, writable lake.
        landing: the landing root.

    Returns:
        Rows taken in; a file that was taken in before counts 0. A file that no importer wrote is refused as a whole.
    """
    folder = landing / REJECTED_FOLDER
    total = 0
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        if path.name.startswith("."):
            continue
        try:
            sha256 = files.sha256_of(path)
            total += _one(lake, path, sha256)
        except FileNotFoundError:  # another process was faster
            continue
        except _NotRejectedRowsError as problem:
            _refuse(lake, path, sha256, str(problem))
            files.move(path, lake.config.quarantine_path / "not_rejected_rows" / f"{sha256}.jsonl")
            continue
        files.move(path, lake.config.archive_path / REJECTED_FOLDER / f"{sha256}.jsonl")
    return total


def ingest_rejected_file(lake: Lake, path: Path) -> int:
    """Take one file of rejected rows in, wherever it lies, and leave it there; return the rows that were new.

    Args:
        lake: an open, writable lake.
        path: the file.
    """
    return _one(lake, path, files.sha256_of(path))


def _one(lake: Lake, path: Path, sha256: str) -> int:
    rows = _rows(path, sha256)

    def work(connection: duckdb.DuckDBPyConnection) -> int:
        seen = connection.execute(
            "SELECT count(*) FROM lake.raw.quarantine_row WHERE file_sha256 = $sha256", {"sha256": sha256}
        ).fetchall()[0][0]
        if seen or not rows:
            return 0
        connection.executemany(
            "INSERT INTO lake.raw.quarantine_row VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', NULL, now())", rows
        )
        note_days(connection, refused_days(connection, [sha256]), sha256)
        return len(rows)

    return lake.transaction(work)


def _rows(path: Path, sha256: str) -> list[list[Any]]:
    if path.is_symlink() or not path.is_file():
        msg = "a link or device where a file of rejected rows should be"
        raise _NotRejectedRowsError(msg)
    if path.stat().st_size > MAX_BYTES:
        msg = f"larger than {MAX_BYTES} bytes"
        raise _NotRejectedRowsError(msg)
    rows = []
    # Not splitlines: a text in the JSON may hold other line ends than the newline between rows.
    for number, line in enumerate(path.read_bytes().split(b"\n")):
        if not line.strip():
            continue
        try:
            rows.append(_row(sha256, number, json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            msg = f"line {number + 1} is not a rejected row of an importer: {type(error).__name__}: {error}"[:300]
            raise _NotRejectedRowsError(msg) from error
    return rows


def _row(sha256: str, number: int, entry: dict[str, Any]) -> list[Any]:
    reason = entry["reason"]
    if reason not in ROW_REASONS:
        msg = f"reason {reason} of an importer is not in the list of reasons"
        raise ValueError(msg)
    detail = f"{entry['detail']} (row {entry.get('row')} of {entry.get('file')})"
    values = json.dumps(entry.get("values", {}), sort_keys=True, default=str)
    time_ms = entry.get("time_ms")
    return [sha256, number, str(entry["table"]), 0, None if time_ms is None else int(time_ms), reason, detail, values]


def _refuse(lake: Lake, path: Path, sha256: str, detail: str) -> None:
    values = {
        "sha256": sha256,
        "path": f"{REJECTED_FOLDER}/{path.name}",
        "size": path.lstat().st_size,
        "detail": detail,
    }

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            "INSERT INTO lake.raw.quarantine_file "
            "SELECT $sha256, $path, $size, 'not_rejected_rows', $detail, 'open', NULL, now(), NULL "
            "WHERE NOT EXISTS (SELECT 1 FROM lake.raw.quarantine_file WHERE file_sha256 = $sha256)",
            values,
        )

    lake.transaction(work)

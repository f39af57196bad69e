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

REJECTED_FOLDER = "_rejected"


def ingest_rejected(lake: Lake, landing: Path) -> int:
    """Take the rejected rows of importers into quarantine.

    Args:
        lake: an open, writable lake.
        landing: the landing root.

    Returns:
        Rows taken in; a file that was taken in before counts 0.
    """
    folder = landing / REJECTED_FOLDER
    total = 0
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        total += _one(lake, path)
        files.move(path, lake.config.archive_path / REJECTED_FOLDER / path.name)
    return total


def _one(lake: Lake, path: Path) -> int:
    sha256 = files.sha256_of(path)
    rows = [
        _row(sha256, number, json.loads(line))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines())
        if line.strip()
    ]

    def work(connection: duckdb.DuckDBPyConnection) -> int:
        seen = connection.execute(
            "SELECT count(*) FROM lake.raw.quarantine_row WHERE file_sha256 = $sha256", {"sha256": sha256}
        ).fetchall()[0][0]
        if seen or not rows:
            return 0
        connection.executemany(
            "INSERT INTO lake.raw.quarantine_row VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', NULL, now())", rows
        )
        return len(rows)

    return lake.transaction(work)


def _row(sha256: str, number: int, entry: dict[str, Any]) -> list[Any]:
    reason = entry["reason"]
    if reason not in ROW_REASONS:
        msg = f"reason {reason} of an importer is not in the list of reasons"
        raise ValueError(msg)
    detail = f"{entry['detail']} (row {entry.get('source_row')} of {entry.get('source_file')})"
    values = json.dumps(entry.get("values", {}), sort_keys=True, default=str)
    return [sha256, number, entry["table"], 0, entry.get("time_ms"), reason, detail, values]

"""The journal of decisions on refused files and rows, beside the files themselves.

The catalog of the lake can be lost and is then built anew from the archive. What the archive does not tell, namely why
a file was refused and what somebody decided, is written here as well: one JSON object a line; the last one counts.

What belongs here: writing and reading the journal. What must not be here: deciding.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from warehouse import files
from warehouse.lake import Lake

JOURNAL = "journal.jsonl"
FILE, ROWS = "file", "rows"


def append(quarantine: Path, what: str, sha256: str, **facts: Any) -> None:  # noqa: ANN401 - JSON values
    """Write one decision down, durably.

    Args:
        quarantine: the quarantine folder.
        what: file, or rows of a file that was taken in.
        sha256: the file.
        facts: what was decided; values that JSON does not know are written as text.
    """
    quarantine.mkdir(parents=True, exist_ok=True, mode=files.FOLDER_MODE)
    path = quarantine / JOURNAL
    is_new = not path.exists()
    line = json.dumps({"what": what, "file_sha256": sha256, **facts}, default=str, sort_keys=True)
    # A line that a crash cut off must not swallow the next one.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        os.write(descriptor, f"\n{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        files.sync_folder(quarantine)


def write_down(lake: Lake, *names: str) -> None:
    """Copy what the lake says about refused files into the journal.

    Args:
        lake: an open lake.
        names: content hashes of the files; one that was never refused is passed over.
    """
    columns = ("path", "size_bytes", "reason", "detail", "state", "note")
    sql = (
        f"SELECT file_sha256, {', '.join(columns)}, CAST(first_seen AS VARCHAR), CAST(decided_at AS VARCHAR) "
        "FROM raw.quarantine_file WHERE list_contains($names, file_sha256)"
    )
    for sha256, *values in lake.rows(sql, {"names": list(names)}):
        facts = dict(zip((*columns, "first_seen", "decided_at"), values, strict=True))
        append(lake.config.quarantine_path, FILE, sha256, **facts)


def entries(quarantine: Path) -> Iterator[dict[str, Any]]:
    """Yield the decisions that stand, oldest first; lines that a crash cut off are left out."""
    standing: dict[tuple[str, str], dict[str, Any]] = {}
    path = quarantine / JOURNAL
    for line in path.read_bytes().split(b"\n") if path.exists() else []:
        try:
            entry = json.loads(line)
            key = (str(entry["what"]), str(entry["file_sha256"]))
        except (ValueError, KeyError, TypeError):
            continue
        standing[key] = {**standing.pop(key, {}), **entry}
    yield from standing.values()

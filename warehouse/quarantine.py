"""Looking after what was refused: list, show, retry, discard.

What belongs here: decisions about refused files and rows. What must not be here: the rules by which they are refused.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from warehouse import journal
from warehouse.ingest import FileOutcome, ingest_file
from warehouse.lake import Lake
from warehouse.touched import note_days, refused_days


class QuarantineError(ValueError):
    """The request does not fit what is in quarantine; the message says what is there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One refused file, or all rows of one file refused for one reason.

    Attributes:
        id: first 12 characters of the content hash of the file.
        what: file or rows.
        reason: reason code.
        count: rows, or 1 for a file.
        detail: what exactly is wrong (the first of several rows).
        path: where the file lay, for a file; the landing table, for rows.
        state: open, released or discarded.
    """

    id: str
    what: str
    reason: str
    count: int
    detail: str
    path: str
    state: str


_LIST_SQL = """
select file_sha256[:12], 'file', reason, 1, detail, path, state, first_seen from raw.quarantine_file
union all
select file_sha256[:12], 'rows', reason, count(*), arg_min(detail, row_number), any_value(table_name), state,
    min(first_seen)
from raw.quarantine_row group by file_sha256, reason, state
order by 8, 1, 3
"""


def entries(lake: Lake, *, state: str | None = "open") -> list[Entry]:
    """Return what is in quarantine, oldest first.

    Args:
        lake: an open lake.
        state: only entries in that state; ``None`` for all.
    """
    found = [Entry(*row[:7]) for row in lake.rows(_LIST_SQL)]
    return [entry for entry in found if state is None or entry.state == state]


def _full_hash(lake: Lake, prefix: str) -> str:
    sql = (
        "select distinct file_sha256 from (select file_sha256 from raw.quarantine_file "
        "union all select file_sha256 from raw.quarantine_row) where starts_with(file_sha256, $prefix)"
    )
    found = [sha256 for (sha256,) in lake.rows(sql, {"prefix": prefix})] if prefix else []
    if len(found) == 1:
        return str(found[0])
    what = "nothing" if not found else f"{len(found)} files"
    msg = f"{what} in quarantine with an id that starts with {prefix!r}; `wattledger quarantine list` shows the ids"
    raise QuarantineError(msg)


def show(lake: Lake, prefix: str, *, limit: int = 20) -> dict[str, Any]:
    """Return everything about one refused file: its entry and its refused rows.

    Args:
        lake: an open lake.
        prefix: first characters of the file's hash.
        limit: most rows to return.

    Raises:
        QuarantineError: if no file or several files match.
    """
    sha256 = _full_hash(lake, prefix)
    file_rows = lake.rows(
        "select path, size_bytes, reason, detail, state, note, first_seen from raw.quarantine_file "
        "where file_sha256 = $sha256",
        {"sha256": sha256},
    )
    rows = lake.rows(
        "select row_number, reason, detail, state, row_json from raw.quarantine_row where file_sha256 = $sha256 "
        "order by row_number, reason limit $limit",
        {"sha256": sha256, "limit": limit},
    )
    names = ("path", "size_bytes", "reason", "detail", "state", "note", "first_seen")
    return {
        "file_sha256": sha256,
        "kept_at": str(path) if (path := _kept_file(lake, sha256)) else None,
        "file": dict(zip(names, file_rows[0], strict=True)) if file_rows else None,
        "rows": [dict(zip(("row_number", "reason", "detail", "state", "row"), row, strict=True)) for row in rows],
    }


def _kept_file(lake: Lake, sha256: str) -> Path | None:
    return next(iter(sorted(lake.config.quarantine_path.glob(f"*/{sha256}*"))), None)


def retry(lake: Lake, prefix: str | None = None) -> list[FileOutcome]:
    """Judge open files, and rows, again by the rules of today.

    Args:
        lake: an open, writable lake.
        prefix: first characters of the file's hash; ``None`` for everything open.

    Returns:
        What became of each file. A file that is still refused stays in quarantine with its new reason.
    """
    wanted = {_full_hash(lake, prefix)} if prefix else None
    outcomes = []
    sql = "select file_sha256 from raw.quarantine_file where state = 'open' order by first_seen, file_sha256"
    for (sha256,) in lake.rows(sql):
        path = _kept_file(lake, sha256)
        if path is not None and (wanted is None or sha256 in wanted):
            outcome = ingest_file(lake, path, release=True)
            if outcome:
                outcomes.append(outcome)
    _retry_rows(lake, wanted)
    return outcomes


def _retry_rows(lake: Lake, wanted: set[str] | None) -> None:
    """Send the rows of taken-in files through ingest again: they go in when a rule or the clock now lets them."""
    sql = (
        "select distinct q.file_sha256, i.table_name from raw.quarantine_row as q "
        "join raw.ingest_file as i using (file_sha256) where q.state = 'open' and q.reason <> 'conflict' order by 1"
    )
    for sha256, table in lake.rows(sql):
        archive = lake.config.archive_path
        places = (*archive.glob(f"{table}/*/*/{sha256}.parquet"), archive / "released" / f"{sha256}.parquet")
        archived = next((place for place in places if place.exists()), None)
        if archived is None or (wanted is not None and sha256 not in wanted):
            continue
        ingest_file(lake, archived, release=True)


def discard(lake: Lake, prefix: str, note: str) -> str:
    """Decide that a refused file, or its refused rows, will not be taken in. The file is kept.

    Args:
        lake: an open, writable lake.
        prefix: first characters of the file's hash.
        note: why.

    Returns:
        The full hash of the file.

    Raises:
        QuarantineError: if the note is empty, or no file or several files match.
    """
    if not note.strip():
        msg = "say why with --note: a discarded file must stay explainable"
        raise QuarantineError(msg)
    sha256 = _full_hash(lake, prefix)
    values = {"sha256": sha256, "note": note.strip()}

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            "UPDATE lake.raw.quarantine_file SET state = 'discarded', note = $note, decided_at = now() "
            "WHERE file_sha256 = $sha256 AND state = 'open'",
            values,
        )
        connection.execute(
            "UPDATE lake.raw.quarantine_row SET state = 'discarded', note = $note "
            "WHERE file_sha256 = $sha256 AND state = 'open'",
            values,
        )
        note_days(connection, refused_days(connection, [sha256]), f"discarded {sha256}")

    lake.transaction(work)
    facts = {"state": "discarded", "note": note.strip(), "decided_at": datetime.now(UTC).isoformat()}
    for table, what in (("quarantine_file", journal.FILE), ("quarantine_row", journal.ROWS)):
        sql = f"select count(*) from raw.{table} where file_sha256 = $sha256 and state = 'discarded'"
        if lake.value(sql, {"sha256": sha256}):
            journal.append(lake.config.quarantine_path, what, sha256, **facts)
    return sha256


def open_counts(lake: Lake) -> pa.Table:
    """Return the number of open entries by reason (columns: what, reason, count)."""
    return lake.connection.sql(
        "select 'file' as what, reason, count(*) as count from raw.quarantine_file where state = 'open' group by all "
        "union all "
        "select 'rows', reason, count(*) from raw.quarantine_row where state = 'open' group by all order by 1, 2"
    ).to_arrow_table()

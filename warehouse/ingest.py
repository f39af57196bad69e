"""Taking landed files into the lake: one file, one transaction, the same file twice without effect.

What belongs here: the way of one file from landing to archive or quarantine. What must not be here: which rows are
acceptable (``rowrules``), which of two conflicting rows stays (``merge``), which days are touched (``touched``).

A crash at any point is harmless: the ledger entry, the rows and the refused rows are committed together, the file is
moved only afterwards, and a file whose content is in the ledger already is only moved.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from collectors import contract
from collectors.reader import FileReason, LandedFile, ReadLimits, UnreadableFile, landed_name_problem, read_landed
from warehouse import files, journal, merge
from warehouse.lake import Lake
from warehouse.reasons import FILE_REASONS
from warehouse.rejected import REJECTED_FOLDER, ingest_rejected
from warehouse.rowrules import rule_expressions
from warehouse.touched import touched_days

MS_PER_S = 1000
BYTES_PER_MB = 1_000_000
EMPTY_FOLDER_S = 7200.0

Progress = Callable[[int, int, str], None]

_IN_LEDGER = "SELECT count(*) FROM lake.raw.ingest_file WHERE file_sha256 = $sha256"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one landed file.

    Attributes:
        path: path under the landing root.
        status: loaded, known (its content was taken in before) or quarantined.
        reason: reason code of a quarantined file.
        detail: what exactly is wrong.
        rows_total: rows in the file.
        rows_rejected: rows refused by a row rule.
        days: days (ISO 8601) that must be computed again.
    """

    path: str
    status: str
    reason: str | None = None
    detail: str | None = None
    rows_total: int = 0
    rows_rejected: int = 0
    days: tuple[str, ...] = ()


@dataclass(slots=True)
class IngestReport:
    """What one pass over the landing folder did."""

    outcomes: list[FileOutcome] = field(default_factory=list)

    def count(self, status: str) -> int:
        """Return the number of files with that status."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def days(self) -> list[str]:
        """Days (ISO 8601) that the files touched."""
        return sorted({day for outcome in self.outcomes for day in outcome.days})

    @property
    def rows_rejected(self) -> int:
        """Rows refused by a row rule."""
        return sum(outcome.rows_rejected for outcome in self.outcomes)


def landed_files(landing: Path) -> Iterator[Path]:
    """Yield every file under the landing root that is not hidden, in the order of its name.

    Temporary files of a writer start with a dot; they are not landed yet.
    """
    if not landing.is_dir():
        return
    found = []
    for folder, folders, names in os.walk(landing):  # a folder that vanishes meanwhile is passed over
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        found += [here / name for name in (*names, *links) if not name.startswith(".")]
        kept = [name for name in folders if not name.startswith(".") and name not in links]
        folders[:] = [name for name in kept if here != landing or name != REJECTED_FOLDER]
    yield from sorted(found)


def ingest_landing(lake: Lake, *, progress: Progress | None = None, only: list[Path] | None = None) -> IngestReport:
    """Take in every landed file.

    Args:
        lake: an open, writable lake.
        progress: called with files done, files in all and the name of the file.
        only: take in these files and no others.

    Returns:
        What became of each file.
    """
    landing = lake.config.landing_path
    report = IngestReport()
    paths = list(landed_files(landing)) if only is None else only
    for number, path in enumerate(paths):
        if progress:
            progress(number, len(paths), path.name)
        outcome = ingest_file(lake, path)
        if outcome:
            report.outcomes.append(outcome)
    if progress:
        progress(len(paths), len(paths), "")
    if only is None:
        ingest_rejected(lake, landing)
        _remove_empty_folders(landing)
    return report


def ingest_file(lake: Lake, path: Path, *, release: bool = False) -> FileOutcome | None:
    """Take in one file, or refuse it with a reason.

    Args:
        lake: an open, writable lake.
        path: the file, under the landing root or in the quarantine folder.
        release: judge a quarantined file again.

    Returns:
        What became of the file, or ``None`` when it is gone (another process took it in).
    """
    relative = _relative(lake, path)
    sha256 = hashlib.sha256(b"unreadable:" + os.fsencode(relative)).hexdigest()  # stands in until the bytes are read
    try:
        sha256 = files.sha256_of(path)
        known = None if release else _known(lake, sha256)
        if known == "loaded":
            files.move(path, _archived(lake, relative, sha256))
            return FileOutcome(relative, "known")
        if known == "quarantined":
            journal.write_down(lake, sha256)
            _move_to_quarantine(lake, path, relative, sha256)
            return FileOutcome(relative, "quarantined", *_why_quarantined(lake, sha256))
        problem = None if release else landed_name_problem(relative)
        if problem:
            return _refuse(lake, path, relative, sha256, "unsafe_name", problem)
        landed = _read(lake, path, relative)
    except FileNotFoundError:
        return None
    except UnreadableFile as error:
        return _refuse(lake, path, relative, sha256, str(error.reason), error.detail)
    except OSError as error:
        return _refuse(lake, path, relative, sha256, "unreadable", error.strerror or str(error))
    return _load(lake, path, relative, landed, again=release)


def _relative(lake: Lake, path: Path) -> str:
    for root in (lake.config.landing_path, lake.config.archive_path):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    first_seen_as = lake.value(
        "SELECT path FROM raw.quarantine_file WHERE file_sha256 = $sha256", {"sha256": path.name.partition(".")[0]}
    )
    return first_seen_as or path.name


def _read(lake: Lake, path: Path, relative: str) -> LandedFile:
    limits = lake.config.ingest
    table = relative.partition("/")[0]
    landed = read_landed(
        path,
        limits=ReadLimits(file_bytes=limits.max_file_mb * BYTES_PER_MB, rows=limits.max_rows),
        table=table if table in contract.TABLES else None,
    )
    if any("\x00" in value for value in landed.metadata.values()):
        raise UnreadableFile(FileReason.METADATA_MISMATCH, "a text of the metadata holds a NUL character")
    return landed


def _known(lake: Lake, sha256: str) -> str | None:
    states = lake.rows(
        "SELECT 'loaded' FROM raw.ingest_file WHERE file_sha256 = $sha256 "
        "UNION ALL SELECT state FROM raw.quarantine_file WHERE file_sha256 = $sha256",
        {"sha256": sha256},
    )
    if ("loaded",) in states:
        return "loaded"
    return "quarantined" if ("open",) in states or ("discarded",) in states else None


def _why_quarantined(lake: Lake, sha256: str) -> tuple[str, str]:
    sql = "SELECT reason, detail FROM raw.quarantine_file WHERE file_sha256 = $sha256"
    reason, detail = lake.rows(sql, {"sha256": sha256})[0]
    return reason, detail


def _archived(lake: Lake, relative: str, sha256: str) -> Path:
    folder = Path(relative).parent if landed_name_problem(relative) is None else Path("released")
    return lake.config.archive_path / folder / f"{sha256}.parquet"


def _move_to_quarantine(lake: Lake, path: Path, relative: str, sha256: str) -> None:
    reason = _why_quarantined(lake, sha256)[0]
    suffix = Path(relative).suffix if re.fullmatch(r"\.[a-z0-9]{1,10}", Path(relative).suffix) else ""
    files.move(path, lake.config.quarantine_path / reason / f"{sha256}{suffix}")


def _refuse(lake: Lake, path: Path, relative: str, sha256: str, reason: str, detail: str) -> FileOutcome | None:
    if reason not in FILE_REASONS:
        msg = f"{reason} is not in the list of reasons"
        raise ValueError(msg)
    try:
        size = path.lstat().st_size
    except FileNotFoundError:  # another process was faster
        return None
    values = {
        "sha256": sha256,
        "path": relative,
        "size": size,
        "reason": reason,
        "detail": detail,
    }

    def work(connection: duckdb.DuckDBPyConnection) -> bool:
        # What was taken in is never refused afterwards, by no other process and by no stricter rule.
        if connection.execute(_IN_LEDGER, {"sha256": sha256}).fetchall()[0][0]:
            return False
        seen = connection.execute(
            "SELECT min(first_seen) FROM lake.raw.quarantine_file WHERE file_sha256 = $sha256", {"sha256": sha256}
        ).fetchall()[0][0]
        connection.execute("DELETE FROM lake.raw.quarantine_file WHERE file_sha256 = $sha256", {"sha256": sha256})
        connection.execute(
            "INSERT INTO lake.raw.quarantine_file VALUES "
            "($sha256, $path, $size, $reason, $detail, 'open', NULL, coalesce($seen, now()), NULL)",
            {**values, "seen": seen},
        )
        return True

    if not lake.transaction(work):
        files.move(path, _archived(lake, relative, sha256))
        return FileOutcome(relative, "known", reason, detail)
    journal.write_down(lake, sha256)
    _move_to_quarantine(lake, path, relative, sha256)
    return FileOutcome(relative, "quarantined", reason, detail)


def _load(lake: Lake, path: Path, relative: str, landed: LandedFile, *, again: bool) -> FileOutcome | None:
    connection = lake.connection
    table = contract.TABLES[landed.table]
    _stage_rows(lake, landed, table)
    rejected = lake.rows("SELECT reason, detail FROM bad ORDER BY row_number LIMIT 1")
    rejected_n = lake.value("SELECT count(*) FROM bad")
    total = landed.rows.num_rows
    if total and rejected_n > lake.config.ingest.max_rejected_fraction * total:
        reason, detail = rejected[0]
        _drop_staged(connection)
        text = f"{rejected_n} of {total} rows are refused; the first for {reason}: {detail}"
        return _refuse(lake, path, relative, landed.sha256, "rows_refused", text)

    def work(inside: duckdb.DuckDBPyConnection) -> tuple[str, ...] | None:
        if again:
            _forget(inside, landed.sha256, table.name)
        if inside.execute(_IN_LEDGER, {"sha256": landed.sha256}).fetchall()[0][0]:
            return None
        merge.merge(inside, table)
        inside.execute("INSERT INTO lake.raw.quarantine_row BY NAME SELECT *, now() AS first_seen FROM bad")
        _write_ledger(inside, landed, relative, rejected_n)
        if again:
            _note_released(inside, landed.sha256, path.name.partition(".")[0])
        days = touched_days(inside, table.name, lake.config.accounting)
        inside.executemany(
            "INSERT INTO lake.audit.pending VALUES (?, ?, now())", [(day, landed.sha256) for day in days]
        ) if days else None
        return tuple(days)

    days = lake.transaction(work)
    _drop_staged(connection)
    if again:
        journal.write_down(lake, landed.sha256, path.name.partition(".")[0])
    files.move(path, _archived(lake, relative, landed.sha256))
    if days is None:
        return FileOutcome(relative, "known")
    return FileOutcome(relative, "loaded", rows_total=total, rows_rejected=rejected_n, days=days)


def _stage_rows(lake: Lake, landed: LandedFile, table: contract.LandingTable) -> None:
    reason, detail = rule_expressions(table)
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    fields = ", ".join(f'"{column.name}" := "{column.name}"' for column in table.columns)
    connection = lake.connection
    connection.register("landed_rows", landed.rows)
    try:
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE judged AS
            SELECT *, row_number() OVER () - 1 AS row_number, {reason} AS reason,
                CASE WHEN reason IS NOT NULL THEN {detail} END AS detail
            FROM landed_rows
            """,
            {"latest_ms": int(time.time() * MS_PER_S + lake.config.ingest.future_tolerance_s * MS_PER_S)},
        )
    finally:
        connection.unregister("landed_rows")
    origin = {"sha256": landed.sha256, "written_ms": landed.written_ms}
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE good AS
        SELECT {columns}, CAST(make_timestamp("{table.time_column}" * 1000) AS DATE) AS day, $sha256 AS file_sha256,
            row_number, CAST($written_ms AS BIGINT) AS written_ms
        FROM judged WHERE reason IS NULL
        """,
        origin,
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE bad AS
        SELECT $sha256 AS file_sha256, row_number, '{table.name}' AS table_name,
            CAST($written_ms AS BIGINT) AS written_ms,
            "{table.time_column}" AS time_ms, reason, coalesce(detail, reason) AS detail,
            CAST(to_json(struct_pack({fields})) AS VARCHAR) AS row_json, 'open' AS state, CAST(NULL AS VARCHAR) AS note
        FROM judged WHERE reason IS NOT NULL
        """,
        origin,
    )
    connection.execute("DROP TABLE judged")


def _drop_staged(connection: duckdb.DuckDBPyConnection) -> None:
    for name in ("good", "bad", "twice", "contested"):
        connection.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _forget(inside: duckdb.DuckDBPyConnection, sha256: str, table_name: str) -> None:
    """Take out what an earlier pass over the same file left, so that it is judged by the rules of today."""
    for sql in (
        "DELETE FROM lake.raw.ingest_file WHERE file_sha256 = $sha256",
        "DELETE FROM lake.raw.quarantine_row WHERE file_sha256 = $sha256 AND state = 'open'",
        f"DELETE FROM lake.raw.{table_name} WHERE file_sha256 = $sha256",
    ):
        inside.execute(sql, {"sha256": sha256})


def _write_ledger(inside: duckdb.DuckDBPyConnection, landed: LandedFile, relative: str, rejected: int) -> None:
    meta = landed.metadata
    first_ms, last_ms = (
        (int(meta[contract.META_FIRST_MS]), int(meta[contract.META_LAST_MS])) if landed.rows.num_rows else (None, None)
    )
    inside.execute(
        "INSERT INTO lake.raw.ingest_file VALUES ($sha256, $path, $table_name, $version, $collector, $host, $boot, "
        "$sequence, $written, $size, $rows, $rejected, $first, $last, now())",
        {
            "sha256": landed.sha256,
            "path": relative,
            "table_name": landed.table,
            "version": landed.version,
            "collector": meta[contract.META_COLLECTOR],
            "host": meta[contract.META_HOST],
            "boot": meta[contract.META_BOOT],
            "sequence": landed.sequence,
            "written": landed.written_ms,
            "size": landed.size_bytes,
            "rows": landed.rows.num_rows,
            "rejected": rejected,
            "first": first_ms,
            "last": last_ms,
        },
    )


def _note_released(inside: duckdb.DuckDBPyConnection, sha256: str, kept_as: str) -> None:
    inside.execute(
        "UPDATE lake.raw.quarantine_file SET state = 'released', decided_at = now() "
        "WHERE file_sha256 IN ($sha256, $kept_as)",
        {"sha256": sha256, "kept_as": kept_as},
    )


def _remove_empty_folders(landing: Path) -> None:
    """Remove emptied hour and day folders that no collector has used for a while; a walk over landing stays short."""
    oldest = time.time() - EMPTY_FOLDER_S
    folders = sorted((path for path in landing.glob("*/date=*/hour=*") if path.is_dir()), reverse=True)
    for folder in folders:
        for place in (folder, folder.parent):
            try:
                if place.stat().st_mtime > oldest:
                    break
                place.rmdir()
            except OSError:  # not empty (a sibling hour is left), or another process removed it
                break

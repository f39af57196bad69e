"""Taking landed files into the lake: a file in one transaction, the same file twice without effect.

What belongs here: the way of one file from landing to archive or quarantine. What must not be here: which rows are
acceptable (``rowrules``), which of two conflicting rows stays (``merge``), which days are touched (``touched``).

A crash at any point is harmless: the ledger entry, the rows and the refused rows are committed together, the file is
moved only afterwards, and a file whose content is in the ledger already is only moved.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from collectors import contract
from collectors.landing.reader import (
    FileReason,
    LandedFile,
    ReadLimits,
    UnreadableFile,
    landed_name_problem,
    read_landed,
)
from warehouse import cloud_regions, files, intensities, jobs, journal, merge, samples, staging
from warehouse.lake import Lake
from warehouse.landed import batches, landed_files, remove_empty_folders
from warehouse.reasons import FILE_REASONS
from warehouse.rejected import ingest_rejected
from warehouse.touched import computed_among, days_of_rows, note_days, refused_days, touched_days, touched_wholes

BYTES_PER_MB = 1_000_000

Progress = Callable[[int, int, str], None]

_IN_LEDGER = "SELECT file_sha256 FROM lake.raw.ingest_file WHERE list_contains($hashes, file_sha256)"


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
        days: days (ISO 8601) of its rows, and those that must be computed again because of them.
    """

    path: str
    status: str
    reason: str | None = None
    detail: str | None = None
    rows_total: int = 0
    rows_rejected: int = 0
    days: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Admitted:
    """A file that was read and may go in."""

    path: Path
    relative: str
    landed: LandedFile

    @property
    def kept_as(self) -> str:
        """Hash under which the quarantine folder keeps the file, if it lies there."""
        return self.path.name.partition(".")[0]


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


def ingest_landing(lake: Lake, *, progress: Progress | None = None, only: list[Path] | None = None) -> IngestReport:
    """Take in every landed file. Neighbouring small files of a table and day share a transaction.

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
    done = 0
    for batch in batches(paths):
        if progress:
            progress(done, len(paths), batch[0].name)
        report.outcomes += _take(lake, batch, release=False)
        done += len(batch)
    if progress:
        progress(len(paths), len(paths), "")
    if only is None:
        ingest_rejected(lake, landing)
        remove_empty_folders(landing)
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
    return next(iter(_take(lake, [path], release=release)), None)


def _take(lake: Lake, paths: list[Path], *, release: bool) -> list[FileOutcome]:
    """Take in some files: those that may go in share one transaction, each other is dealt with by itself."""
    hashes = {path: _hash(lake, path) for path in paths}
    known = {} if release else _known(lake, [sha256 for sha256 in hashes.values() if sha256])
    outcomes: dict[Path, FileOutcome | None] = {}
    admitted: dict[str, list[Admitted]] = {}
    for path, sha256 in hashes.items():
        admission = _admit(lake, path, sha256, known, release=release) if sha256 else None
        if not isinstance(admission, Admitted):
            outcomes[path] = admission
        elif any(admission.landed.sha256 == other.landed.sha256 for other in admitted.get(admission.landed.table, ())):
            files.move(path, _archived(lake, admission.relative, admission.landed.sha256))
            outcomes[path] = FileOutcome(admission.relative, "known")
        else:
            admitted.setdefault(admission.landed.table, []).append(admission)
    for group in admitted.values():
        outcomes |= _load(lake, group, again=release)
    return [outcome for path in paths if (outcome := outcomes.get(path))]


def _hash(lake: Lake, path: Path) -> str | None:
    """Return the hash of a file's bytes, or a stand-in if they cannot be read; ``None`` if the file is gone."""
    try:
        return files.sha256_of(path)
    except FileNotFoundError:
        return None
    except OSError:
        return hashlib.sha256(b"unreadable:" + os.fsencode(_relative(lake, path))).hexdigest()


def _admit(
    lake: Lake, path: Path, sha256: str, known: dict[str, str], *, release: bool
) -> Admitted | FileOutcome | None:
    """Read a file that may go in; otherwise deal with it and tell what became of it."""
    relative = _relative(lake, path)
    try:
        if known.get(sha256) == "loaded":
            files.move(path, _archived(lake, relative, sha256))
            return FileOutcome(relative, "known")
        if known.get(sha256) == "quarantined":
            journal.write_down(lake, sha256)
            _move_to_quarantine(lake, path, relative, sha256)
            return FileOutcome(relative, "quarantined", *_why_quarantined(lake, sha256))
        problem = None if release else landed_name_problem(relative)
        if problem:
            return _refuse(lake, path, relative, sha256, "unsafe_name", problem)
        return Admitted(path, relative, _read(lake, path, relative))
    except FileNotFoundError:
        return None
    except UnreadableFile as error:
        return _refuse(lake, path, relative, sha256, str(error.reason), error.detail)
    except OSError as error:
        return _refuse(lake, path, relative, sha256, "unreadable", error.strerror or str(error))


def _relative(lake: Lake, path: Path) -> str:
    for root in (lake.config.landing_path, lake.config.archive_path):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    sql = "SELECT path FROM raw.quarantine_file WHERE file_sha256 = $sha256"
    return lake.value(sql, {"sha256": path.name.partition(".")[0]}) or path.name


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


def _known(lake: Lake, hashes: list[str]) -> dict[str, str]:
    """Return which of some contents were met before: loaded, or quarantined and not released."""
    found = lake.rows(
        "SELECT file_sha256, 'loaded' FROM raw.ingest_file WHERE list_contains($hashes, file_sha256) UNION ALL "
        "SELECT file_sha256, 'quarantined' FROM raw.quarantine_file "
        "WHERE list_contains($hashes, file_sha256) AND state IN ('open', 'discarded') ORDER BY 2 DESC",
        {"hashes": hashes},
    )
    return dict(found)  # what is in both is loaded


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
        if connection.execute(_IN_LEDGER, {"hashes": [sha256]}).fetchall():
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


def _load(lake: Lake, group: list[Admitted], *, again: bool) -> dict[Path, FileOutcome | None]:
    """Load files of one table in one transaction; a file of which most rows are refused is refused as a whole."""
    table = contract.TABLES[group[0].landed.table]
    rejected = staging.stage(lake, [one.landed for one in group], table)
    outcomes: dict[Path, FileOutcome | None] = {}
    wanted = []
    for one in group:
        refusal = staging.why_refused(lake, one.landed, rejected.get(one.landed.sha256, 0))
        if refusal:
            staging.leave_out(lake.connection, [one.landed.sha256])
            outcomes[one.path] = _refuse(lake, one.path, one.relative, one.landed.sha256, "rows_refused", refusal)
        else:
            wanted.append(one)
    loaded, days = _commit(lake, wanted, table, rejected, again=again)
    staging.drop(lake.connection)
    for one in wanted:
        sha256 = one.landed.sha256
        if again:
            journal.write_down(lake, sha256, one.kept_as)
        files.move(one.path, _archived(lake, one.relative, sha256))
        outcomes[one.path] = (
            FileOutcome(
                one.relative,
                "loaded",
                rows_total=one.landed.rows.num_rows,
                rows_rejected=rejected.get(sha256, 0),
                days=tuple(days),
            )
            if sha256 in loaded
            else FileOutcome(one.relative, "known")
        )
    return outcomes


def _commit(
    lake: Lake, wanted: list[Admitted], table: contract.LandingTable, rejected: dict[str, int], *, again: bool
) -> tuple[set[str], list[str]]:
    """Commit the staged rows; return the contents that went in now and the days that they touch."""
    hashes = [one.landed.sha256 for one in wanted]

    def work(inside: duckdb.DuckDBPyConnection) -> tuple[set[str], list[str]]:
        days = set(refused_days(inside, hashes)) if again else set()
        for sha256 in hashes if again else ():
            staging.forget(inside, sha256, table.name)
        before = {sha256 for (sha256,) in inside.execute(_IN_LEDGER, {"hashes": hashes}).fetchall()}
        fresh = [one for one in wanted if one.landed.sha256 not in before]
        if not fresh:
            return set(), []
        staging.leave_out(inside, sorted(before))
        if table.name == staging.POWER_SAMPLE:
            samples.note_sources(inside, [(one.landed.sha256, one.relative, rejected) for one in fresh])
        else:
            days.update(computed_among(inside, merge.merge(inside, table)))
        if table.name in jobs.NOTING_TABLES:
            jobs.note_jobs(inside)
        if table.name == intensities.LANDED:
            days.update(intensities.keep_versions(inside, lake.config))
        if table.name == cloud_regions.LANDED:
            days.update(cloud_regions.keep_versions(inside))
        inside.execute("INSERT INTO lake.raw.quarantine_row BY NAME SELECT *, now() AS first_seen FROM bad")
        staging.write_ledger(inside, [(one.landed, one.relative, rejected) for one in fresh])
        for one in fresh if again else ():
            staging.note_released(inside, one.landed.sha256, one.kept_as)
        days.update(touched_days(inside, table.name))
        if any(sha256 in rejected for sha256 in hashes):
            days.update(refused_days(inside, hashes))
        note_days(inside, [*sorted(days), *touched_wholes(table.name)], fresh[0].landed.sha256)
        days.update(days_of_rows(inside))
        return {one.landed.sha256 for one in fresh}, sorted(days)

    return lake.transaction(work) if wanted else (set(), [])

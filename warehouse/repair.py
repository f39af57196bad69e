"""Mending an installation from what is immutable: the archive and the quarantine folder.

What belongs here: removing what dead processes left, taking in what the ledger lost, building the lake anew. Nothing
that states a fact is ever deleted: a damaged catalog and its data are moved aside. What must not be here: finding out
what is wrong (``doctor``), beyond what decides how to mend.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
from filelock import FileLock, Timeout

from collectors.landing.stores import sweep
from warehouse import files, journal
from warehouse.config import Config
from warehouse.engine import run_all, settle
from warehouse.ingest import ingest_file
from warehouse.lake import Lake, LakeBusyError, LakeError, open_lake
from warehouse.publish import publish, sweep_unfinished, unfinished
from warehouse.registry import ALL_TABLES
from warehouse.rejected import REJECTED_FOLDER, ingest_rejected_file
from warehouse.samples import damaged_hours, make_again, unreferenced
from warehouse.shape import shape_problem

Level = Literal["ok", "warning", "error"]
LOCK_TIMEOUT_S = 600.0
REPAIR = "run `wattledger repair`"
# A younger hour file may be about to be entered into the ledger.
UNREFERENCED_S = 3600.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, or mended.

    Attributes:
        level: ok, warning or error.
        what: what it is about, in a few words.
        detail: what was found.
        advice: what to do; empty when there is nothing to do.
    """

    level: Level
    what: str
    detail: str
    advice: str = ""


# ---- what lies where ----


def catalog_file(config: Config) -> Path | None:
    """Return the file of an SQLite catalog; ``None`` for another kind of catalog."""
    kind, _, rest = config.catalog_dsn.partition(":")
    return Path(rest) if kind == "sqlite" else None


def archived_files(config: Config) -> Iterator[Path]:
    """Yield every landed file in the archive, in the order of its path."""
    for path in sorted(config.archive_path.rglob("*.parquet")):
        if not path.name.startswith(".") and path.is_file():
            yield path


def quarantined_files(config: Config) -> Iterator[Path]:
    """Yield every file in the quarantine folder, in the order of its path; their names begin with their hash."""
    for path in sorted(config.quarantine_path.glob("*/*")):
        if _SHA256.fullmatch(path.name.partition(".")[0]):
            yield path


def stale_temporaries(config: Config) -> list[Path]:
    """Return temporaries of processes that are gone: unfinished publications and moves."""
    found = unfinished(config.published_path)
    for root in (config.archive_path, config.quarantine_path, config.published_path, config.samples_path):
        found += root.rglob(".*.tmp") if root.is_dir() else []
    return sorted(path for path in found if not files.is_alive(files.owner_of(path)))


def orphaned_files(lake: Lake) -> list[Path]:
    """Return Parquet files under the lake's data folder that no snapshot refers to: left by an aborted transaction.

    Args:
        lake: an open lake. Its data on an object store are not looked at.
    """
    if "://" in lake.config.lake_data:
        return []
    known = {
        str(path).rpartition("/")[2]
        for table in ("ducklake_data_file", "ducklake_delete_file", "ducklake_files_scheduled_for_deletion")
        for (path,) in lake.rows(f"SELECT path FROM __ducklake_metadata_lake.{table}")
    }
    return sorted(path for path in Path(lake.config.lake_data).rglob("*.parquet") if path.name not in known)


def damage(config: Config) -> str | None:
    """Return why the lake cannot be used as it is, or ``None``.

    Args:
        config: the configuration.

    Raises:
        LakeBusyError: if another process holds the catalog.
    """
    catalog = catalog_file(config)
    if catalog is not None:
        if not catalog.exists():
            return f"there is no catalog at {catalog}" if _has_facts(config) else None
        try:
            with contextlib.closing(sqlite3.connect(f"{catalog.as_uri()}?mode=ro", uri=True)) as database:
                problem = str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            return f"the catalog {catalog} cannot be read: {error}"
        if problem != "ok":
            return f"the catalog {catalog} is damaged: {problem}"
    try:
        with Lake(config, read_only=True) as lake:
            return _missing_data(lake) or shape_problem(lake)
    except LakeBusyError:
        raise
    except (duckdb.Error, LakeError) as error:
        return f"the lake does not open: {error}"


def _has_facts(config: Config) -> bool:
    return next(archived_files(config), None) is not None or next(quarantined_files(config), None) is not None


def _missing_data(lake: Lake) -> str | None:
    present = {f"{schema}.{name}" for schema, name in lake.rows(_PRESENT)}
    for entry in ALL_TABLES:
        if entry.qualified not in present:
            continue
        sql = (
            "SELECT data_file, data_file_size_bytes FROM ducklake_list_files('lake', $name, schema => $schema) "
            "UNION ALL SELECT delete_file, delete_file_size_bytes "
            "FROM ducklake_list_files('lake', $name, schema => $schema) WHERE delete_file IS NOT NULL"
        )
        for name, size in lake.rows(sql, {"name": entry.name, "schema": entry.schema}):
            if "://" in name:
                continue
            path = Path(name)
            if not path.exists():
                return f"{entry.qualified}: {path} is missing"
            if path.stat().st_size != size:
                return f"{entry.qualified}: {path} has {path.stat().st_size} bytes, the catalog states {size}"
    return None


_PRESENT = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake'"


# ---- mending ----


def repair(config: Config) -> list[Finding]:
    """Mend what can be mended, and say what was done.

    Temporaries and lake files that nobody refers to are removed, archived files that the ledger lacks are taken in
    again, and what they touch is computed and published. A lake that cannot be used is moved aside with its data and
    built anew from the archive and the quarantine folder.

    Args:
        config: the configuration.

    Returns:
        What was done; an entry of level error for what cannot be mended from here.

    Raises:
        LakeBusyError: if another process holds the lake for too long.
    """
    done = _remove_temporaries(config)
    problem = damage(config)
    if problem is not None:
        moved = _move_aside(config, problem)
        if moved.level == "error":
            return [*done, moved]
        done.append(moved)
    with open_lake(config) as lake:
        done += _take_in_again(lake)
        settle(lake)  # conflicts between readings are found when hour files are made
        done += _restore_quarantine(lake)
        done += _make_hours_again(lake)
        report = run_all(lake)
        if problem is not None:
            publish(lake)  # snapshots are counted anew: that the numbers agree would mean nothing
        done.append(Finding("ok", "computed", f"{len(report.days)} days; published {report.published}"))
        done += _remove_orphans(lake)
        done += _cannot_mend(lake)
    return done


def _remove_temporaries(config: Config) -> list[Finding]:
    removed = sweep_unfinished(config.published_path)
    for path in stale_temporaries(config):
        path.unlink(missing_ok=True)
        removed.append(path)
    count = len(removed) + sweep(config.landing_path, host=socket.gethostname())
    return [Finding("ok", "temporaries", f"removed {count} left by processes that are gone")] if count else []


def _move_aside(config: Config, problem: str) -> Finding:
    catalog = catalog_file(config)
    if catalog is None or "://" in config.lake_data:
        advice = "restore the PostgreSQL catalog and its object store from their backup, then run this again"
        return Finding("error", "lake", problem, advice)
    ending = datetime.now(UTC).strftime(".damaged-%Y%m%dT%H%M%S")
    catalog.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(f"{catalog}.lock", timeout=LOCK_TIMEOUT_S):
            # Log and index of the catalog belong to it; data without their catalog are not readable.
            parts = [Path(f"{catalog}{part}") for part in ("", "-wal", "-shm", "-journal")]
            for path in (*parts, Path(config.lake_data)):
                files.move(path, path.with_name(path.name + ending))
    except Timeout as error:
        msg = f"another process holds {catalog}.lock; stop it (`fuser` names it), then run this again"
        raise LakeBusyError(msg) from error
    return Finding("warning", "lake", f"{problem}; moved aside (*{ending}), built anew from the archive")


def _take_in_again(lake: Lake) -> list[Finding]:
    known = {sha256 for (sha256,) in lake.rows("SELECT file_sha256 FROM raw.ingest_file")}
    taken, refused = 0, []
    for path in archived_files(lake.config):
        if path.stem in known:
            continue
        released = path.parent.name == "released"
        outcome = ingest_file(lake, path, release=released)
        taken += 1
        if outcome is not None and outcome.status == "quarantined":
            refused.append(f"{path.name}: {outcome.reason}")
    for path in sorted((lake.config.archive_path / REJECTED_FOLDER).glob("*.jsonl")):
        taken += bool(ingest_rejected_file(lake, path))
    done = [Finding("ok", "archive", f"took in {taken} files that the ledger lacked")] if taken else []
    if refused:
        advice = "these archived files are damaged; restore them from a backup into the landing folder"
        done.append(Finding("error", "archive", f"{len(refused)} refused, the first {refused[0]}", advice))
    return done


def _restore_quarantine(lake: Lake) -> list[Finding]:
    """Bring back what the catalog knew about refused files and rows: from the journal, and from the folder itself."""
    known = {sha256 for (sha256,) in lake.rows("SELECT file_sha256 FROM raw.quarantine_file")}
    wanted: dict[str, dict[str, Any]] = {}
    notes: list[dict[str, Any]] = []
    for entry in journal.entries(lake.config.quarantine_path):
        if entry["what"] == journal.ROWS:
            notes.append(entry)
        else:
            wanted[entry["file_sha256"]] = entry
    for path in quarantined_files(lake.config):
        detail = "found in the quarantine folder without an entry"
        found = {"path": path.name, "size_bytes": path.lstat().st_size, "reason": path.parent.name, "detail": detail}
        wanted.setdefault(path.name.partition(".")[0], found)
    missing = {sha256: entry for sha256, entry in wanted.items() if sha256 not in known and "reason" in entry}

    def work(connection: duckdb.DuckDBPyConnection) -> int:
        for sha256, entry in sorted(missing.items()):
            connection.execute(
                "INSERT INTO lake.raw.quarantine_file SELECT $sha256, $path, $size, $reason, $detail, $state, $note, "
                "coalesce(CAST($seen AS TIMESTAMPTZ), now()), CAST($decided AS TIMESTAMPTZ)",
                {
                    "sha256": sha256,
                    "path": entry["path"],
                    "size": entry["size_bytes"],
                    "reason": entry["reason"],
                    "detail": entry["detail"],
                    "state": entry.get("state", "open"),
                    "note": entry.get("note"),
                    "seen": entry.get("first_seen"),
                    "decided": entry.get("decided_at"),
                },
            )
        for entry in notes:
            connection.execute(
                "UPDATE lake.raw.quarantine_row SET state = 'discarded', note = $note "
                "WHERE file_sha256 = $sha256 AND state = 'open'",
                {"sha256": entry["file_sha256"], "note": entry.get("note")},
            )
        return len(missing)

    if not missing and not notes:
        return []
    count = lake.transaction(work)
    return [Finding("ok", "quarantine", f"brought back {count} entries of refused files")] if count else []


def _make_hours_again(lake: Lake) -> list[Finding]:
    wrong = damaged_hours(lake, deep=True)
    if not wrong:
        return []
    make_again(lake, sorted(wrong))
    return [Finding("ok", "hour files", f"{len(wrong)} made again: {next(iter(wrong.values()))}")]


def _remove_orphans(lake: Lake) -> list[Finding]:
    superseded = unreferenced(lake, UNREFERENCED_S)
    for path in superseded:
        path.unlink(missing_ok=True)
    gone = [Finding("ok", "hour files", f"removed {len(superseded)} that were superseded")] if superseded else []
    return [*gone, *_remove_lake_orphans(lake)]


def _remove_lake_orphans(lake: Lake) -> list[Finding]:
    if not orphaned_files(lake):
        return []
    # All files of the lake are written inside a transaction, and a transaction holds this lock: what no snapshot refers
    # to is not being written now. Without the lock (PostgreSQL) only files of an earlier day are taken.
    is_embedded = catalog_file(lake.config) is not None
    which = "cleanup_all => true" if is_embedded else "older_than => now() - INTERVAL 1 DAY"
    with lake.locked():
        removed = lake.rows(f"FROM ducklake_delete_orphaned_files('lake', {which})")
    return [Finding("ok", "lake files", f"removed {len(removed)} that no snapshot refers to")]


def _cannot_mend(lake: Lake) -> list[Finding]:
    lost = missing_archived(lake)
    if not lost:
        return []
    advice = "restore them from a backup into the archive; their rows are in the lake, but it cannot be built anew"
    return [Finding("error", "archive", f"{len(lost)} files of the ledger are missing, the first {lost[0]}", advice)]


def missing_archived(lake: Lake) -> list[str]:
    """Return the content hashes of files that the ledger lists and that lie neither in the archive nor in landing."""
    kept = {path.stem for path in archived_files(lake.config)}
    listed = lake.rows("SELECT file_sha256, path FROM raw.ingest_file ORDER BY 1")
    landing = lake.config.landing_path
    return [sha256 for sha256, path in listed if sha256 not in kept and not (landing / path).exists()]

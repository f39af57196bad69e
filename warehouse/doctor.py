"""``wattledger doctor``: what is wrong with an installation, where, and what to do about it.

What belongs here: looking. What must not be here: changing anything (``repair``).
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import duckdb

from collectors.contract import TABLES
from warehouse.config import Config
from warehouse.lake import EXTENSIONS, Lake, LakeError, extension_path
from warehouse.landed import landed_files
from warehouse.publish import ORGANISATION, published_snapshot
from warehouse.recheck import recheck
from warehouse.repair import (
    REPAIR,
    Finding,
    archived_files,
    catalog_file,
    damage,
    missing_archived,
    orphaned_files,
    quarantined_files,
    repair,
    stale_temporaries,
)
from warehouse.samples import damaged_hours

__all__ = ["Finding", "examine", "repair"]

OLDEST_PYTHON = (3, 11)
S_PER_DAY = 86_400
WAITING_S = 3600.0
AHEAD_S = 300.0
# No installation can be older than the program; a clock before that was never set.
EARLIEST_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "run `wattledger run`"


def examine(config: Config, *, deep: bool = False) -> list[Finding]:
    """Look at everything that can be wrong, and change nothing.

    Args:
        config: the configuration.
        deep: also hash every kept file again, integrate one day by the rule in SQL and compute it again.

    Returns:
        One finding for everything that was looked at, also for what is in order.
    """
    found = [*_program(config), *_configuration(config), *_home(config), *_landing(config), *_clock()]
    problem = _safely("lake", lambda: damage(config))
    if isinstance(problem, Finding):
        return [*found, problem]
    if problem is not None:
        return [*found, Finding("error", "lake", problem, REPAIR)]
    if (catalog := catalog_file(config)) is not None and not catalog.exists():
        return [*found, Finding("warning", "lake", f"there is none yet at {catalog}", RUN)]
    with Lake(config, read_only=True) as lake:
        found.append(Finding("ok", "lake", f"opens; snapshot {_newest(lake)}; its tables are those of the registry"))
        for check in (
            _archive,
            _rows,
            _hour_files,
            _quarantine,
            _pending,
            _temporaries,
            _orphans,
            _published,
            _time_of_lake,
        ):
            found += check(lake)
    if deep:
        found += recheck(config)
    return found


def _safely(what: str, look: Callable[[], str | None]) -> str | Finding | None:
    try:
        return look()
    except LakeError as error:
        return Finding("error", what, str(error), "stop the other process, or wait for it")


# ---- the machine and the place ----


def _program(config: Config) -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("error", "Python", f"{version}; 3.11 or newer is needed", "install another Python")
    else:
        yield Finding("ok", "Python", version)
    kind = config.catalog_dsn.partition(":")[0]
    wrong = []
    for name in EXTENSIONS[kind]:
        wheel = f"duckdb-extension-{name.replace('_', '-')}"
        try:
            extension_path(name)
            if importlib.metadata.version(wheel) != duckdb.__version__:
                wrong.append(f"{wheel} is {importlib.metadata.version(wheel)}")
        except (LakeError, importlib.metadata.PackageNotFoundError):
            wrong.append(f"{wheel} is not installed")
    if wrong:
        names = " ".join(
            f"duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}" for name in EXTENSIONS[kind]
        )
        yield Finding("error", "DuckDB", f"{duckdb.__version__}, but {', '.join(wrong)}", f"pip install {names}")
    else:
        yield Finding("ok", "DuckDB", f"{duckdb.__version__} with {', '.join(EXTENSIONS[kind])}")


def _configuration(config: Config) -> Iterator[Finding]:
    unplaced = [entry.id for entry in config.facility if entry.zone is None]
    if not config.facility:
        advice = "state zone, PUE and hosts of each place under [[facility]]; until then only cloud jobs have emissions"
        yield Finding("warning", "configuration", "no facility is stated", advice)
    elif unplaced:
        advice = "state their grid zone; until then their energy has no emissions"
        yield Finding("warning", "configuration", f"no zone is known for: {', '.join(unplaced)}", advice)
    else:
        yield Finding("ok", "configuration", f"{config.organisation.name}, {len(config.facility)} facilities")


def _home(config: Config) -> Iterator[Finding]:
    home = config.home
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("error", "home", f"{home} cannot be written", f"give this user the folder: chown -R $USER {home}")
    elif home.stat().st_mode & 0o002:
        yield Finding("error", "home", f"everybody on this machine can change {home}", f"chmod o-w {home}")
    else:
        yield Finding("ok", "home", f"{home} can be written")


def _landing(config: Config) -> Iterator[Finding]:
    landing = config.landing_path
    if not landing.is_dir():
        advice = f"let the collectors write there, or state another place under [landing] in {config.home}"
        yield Finding("warning", "landing", f"there is no folder {landing}", advice)
        return
    if not os.access(landing, os.R_OK | os.W_OK | os.X_OK):
        advice = "files are moved out of it: this user needs to read and write it"
        yield Finding("error", "landing", f"{landing} cannot be read and written", advice)
        return
    ages = [time.time() - path.lstat().st_mtime for path in landed_files(landing)]
    if ages and max(ages) > WAITING_S:
        detail = f"{len(ages)} files wait in {landing}, the oldest for {max(ages) / 3600:.1f} h"
        yield Finding("warning", "landing", detail, RUN)
    else:
        yield Finding("ok", "landing", f"{len(ages)} files wait in {landing}")


def _clock() -> Iterator[Finding]:
    now = datetime.now(UTC)
    if now < EARLIEST_CLOCK:
        yield Finding("error", "clock", f"it is {now:%Y-%m-%d %H:%M} UTC by this machine", "set the clock (NTP)")
    else:
        yield Finding("ok", "clock", f"{now:%Y-%m-%d %H:%M} UTC")


# ---- the lake against the files ----


def _newest(lake: Lake) -> int:
    return int(lake.value("SELECT max(snapshot_id) FROM lake.snapshots()"))


def _archive(lake: Lake) -> Iterator[Finding]:
    known = {sha256 for (sha256,) in lake.rows("SELECT file_sha256 FROM raw.ingest_file")}
    kept = {path.stem for path in archived_files(lake.config)}
    unknown, lost = sorted(kept - known), missing_archived(lake)
    if unknown:
        detail = f"{len(unknown)} archived files are not in the ledger, the first {unknown[0]}"
        yield Finding("error", "archive", detail, f"{REPAIR}: it takes them in again")
    if lost:
        detail = f"{len(lost)} files of the ledger are not in the archive, the first {lost[0]}"
        yield Finding("error", "archive", detail, "restore them from a backup; without them nothing can be built anew")
    if not unknown and not lost:
        yield Finding("ok", "archive", f"{len(kept)} files, all in the ledger")


def _rows(lake: Lake) -> Iterator[Finding]:
    """Compare the rows of each file with what the ledger says of it."""
    counts = [
        f"SELECT file_sha256, count(*) AS n FROM raw.{name} GROUP BY 1" for name in TABLES if name != "power_sample"
    ]
    raw = " UNION ALL ".join([*counts, "SELECT file_sha256, sum(rows_n) AS n FROM raw.sample_source GROUP BY 1"])
    wrong = lake.rows(
        f"""
        WITH standing AS (SELECT file_sha256, sum(n) AS n FROM ({raw}) GROUP BY 1),
        refused AS (
            SELECT file_sha256, count(*) FILTER (WHERE reason <> 'conflict') AS n,
                count(*) FILTER (WHERE reason = 'conflict' AND table_name <> 'power_sample') AS conflicts
            FROM raw.quarantine_row GROUP BY 1
        )
        SELECT coalesce(ledger.file_sha256, standing.file_sha256)
        FROM raw.ingest_file AS ledger
        FULL JOIN standing ON standing.file_sha256 = ledger.file_sha256
        LEFT JOIN refused ON refused.file_sha256 = ledger.file_sha256
        WHERE ledger.file_sha256 IS NULL
            OR coalesce(refused.n, 0) <> ledger.rows_rejected
            OR coalesce(standing.n, 0) + coalesce(refused.conflicts, 0) > ledger.rows_total - ledger.rows_rejected
        ORDER BY 1
        """
    )
    if wrong:
        detail = f"{len(wrong)} files have other rows in the lake than the ledger says, the first {wrong[0][0]}"
        advice = "move lake.sqlite and the lake folder aside, then run `wattledger repair`: it builds them anew"
        yield Finding("error", "rows", detail, advice)
    else:
        yield Finding("ok", "rows", "every row in the lake is accounted for by the ledger")


def _hour_files(lake: Lake) -> Iterator[Finding]:
    wrong = damaged_hours(lake)
    if wrong:
        detail = f"{len(wrong)} hours have no sound hour file: {next(iter(wrong.values()))}"
        yield Finding("error", "hour files", detail, f"{REPAIR}: it makes them again from the archive")
    else:
        yield Finding("ok", "hour files", f"{lake.value('SELECT count(*) FROM raw.sample_hour')} as the ledger says")


def _quarantine(lake: Lake) -> Iterator[Finding]:
    kept = {path.name.partition(".")[0] for path in quarantined_files(lake.config)}
    listed = lake.rows("SELECT file_sha256, state, first_seen FROM raw.quarantine_file")
    entered = {sha256 for sha256, _, _ in listed}
    lost = sorted(sha256 for sha256, state, _ in listed if state != "released" and sha256 not in kept)
    if lost:
        advice = "restore them from a backup, or decide: `wattledger quarantine discard`"
        yield Finding("error", "quarantine", f"{len(lost)} refused files are gone, the first {lost[0]}", advice)
    if kept - entered:
        yield Finding("error", "quarantine", f"{len(kept - entered)} kept files have no entry", REPAIR)
    seen = [first_seen for _, state, first_seen in listed if state == "open"]
    rows = lake.value("SELECT count(*) FROM raw.quarantine_row WHERE state = 'open'")
    if seen:
        age = (datetime.now(UTC) - min(seen)).total_seconds() / S_PER_DAY
        detail = f"{len(seen)} files and {rows} rows are open, the oldest for {age:.1f} days"
        yield Finding("warning", "quarantine", detail, "look at them: `wattledger quarantine list`")
    elif not lost and kept <= entered:
        yield Finding("ok", "quarantine", f"no file and {rows} rows are open")


def _pending(lake: Lake) -> Iterator[Finding]:
    count, oldest = lake.rows("SELECT count(DISTINCT partition_key), min(noted_at) FROM audit.pending")[0]
    if count and (datetime.now(UTC) - oldest).total_seconds() > WAITING_S:
        yield Finding("warning", "to compute", f"{count} partitions, noted since {oldest:%Y-%m-%d %H:%M} UTC", RUN)
    else:
        yield Finding("ok", "to compute", f"{count} partitions")


def _temporaries(lake: Lake) -> Iterator[Finding]:
    stale = stale_temporaries(lake.config)
    if stale:
        yield Finding("warning", "temporaries", f"{len(stale)} of processes that are gone, first {stale[0]}", REPAIR)
    else:
        yield Finding("ok", "temporaries", "none of a process that is gone")


def _orphans(lake: Lake) -> Iterator[Finding]:
    # A file that was written just now may belong to a transaction that is not committed yet.
    before = time.time() - AHEAD_S
    old = [path for path in orphaned_files(lake) if path.exists() and path.stat().st_mtime < before]
    if old:
        size = sum(path.stat().st_size for path in old) / 1e6
        yield Finding("warning", "lake files", f"{len(old)} ({size:.1f} MB) that no snapshot refers to", REPAIR)
    else:
        yield Finding("ok", "lake files", "none that no snapshot refers to")


def _published(lake: Lake) -> Iterator[Finding]:
    file = lake.config.published_path / ORGANISATION
    shown, newest = published_snapshot(lake.config.published_path), _newest(lake)
    if not file.exists():
        yield Finding("warning", "published", f"nothing yet at {file}", RUN)
    elif shown is None:
        yield Finding("error", "published", f"{file} cannot be read", f"{RUN}: it is built anew")
    elif shown < newest:
        yield Finding("warning", "published", f"shows snapshot {shown}, the lake is at {newest}", RUN)
    elif shown > newest:
        detail = f"shows snapshot {shown}, but the lake is at {newest} only: an older lake was restored"
        yield Finding("error", "published", detail, REPAIR)
    else:
        yield Finding("ok", "published", f"{file} shows the newest snapshot")


def _time_of_lake(lake: Lake) -> Iterator[Finding]:
    last = lake.value("SELECT max(snapshot_time) FROM lake.snapshots()")
    ahead = (last - datetime.now(UTC)).total_seconds()
    if ahead > AHEAD_S:
        detail = f"the lake was written {ahead / 3600:.1f} h after now: the clock went back"
        yield Finding("error", "clock", detail, "set the clock (NTP) before anything is taken in")


def worst(findings: Iterable[Finding]) -> str:
    """Return the worst level among findings: error, warning or ok."""
    levels = {entry.level for entry in findings}
    return next((level for level in ("error", "warning") if level in levels), "ok")

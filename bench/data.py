"""The data that benchmarks read: hour files of made-up fleets, made once and kept under build/bench.

What belongs here: making, finding and removing them, what the kernel is told beside the files. What must not be here:
what the readings are (``fleet``), measuring.

Run: python -m bench.data [remove]
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from warehouse.hourfile import MS_PER_HOUR

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "bench"
FIRST_MS = 20_254 * 24 * MS_PER_HOUR
"""Start of the made-up readings: 2025-06-15 [epoch ms]."""
HOSTS_N = 100
HOURS_SMALL, HOURS_DAY, HOURS_LONG = 3, 24, 72
FLEETS = {"unwrapped": False, "wraps": True}
RAPL_RANGE_MJ = 262_143_328
NAMED = "WATTLEDGER_BENCH_DATA"
"""Tells the processes of one run which data are theirs, though somebody may edit the sources meanwhile."""
# Whatever changes the bytes of the data: another content makes all of it anew.
_MAKERS = ("bench/fleet.py", "bench/fleetjobs.py", "warehouse/hourfile.py", "warehouse/compaction/*.py")


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour file, with its ledger in an Arrow file beside.

    Attributes:
        hour_ms: start of the hour [epoch ms].
        path: the hour file.
        series: the file of its ledger.
        rows_n: its rows.
        size_bytes: its size [bytes].
    """

    hour_ms: int
    path: str
    series: str
    rows_n: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """The hour files of a fleet, in time.

    Attributes:
        name: unwrapped or wraps.
        hours: the files.
        cuts: starts and ends of what jobs hold, by host, ascending [epoch ms].
    """

    name: str
    hours: list[Hour]
    cuts: dict[str, list[int]]

    @property
    def rows_n(self) -> int:
        """Return the number of rows."""
        return sum(hour.rows_n for hour in self.hours)

    @property
    def paths(self) -> list[str]:
        """Return the hour files."""
        return [hour.path for hour in self.hours]


def folder() -> Path:
    """Return where the data of these sources lie; data of earlier sources are removed."""
    if NAMED not in os.environ:
        digest = hashlib.sha256()
        for pattern in _MAKERS:
            for path in sorted(ROOT.glob(pattern)):
                digest.update(path.read_bytes())
        os.environ[NAMED] = f"data-{digest.hexdigest()[:12]}"
    found = CACHE / os.environ[NAMED]
    if not found.exists():
        remove()
        found.mkdir(parents=True)
    return found


def remove() -> None:
    """Remove all data."""
    for path in CACHE.glob("data-*"):
        shutil.rmtree(path)


def ensure(hours_n: int, names: tuple[str, ...] = tuple(FLEETS)) -> None:
    """Make the fleets that are missing, side by side: a process each.

    Args:
        hours_n: hours that are needed.
        names: the fleets.
    """
    ensure_each(dict.fromkeys(names, hours_n))


def ensure_each(hours_of: dict[str, int]) -> None:
    """Make the fleets that are missing, of each as many hours as are needed.

    Args:
        hours_of: hours by fleet.

    Raises:
        RuntimeError: if they cannot be made.
    """
    missing = {name: hours_n for name, hours_n in hours_of.items() if len(_manifest(name)["hours"]) < hours_n}
    command = [sys.executable, "-m", "bench.data", "make"]
    makers = [subprocess.Popen([*command, name, str(hours_n)], cwd=ROOT) for name, hours_n in missing.items()]
    codes = [maker.wait() for maker in makers]
    if any(codes):
        msg = "making the data failed; see above"
        raise RuntimeError(msg)


def load(name: str, hours_n: int) -> Fleet:
    """Return the first hours of a fleet.

    Args:
        name: unwrapped or wraps.
        hours_n: hours.

    Raises:
        ValueError: if they have not been made.
    """
    manifest = _manifest(name)
    if len(manifest["hours"]) < hours_n:
        msg = f"{name} has {len(manifest['hours'])} of {hours_n} hours; call ensure first"
        raise ValueError(msg)
    at = folder() / name
    hours = [
        Hour(**hour | {"path": str(at / hour["path"]), "series": str(at / hour["series"])})
        for hour in manifest["hours"][:hours_n]
    ]
    end_ms = FIRST_MS + hours_n * MS_PER_HOUR
    return Fleet(name, hours, {host: [at for at in cuts if at < end_ms] for host, cuts in manifest["cuts"].items()})


def series_of(hour: Hour) -> pa.Table:
    """Return the ledger of an hour file."""
    with pa.OSFile(hour.series) as file, pa.ipc.open_file(file) as reader:
        return reader.read_all()


def warm(paths: list[str]) -> None:
    """Read files once, so that no side pays for the disk."""
    for path in paths:
        with Path(path).open("rb") as file:
            while file.read(1 << 22):
                pass


def cuts_of(devices: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Return the starts and ends of what jobs hold, by host, ascending [epoch ms].

    Args:
        devices: rows of job_device.
    """
    found: dict[str, set[int]] = defaultdict(set)
    for row in devices:
        found[row["host"]] |= {row["start_ms"], row["end_ms"]}
    return {host: sorted(times) for host, times in found.items()}


def as_arrays(cuts: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """Return cuts as the kernel wants them."""
    return {host: np.array(times, np.int64) for host, times in cuts.items()}


def _manifest(name: str) -> dict[str, Any]:
    path = folder() / name / "manifest.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"hours": [], "cuts": {}}
    return found


def keep_hour(table: pa.Table, hour_ms: int, hours: Path, ledgers: Path) -> Hour:
    """Write the readings of an hour as an hour file, and its ledger beside.

    Args:
        table: readings of ``fleet.Fleet.hour``.
        hour_ms: start of the hour [epoch ms].
        hours: folder of hour files.
        ledgers: folder of ledgers.
    """
    from bench.fleet import write_hour

    file = write_hour(table, hours)
    ledgers.mkdir(parents=True, exist_ok=True)
    ledger = ledgers / f"{hour_ms}.arrow"
    with pa.OSFile(str(ledger), "wb") as sink, pa.ipc.new_file(sink, file.series.schema) as writer:
        writer.write_table(file.series)
    return Hour(hour_ms, str(file.path), str(ledger), file.rows_n, file.size_bytes)


def _make(name: str, hours_n: int) -> None:
    from bench import fleet

    at = folder() / name
    made = fleet.Fleet(HOSTS_N, wraps=FLEETS[name])
    hours: list[dict[str, Any]] = []
    devices: list[dict[str, Any]] = []
    for number in range(hours_n):
        hour_ms = FIRST_MS + number * MS_PER_HOUR
        if number % HOURS_DAY == 0:
            devices += made.jobs(hour_ms).devices
        hour = asdict(keep_hour(made.hour(hour_ms), hour_ms, at / "hours", at / "series"))
        hours.append(hour | {part: str(Path(hour[part]).relative_to(at)) for part in ("path", "series")})
    draft = at / "manifest.json.new"
    draft.write_text(json.dumps({"hours": hours, "cuts": cuts_of(devices)}))
    draft.replace(at / "manifest.json")


def main() -> None:
    """Make what a full run needs, or remove everything."""
    if sys.argv[1:2] == ["make"]:
        _make(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:2] == ["remove"]:
        remove()
    else:
        ensure_each({"unwrapped": HOURS_LONG, "wraps": HOURS_DAY})


if __name__ == "__main__":
    main()

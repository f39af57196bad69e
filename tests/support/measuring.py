"""What tests of the sampling loop share: a fake source, landing in this process, and what was landed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from collectors.agent.loop import LoopSettings
from collectors.landing.reader import read_landed
from collectors.sources import Device, MonotoneCounter, PowerSource, Reading
from collectors.spool.land import land
from collectors.spool.landing_child import LandingReport


class FakeSource(PowerSource):
    """A device that uses exactly 100 W by a counter that is read in millijoules."""

    name = "fake"

    def __init__(self, monotonic_ns: Any = time.monotonic_ns, watts: int = 100) -> None:
        self._ns, self._watts, self.reads, self.on_read = monotonic_ns, watts, 0, None
        self.counter = MonotoneCounter(None, 1000)

    def devices(self) -> list[Device]:
        return [Device("cpu-package-0", "cpu", "package", "rapl", hardware_model="Test CPU")]

    def read(self) -> list[Reading]:
        self.reads += 1
        if self.on_read is not None:
            self.on_read(self.reads)
        step = self.counter.update(self._ns() * self._watts // 1_000_000, self._ns())
        return [Reading("cpu-package-0", None, step.energy_mj, step.session, None, step.gap_reason)]

    def counters(self) -> dict[str, MonotoneCounter]:
        return {"cpu-package-0": self.counter}


class LandHere:
    """Lands in this process, at once; fails as long as ``broken`` says why."""

    def __init__(self, settings: LoopSettings) -> None:
        self._settings, self.broken, self.failing = settings, "", None
        self.reports: list[LandingReport] = []

    def start(self, spool: Path) -> None:
        self.run(spool)

    def poll(self) -> None:
        pass

    def run(self, spool: Path) -> LandingReport:
        if self.broken:
            report = LandingReport(waiting=tuple(map(str, spool.glob("*.journal"))), problems=(self.broken,))
        else:
            report = land(spool, self._settings.landing, host=self._settings.host)
        self.reports.append(report)
        return report


def settings_of(root: Path, **changes: Any) -> LoopSettings:
    values = {"host": "gpu-1", "landing": str(root / "landing"), "state_dir": root / "state", "version": "1.0"}
    return LoopSettings(**{**values, **changes})


def landed(root: Path) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(Path(root).rglob("*.parquet")):
        file = read_landed(path)
        tables.setdefault(file.table, []).extend(file.rows.to_pylist())
    for rows in tables.values():
        rows.sort(key=lambda row: row.get("ts_ms") or row.get("start_ms"))
    return tables

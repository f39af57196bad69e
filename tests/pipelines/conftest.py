"""A small installation and a driver that does what the daemon does: look, run what is asked for, look again."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.definitions import build_defs
from pipelines.resources import Installation
from tests.support.homes import make_home
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from warehouse import engine
from warehouse.config import CONFIG_NAME, Config
from warehouse.lake import open_lake

MARCH_3_MS = 1_741_000_000_000  # 2025-03-03 11:06:40 UTC
MS_PER_S = 1000
MS_PER_DAY = 86_400_000
Ran = tuple[str, str | None, str | None]


@dataclass
class Driver:
    """The daemon, step by step.

    Attributes:
        config: the installation.
        instance: Dagster's storage.
        defs: the code location.
        ran: runs so far: job, first and last partition.
    """

    config: Config
    instance: dg.DagsterInstance
    defs: dg.Definitions
    ran: list[Ran] = field(default_factory=list)
    results: list[dg.ExecuteInProcessResult] = field(default_factory=list)
    cursors: dict[str, str | None] = field(default_factory=dict)
    sequence: int = 0

    def land(self, table: str, rows: list[dict[str, Any]]) -> Path:
        """Let a file appear in the landing folder."""
        self.sequence += 1
        time = "start_ms" if "start_ms" in rows[0] else "ts_ms"
        content = landed_bytes(table, rows, written_ms=rows[0][time] + 60_000, sequence=self.sequence)
        return put(self.config.landing_path, landed_name(table, rows[0][time], f"w-{self.sequence:06d}"), content)

    def land_readings(self, start_ms: int, seconds: int = 600) -> None:
        """Let ten minutes of readings of one device at 300 W appear."""
        self.land("power_sample", [sample(start_ms + at * MS_PER_S) for at in range(0, seconds + 1, 10)])

    def land_job(self, job_id: str, start_ms: int = MARCH_3_MS, seconds: int = 600) -> None:
        """Let a job of ten minutes on one device appear: its readings, events and reservation."""
        self.land_readings(start_ms, seconds)
        end_ms = start_ms + seconds * MS_PER_S
        ended = job_event(end_ms, job_id, "ended", state="completed")
        self.land("job_event", [job_event(start_ms, job_id, "started"), ended])
        self.land("job_device", [job_device(job_id, start_ms, end_ms=end_ms)])

    def look(self, sensor: str) -> dg.SensorResult | dg.SkipReason:
        """Let one sensor look."""
        definition = self.defs.resolve_sensor_def(sensor)
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor),
            definitions=self.defs,
            resources={"installation": self.defs.resources["installation"]},
        )
        found = definition(context)
        if isinstance(found, dg.SensorResult) and found.cursor is not None:
            self.cursors[sensor] = found.cursor
        return found

    def run(self, job: str, tags: dict[str, str] | None = None, **more: Any) -> dg.ExecuteInProcessResult:
        """Run a job in process."""
        tags = tags or {}
        result = self.defs.resolve_job_def(job).execute_in_process(instance=self.instance, tags=tags, **more)
        self.ran.append(
            (job, tags.get("dagster/asset_partition_range_start"), tags.get("dagster/asset_partition_range_end"))
        )
        self.results.append(result)
        return result

    def compute_headless(self, job_id: str = "job") -> None:
        """Land a job and compute it as `wattledger run` does, which Dagster knows nothing of."""
        self.land_job(job_id)
        with open_lake(self.config) as lake:
            engine.run_all(lake)

    def settle(self, **more: Any) -> list[Ran]:
        """Let the sensors look and run what they ask for until they ask for nothing; return the runs."""
        before = len(self.ran)
        for _ in range(20):
            asked = []
            for sensor in ("landing_sensor", "ledger_sensor"):
                found = self.look(sensor)
                asked = list(found.run_requests or []) if isinstance(found, dg.SensorResult) else []
                for request in asked:
                    self.run(request.job_name or "ingest", dict(request.tags), **more)
                if asked:
                    break
            if not asked:
                return self.ran[before:]
        raise AssertionError(f"the sensors never come to rest: {self.ran[before:]}")

    def partitions_of_runs(self, asset: str, since: int = 0) -> set[str]:
        """Return the partitions of an asset that runs since a number of runs materialised."""
        key = dg.AssetKey(asset.split("."))
        found: set[str] = set()
        for result in self.results[since:]:
            for event in result.get_asset_materialization_events():
                if event.asset_key == key and event.partition is not None:
                    found.add(event.partition)
        return found


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """An installation with nothing landed yet."""
    yield from make_driver(tmp_path_factory.mktemp("driver"))


def make_driver(folder: Path) -> Iterator[Driver]:
    """Make an installation under a folder, and a driver on it."""
    config = make_home(folder / "home")
    fake = types.ModuleType("warehouse.report")
    fake.write_report = _write_report  # type: ignore[attr-defined]
    patch = pytest.MonkeyPatch()
    patch.setitem(sys.modules, "warehouse.report", fake)
    defs = build_defs({"installation": Installation(config_path=str(config.home / CONFIG_NAME))})
    try:
        with dg.DagsterInstance.ephemeral(tempdir=str(_made(folder / "dagster"))) as instance:
            yield Driver(config, instance, defs)
    finally:
        patch.undo()


def _write_report(config: Config) -> Path:
    # Charts have tests of their own; here only the place of the report in the graph counts.
    config.report_path.mkdir(exist_ok=True)
    path = config.report_path / "report.html"
    path.write_text("<html></html>")
    return path


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder

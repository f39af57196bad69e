"""The real thing: ``dagster dev`` on a fresh installation comes up, sees dropped files and changes the marts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.pipelines.conftest import Driver
from tests.support.homes import make_home
from warehouse.config import Config
from warehouse.publish import ORGANISATION

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 180.0
ASSETS = "{ assetNodes { assetKey { path } description } }"
RUNS = "{ runsOrError { ... on Runs { results { jobName status tags { key value } } } } }"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def group_is_alive(group: int) -> bool:
    """Whether a process of the group runs; those that ended and wait for a parent to notice do not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                return True
    return False


@pytest.fixture
def installation(tmp_path: Path) -> Config:
    return make_home(tmp_path / "home", fresh=True)


@pytest.fixture
def graphql(installation: Config, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """A running ``dagster dev``; at the end its whole process group has ended."""
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", home)
    port = free_port()
    environ = {
        **os.environ,
        "WATTLEDGER_HOME": str(installation.home),
        "DAGSTER_HOME": str(home),
        "WATTLEDGER_SENSOR_INTERVAL_S": "2",
        "PYTHONPATH": str(ROOT),
    }
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-m",
        "pipelines.definitions",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    log = tmp_path / "dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environ, stdout=output, stderr=output, start_new_session=True
        )

    def ask(query: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)["data"]

    try:
        wait_for(lambda: ask("{ version }"), log)
        yield ask
    finally:
        # Without a terminal it does not heed an interrupt, and it leaves children behind: end the group, then wait.
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline and (process.poll() is None or group_is_alive(process.pid)):
                time.sleep(0.2)
        assert not group_is_alive(process.pid)


def wait_for(question: Callable[[], Any], log: Path | None = None) -> Any:
    """Ask until the answer is true; return it."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if answer := question():
                return answer
        except (OSError, duckdb.Error):
            pass
        time.sleep(0.5)
    raise AssertionError(f"not within {PATIENCE_S:.0f} s: {log.read_text()[-4000:] if log else question()}")


@pytest.mark.slow
def test_a_dropped_file_reaches_the_marts(installation: Config, graphql: Callable, tmp_path: Path) -> None:
    assets = {".".join(node["assetKey"]["path"]): node["description"] for node in graphql(ASSETS)["assetNodes"]}
    assert "Grain: device x measuring point x slot." in assets["core.device_energy"]

    Driver(installation, None, None).land_job("dropped")
    target = installation.published_path / ORGANISATION

    def published() -> list[tuple]:
        with duckdb.connect(str(target), read_only=True) as connection:
            return connection.execute("select job_id, round(it_kwh, 6) from mart.job").fetchall()

    assert wait_for(published, tmp_path / "dev.log") == [("dropped", 0.05)]

    def runs() -> list[dict]:
        return graphql(RUNS)["runsOrError"]["results"]

    wait_for(lambda: all(run["status"] == "SUCCESS" for run in runs()), tmp_path / "dev.log")
    done = {run["jobName"]: {tag["key"]: tag["value"] for tag in run["tags"]} for run in runs()}
    assert set(done) == {"ingest", "compute_days", "compute_months", "publish"}
    assert done["compute_days"]["dagster/asset_partition_range_start"] == "2025-03-03"
    assert done["compute_days"]["dagster/asset_partition_range_end"] == "2025-03-03"
    assert done["compute_months"]["dagster/asset_partition_range_start"] == "2025-03-01"
    assert not list(ROOT.glob(".tmp_dagster_home_*")), "nothing is written into the checkout"

"""``make run`` on this machine: two real jobs, from the collector to the report. What a newcomer sees, and twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collectors.sources import discover
from tests.support.hashes import all_hashes, differing
from warehouse.config import load_config
from warehouse.lake import open_lake
from warehouse.query import run_query

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 300


@dataclass
class Installation:
    """A home outside of the repository and the output of its first run."""

    home: Path
    first: subprocess.CompletedProcess[str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as a user does, in a process of its own."""
        return wattledger(self.home, *arguments)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Return rows of the published database."""
        return run_query(self.home / "published" / "organisation.duckdb", sql).table.to_pylist()


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a user of that home."""
    return {**os.environ, "WATTLEDGER_HOME": str(home), "PYTHONPATH": str(ROOT)}


def wattledger(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``wattledger`` in a folder that is not the repository."""
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        env=environment(home),
        cwd=home.parent,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Make an installation by its first run."""
    home = tmp_path_factory.mktemp("newcomer") / ".wattledger"
    done = wattledger(home, "first-run", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    return Installation(home, done)


def test_it_says_what_it_does_and_what_it_assumes(installation: Installation) -> None:
    output = installation.first.stdout
    for number in range(1, 6):
        assert f"[{number}/5]" in output
    assert "EXAMPLE ASSUMPTIONS, not facts about this machine: grid zone DE, PUE 1.25" in output
    assert "accuracy" in output
    assert "make dev" in output
    assert "Traceback" not in output + installation.first.stderr


def test_the_table_compares_training_with_inference(installation: Installation) -> None:
    output = installation.first.stdout
    assert "Training against inference, " in output
    rows = installation.rows("from mart.training_vs_inference_monthly where phase_group in ('training', 'inference')")
    assert len(rows) == 2
    for row in rows:
        assert row["jobs_n"] == 1
        assert row["it_kwh"] > 0
        assert row["facility_kwh"] == pytest.approx(1.25 * row["it_kwh"])
        assert 0 < row["low_kgco2e"] < row["total_kgco2e"] < row["high_kgco2e"]
        assert row["embodied_kgco2e"] > 0
        assert row["coverage_fraction"] == pytest.approx(1, abs=0.05)


def test_both_jobs_are_in_the_mart_with_the_same_accuracy(installation: Installation) -> None:
    jobs = installation.rows("from mart.job order by started_at")
    assert [(job["phase"], job["state"]) for job in jobs] == [("training", "completed"), ("inference", "completed")]
    assert {job["quality_metric"] for job in jobs} == {"accuracy"}
    assert jobs[0]["quality_value"] == pytest.approx(jobs[1]["quality_value"])
    assert 0.7 < jobs[0]["quality_value"] < 1
    assert jobs[1]["requests_n"] == 40
    assert {job["team"] for job in jobs} == {"example-team"}
    phases = installation.rows("select distinct phase from core.job_energy where allocation = 'job' order by 1")
    assert [row["phase"] for row in phases] == ["deployment", "inference", "training"]


def test_without_counters_the_energy_is_an_estimate_and_says_so(installation: Installation) -> None:
    found = discover(estimate=False)
    devices = [device for source in found.sources for device in source.devices()]
    for source in found.sources:
        source.close()
    estimated = installation.rows("select sum(estimated_kwh) / sum(it_kwh) as share from mart.job")[0]["share"]
    if devices:
        assert estimated < 1
        return
    assert estimated == pytest.approx(1)
    assert "energy: ESTIMATED" in installation.first.stdout
    report = next(installation.home.glob("reports/*.html")).read_text(encoding="utf-8")
    assert "estimate" in report.lower()


def test_the_report_is_where_it_says(installation: Installation) -> None:
    page = Path(installation.first.stdout.partition("Report:")[2].split()[0])
    assert page.is_relative_to(installation.home)
    assert page.stat().st_size > 5_000


def test_nothing_is_left_of_the_forests(installation: Installation) -> None:
    assert list(installation.home.rglob("*.npz")) == []


def test_dagster_shows_the_row_counts(installation: Installation) -> None:
    from dagster import AssetKey, DagsterInstance

    with DagsterInstance.from_config(str(installation.home / "dagster")) as instance:
        for key, rows in ((["mart", "job"], 2), (["raw", "job_event"], None), (["published", "report"], None)):
            event = instance.get_latest_materialization_event(AssetKey(key))
            assert event is not None, key
            assert event.asset_materialization is not None
            if rows is not None:
                assert event.asset_materialization.metadata["dagster/row_count"].value == rows


def test_running_again_changes_nothing_and_a_second_first_run_adds_two_jobs(installation: Installation) -> None:
    config = load_config(installation.home / "wattledger.toml")
    with open_lake(config, read_only=True) as lake:
        before = all_hashes(lake)
    done = installation.run("run")
    assert done.returncode == 0, done.stderr
    assert "Computed: nothing" in done.stdout
    with open_lake(config, read_only=True) as lake:
        assert not differing(before, all_hashes(lake))
    old = installation.rows("from mart.job order by job_id")
    again = installation.run("first-run", "--quick")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "wrote" not in again.stdout.partition("[2/5]")[0], "the configuration is the user's now"
    assert len(installation.rows("from mart.job")) == 4
    names = ", ".join(f"'{job['job_id']}'" for job in old)
    assert installation.rows(f"from mart.job where job_id in ({names}) order by job_id") == old


def test_ctrl_c_in_a_job_lands_it_as_cancelled(tmp_path: Path) -> None:
    home = tmp_path / ".wattledger"
    command = [sys.executable, "-m", "pipelines.cli", "first-run"]
    with subprocess.Popen(
        command, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "10 trees on" in line:
                break
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert "Nothing is left half done" in errors
    assert "Traceback" not in errors
    assert list(home.glob(".first-run-*")) == []
    done = wattledger(home, "run")
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(home / "published" / "organisation.duckdb"), read_only=True) as database:
        jobs = database.sql("select phase, state, is_waste from mart.job").fetchall()
    assert jobs == [("training", "cancelled", True)]

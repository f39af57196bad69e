"""``track``: a block of code is a job, whatever ends it; the code itself never pays for the measuring."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import collectors
from collectors import track
from collectors.jobs.job import JobError
from collectors.spool.land import land
from tests.support.measuring import landed

ROOT = Path(collectors.__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WATTLEDGER_REPORT", "WATTLEDGER_LANDING", "WATTLEDGER_PHASE_NOW"):
        monkeypatch.delenv(name, raising=False)


def _events(root: Path) -> dict[str, dict[str, Any]]:
    return {event["event"]: event for event in landed(root).get("job_event", [])}


def _run(tmp_path: Path, code: str, **environ: str) -> subprocess.Popen[bytes]:
    head = f"import os, sys, time\nsys.path.insert(0, {str(ROOT)!r})\nfrom collectors import track\n"
    script = tmp_path / "code.py"
    script.write_text(head + code, encoding="utf-8")
    environ = {**os.environ, "WATTLEDGER_LANDING": str(tmp_path / "landing"), **environ}
    return subprocess.Popen([sys.executable, str(script)], env=environ, stdout=subprocess.PIPE, cwd=tmp_path)


def _ended(tmp_path: Path, seconds: float = 30) -> dict[str, dict[str, Any]]:
    """Wait until the sampler of a process that is gone has landed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (tmp_path / "landing").exists() and "ended" in _events(tmp_path / "landing"):
            break
        time.sleep(0.1)
    return _events(tmp_path / "landing")


def test_a_block_is_a_job_with_phases_quality_and_work(tmp_path: Path) -> None:
    labels = {"a": "b"}
    with track(team="t", phase="training", landing=tmp_path / "landing", interval_s=0.05, labels=labels) as job:
        time.sleep(0.2)
        job.phase("evaluation")
        job.quality("accuracy", 0.5)
        job.size(parameters_n=7, tokens_n=9)
        job.work(requests_n=2)
        job.work(requests_n=3, other_unit="image", other_n=1.5)
        time.sleep(0.2)
    tables = landed(tmp_path / "landing")
    events = {event["event"]: event for event in tables["job_event"]}
    assert set(events) == {"started", "phase_changed", "ended"}
    assert (events["started"]["phase"], events["phase_changed"]["phase"]) == ("training", "evaluation")
    ended = events["ended"]
    assert (ended["state"], ended["team"], ended["quality_value"], ended["parameters_n"]) == ("completed", "t", 0.5, 7)
    assert ended["labels"] == [("a", "b")]
    assert (tables["work_counter"][0]["requests_n"], tables["work_counter"][0]["other_n"]) == (5, 1.5)
    stamps = [row["ts_ms"] for row in tables["power_sample"]]
    assert (min(stamps), max(stamps)) == (events["started"]["ts_ms"], ended["ts_ms"])
    assert "WATTLEDGER_REPORT" not in os.environ


def test_a_function_is_a_job_each_time_it_is_called(tmp_path: Path) -> None:
    @track(landing=tmp_path / "landing", interval_s=0.05, phase="inference")
    def work(a: int, *, b: int) -> int:
        """Add."""
        return a + b

    assert (work(1, b=2), work(3, b=4), work.__doc__) == (3, 7, "Add.")
    started = [event for event in landed(tmp_path / "landing")["job_event"] if event["event"] == "started"]
    assert len({event["job_id"] for event in started}) == 2


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ValueError("no"), "failed"),
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(3), "failed"),
        (SystemExit(0), "completed"),
    ],
)
def test_what_ends_a_block_decides_the_state_and_goes_on(tmp_path: Path, error: BaseException, state: str) -> None:
    with pytest.raises(type(error)), track(landing=tmp_path / "landing", interval_s=0.05):
        raise error
    assert _events(tmp_path / "landing")["ended"]["state"] == state


def test_a_block_inside_another_is_a_phase_of_it(tmp_path: Path) -> None:
    with track(phase="training", landing=tmp_path / "landing", interval_s=0.05):
        time.sleep(0.1)
        with track(phase="evaluation"):
            time.sleep(0.1)
        time.sleep(0.1)
        with track(team="inner"):
            time.sleep(0.1)
    events = landed(tmp_path / "landing")["job_event"]
    assert len({event["job_id"] for event in events}) == 1
    changes = sorted((e["ts_ms"], e["phase"]) for e in events if e["event"] == "phase_changed")
    assert [phase for _, phase in changes] == ["evaluation", "training"]


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_killed_leaves_an_interrupted_job_with_all_its_samples(tmp_path: Path, signum: int) -> None:
    code = "with track(interval_s=0.05, team='t'):\n    print('in', flush=True)\n    time.sleep(60)\n"
    with _run(tmp_path, code) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.5)
        killed_ms = time.time() * 1000
        process.send_signal(signum)
    events = _ended(tmp_path)
    assert (events["ended"]["state"], events["ended"]["team"]) == ("interrupted", "t")
    assert events["ended"]["ts_ms"] >= killed_ms - 100
    assert len(landed(tmp_path / "landing")["power_sample"]) > 5


def test_forked_workers_that_outlive_the_process_do_not_keep_its_job_open(tmp_path: Path) -> None:
    code = (
        "with track(interval_s=0.05):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(30); os._exit(0)\n"
        "    print('in', flush=True)\n"
        "    os._exit(3)\n"
    )
    with _run(tmp_path, code) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.wait(20)
        process.stdout.close()
    assert _ended(tmp_path)["ended"]["state"] == "interrupted"


def test_when_the_sampler_dies_the_code_goes_on_and_the_journal_has_its_job(tmp_path: Path) -> None:
    job = track(landing=tmp_path / "landing", interval_s=0.05)
    job.__enter__()
    time.sleep(0.3)
    assert job._sampler is not None
    job._sampler.kill()
    job._sampler.wait()
    job.phase("evaluation")
    with pytest.warns(UserWarning, match="its journal is kept"):
        job.__exit__(None, None, None)
    land(tmp_path / "collector-state" / "spool", str(tmp_path / "landing"))
    assert _events(tmp_path / "landing")["ended"]["state"] == "interrupted"


def test_what_the_user_must_change_is_an_error_before_the_code_runs(tmp_path: Path, capfd: Any) -> None:
    with pytest.raises(JobError, match="no attribute 'taem'; known are job_id, attempt, org, team"):
        track(taem="x")
    with pytest.raises(JobError, match="see the message of wattledger-collect above"), track(team="x"):
        pytest.fail("the block must not run")
    assert "no landing folder" in capfd.readouterr().err
    with pytest.raises(JobError), track(landing=tmp_path, phase="trainning"):
        pytest.fail("the block must not run")
    assert "trainning" in capfd.readouterr().err
    with pytest.raises(JobError, match="has not begun"):
        track().phase("training")


def test_a_sampler_that_cannot_start_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: Any, **__: Any) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", no_memory)
    ran = False
    with pytest.warns(UserWarning, match="nothing is measured"), track(landing=tmp_path):
        ran = True
    assert ran

"""The command line as users run it, in a process of its own where that matters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collectors import __version__
from collectors.cli import main
from collectors.landing.reader import read_landed

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def environ(tmp_path, monkeypatch):
    """An environment without any of our variables, on a host without counters."""
    for name in list(os.environ):
        if name.startswith("WATTLEDGER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WATTLEDGER_SYSFS_ROOT", str(tmp_path / "no-sys"))
    monkeypatch.setenv("WATTLEDGER_HOST", "h1")
    return monkeypatch


def _run(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "collectors", *arguments],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=60,
        **options,
    )


def _tables(root: Path) -> dict[str, list[dict]]:
    tables: dict[str, list[dict]] = {}
    for path in sorted(root.rglob("*.parquet")):
        file = read_landed(path)
        tables.setdefault(file.table, []).extend(file.rows.to_pylist())
    return tables


def test_exec_passes_output_and_exit_code_through_and_lands_the_job(environ, tmp_path):
    done = _run(
        "exec", "--landing", str(tmp_path / "landing"), "--team", "vision", "--model", "m", "--phase", "training",
        "--label", "run=1", "--interval-s", "0.1", "--", "sh", "-c", "echo out; echo err >&2; sleep 0.25; exit 5",
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (5, "out\n", "err\n")
    tables = _tables(tmp_path / "landing")
    ended = next(event for event in tables["job_event"] if event["event"] == "ended")
    assert (ended["team"], ended["model"], ended["phase"], ended["exit_code"]) == ("vision", "m", "training", 5)
    assert ended["labels"] == [("run", "1")]
    samples = tables["power_sample"]
    assert {(s["device"], s["source"], s["is_estimate"]) for s in samples} == {
        ("cpu-package-0", "model", True),
        ("dram-0", "model", True),
    }
    assert all(sample["power_mw"] > 0 for sample in samples)
    assert {sample["host"] for sample in samples} == {"h1"}


def test_exec_without_landing_folder_says_what_to_do(environ, capsys):
    assert main(["exec", "--", "true"]) == 2
    assert "--landing DIR or set WATTLEDGER_LANDING" in capsys.readouterr().err
    environ.setenv("WATTLEDGER_LANDING", "/tmp/x")
    assert main(["exec"]) == 2
    assert "no command" in capsys.readouterr().err
    environ.setenv("WATTLEDGER_PHASE", "trainning")
    assert main(["exec", "--", "true"]) == 2
    assert "trainning" in capsys.readouterr().err


def test_require_refuses_to_run_unmeasured(environ, tmp_path, capsys):
    marker = tmp_path / "ran"
    assert main(["exec", "--landing", str(tmp_path / "l"), "--require", "--", "touch", str(marker)]) == 3
    assert not marker.exists()
    assert "nothing is measured" in capsys.readouterr().err
    assert main(["probe", "--require"]) == 3


def test_probe_says_what_is_measured_what_is_not_and_how_to_get_it(environ, powercap, capsys):
    powercap.zone("0", "package-0", 5)
    environ.setenv("WATTLEDGER_SYSFS_ROOT", str(powercap.root))
    assert main(["probe", "--require"]) == 0
    out = capsys.readouterr().out
    lines = {line.split()[0]: line for line in out.splitlines() if line}
    assert "rapl" in lines["cpu-package-0"]
    assert "measured" in lines["cpu-package-0"]
    assert "estimated" in lines["dram-0"]
    assert "docker run --gpus all" in out
    assert main(["probe", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["host"], report["measured"], report["version"]) == ("h1", True, __version__)
    assert {(f["device"], f["source"], f["status"]) for f in report["findings"]} == {
        ("cpu-package-0", "rapl", "measured"),
        ("dram-0", "model", "estimated"),
        ("-", "nvml", "not measured"),
        ("-", "amdsmi", "not measured"),
        ("-", "hwmon", "not measured"),
    }


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_agent_samples_until_it_is_told_to_stop(environ, tmp_path, signum):
    landing = tmp_path / "landing"
    agent = subprocess.Popen(
        [sys.executable, "-m", "collectors", "agent", "--landing", str(landing), "--interval-s", "0.05",
         "--flush-s", "0.3"], cwd=REPOSITORY,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while not list(landing.rglob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.05)
    agent.send_signal(signum)
    assert agent.wait(timeout=20) == 0
    tables = _tables(landing)
    stamps = [sample["ts_ms"] for sample in tables["power_sample"] if sample["device"] == "dram-0"]
    assert len(stamps) == len(set(stamps)) >= 4
    assert len(tables["asset_event"]) == 1
    assert "job_event" not in tables


def test_two_commands_at_once_leave_one_series_of_samples(environ, tmp_path):
    landing = tmp_path / "landing"
    command = [sys.executable, "-m", "collectors", "exec", "--landing", str(landing), "--interval-s", "0.05", "--"]
    both = [subprocess.Popen([*command, "sleep", seconds], cwd=REPOSITORY) for seconds in ("0.4", "1.2")]
    assert [process.wait(timeout=30) for process in both] == [0, 0]
    files = [read_landed(path) for path in landing.rglob("*.parquet")]
    spans = {}
    for file in files:
        if file.table == "power_sample":
            stamps = file.rows.column("ts_ms").to_pylist()
            spans[file.path.name] = (min(stamps), max(stamps))
    (_, first_end), (second_start, _) = sorted(spans.values()) if len(spans) == 2 else ((0, 0), (1, 1))
    assert first_end < second_start
    assert len({e["job_id"] for f in files if f.table == "job_event" for e in f.rows.to_pylist()}) == 2


def test_version_and_help_name_the_exit_codes(capsys):
    for flag, told in (("--version", __version__), ("--help", "Exit codes")):
        with pytest.raises(SystemExit) as ended:
            main([flag])
        assert ended.value.code == 0
        assert told in capsys.readouterr().out

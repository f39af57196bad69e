"""Events told from outside: a scheduler's prolog and epilog make a job of what the agent samples."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.cli import main
from collectors.jobs.events import devices_of
from collectors.sources import Device
from collectors.usage import UsageError
from tests.support.measuring import landed

EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "collectors"


def _tell(tmp_path: Path, *arguments: str) -> int:
    return main(["event", *arguments, "--landing", str(tmp_path / "landing"), "--host", "n1"])


def _land(tmp_path: Path, *more: str) -> dict[str, list[dict[str, object]]]:
    assert main(["land", "--landing", str(tmp_path / "landing"), "--host", "n1", *more]) == 0
    return landed(tmp_path / "landing")


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("WATTLEDGER_", "SLURM_"))]:
        monkeypatch.delenv(name)


def test_a_job_begins_and_ends_where_it_is_told(tmp_path: Path) -> None:
    assert (
        _tell(tmp_path, "started", "--job-id", "j", "--team", "t", "--ts-ms", "1795348800000", "--share", "0.25") == 0
    )
    assert (
        _tell(tmp_path, "ended", "--job-id", "j", "--ts-ms", "1795348900000", "--state", "failed", "--exit-code", "3")
        == 0
    )
    tables = _land(tmp_path)
    events = {event["event"]: event for event in tables["job_event"]}
    assert (events["started"]["ts_ms"], events["started"]["team"]) == (1_795_348_800_000, "t")
    assert (events["ended"]["ts_ms"], events["ended"]["state"], events["ended"]["exit_code"]) == (
        1_795_348_900_000,
        "failed",
        3,
    )
    hold = tables["job_device"][0]
    assert (hold["host"], hold["device"], hold["end_ms"], hold["share_fraction"]) == ("n1", "*", None, 0.25)


def test_a_job_may_hold_some_devices_only(tmp_path: Path) -> None:
    assert _tell(tmp_path, "started", "--job-id", "j", "--device", "GPU-a", "--device", "cpu-package-0") == 0
    assert {row["device"] for row in _land(tmp_path)["job_device"]} == {"GPU-a", "cpu-package-0"}


def test_a_job_that_was_given_gpus_holds_those_whole_and_its_part_of_the_rest() -> None:
    found = [Device(f"GPU-{name}", "gpu", "board", "nvml_energy") for name in "abc"]
    found.append(Device("cpu-package-0", "cpu", "package", "rapl"))
    assert devices_of("2, GPU-a", found, 0.5) == [("GPU-c", None), ("GPU-a", None), ("cpu-package-0", 0.5)]
    assert devices_of("", found, 0.5) == [("cpu-package-0", 0.5)]
    with pytest.raises(UsageError, match="has no GPU 3; it has GPU-a, GPU-b, GPU-c"):
        devices_of("3", found, None)


def test_without_an_id_there_is_nothing_to_join(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _tell(tmp_path, "started") == 2
    assert "no job id: give --job-id" in capsys.readouterr().err
    assert _tell(tmp_path, "started", "--job-id", "j", "--state", "failed") == 2
    assert "--state and --exit-code go with ended" in capsys.readouterr().err


def test_the_prolog_and_epilog_that_we_show_make_one_job(tmp_path: Path) -> None:
    """The scripts as they are, but for their paths: a stand-in for logger, and our command in its place."""
    collect = shutil.which("wattledger-collect") or str(Path(sys.executable).parent / "wattledger-collect")
    environ = {
        "PATH": os.environ["PATH"],
        "SLURM_JOB_ID": "4711",
        "SLURM_CLUSTER_NAME": "alpha",
        "SLURM_JOB_ACCOUNT": "vision",
        "WATTLEDGER_HOST": "n1",
    }
    for name in ("prolog", "epilog"):
        text = (EXAMPLES / f"slurm-{name}.sh").read_text()
        text = text.replace("/opt/wattledger/bin/wattledger-collect", collect).replace(
            "logger -t wattledger", "cat >&2"
        )
        text = text.replace("/var/lib/wattledger", str(tmp_path))
        done = subprocess.run(["sh", "-c", text], env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    tables = _land(tmp_path, "--state-dir", str(tmp_path))
    assert {(e["event"], e["job_id"], e["team"]) for e in tables["job_event"]} == {
        ("started", "alpha/4711", "vision"),
        ("ended", "alpha/4711", "vision"),
    }
    assert len(tables["job_device"]) == 1

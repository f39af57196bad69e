"""CPU time of a job: of children that live for a moment, of orphans, and as a share of the host."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collectors.cputime import CpuTime
from collectors.execute import run_job
from collectors.jobs import Job
from collectors.usage import UsageError
from tests.support.measuring import FakeSource, LandHere, landed, settings_of

BURN = "import time\nt = time.process_time()\nwhile time.process_time() - t < {}: pass\n"
SHORT = 30
SHORT_S = 0.1
# A shell that starts one short child after another, and at the end says how much CPU time they used.
CHILDREN = (
    "import os, subprocess, sys\n"
    f"for _ in range({SHORT}): subprocess.run([sys.executable, '-c', {BURN.format(SHORT_S)!r}])\n"
    "used = os.times()\n"
    "open(sys.argv[1], 'w').write(str(used.children_user + used.children_system + used.user + used.system))\n"
)


def test_short_children_count_almost_whole(tmp_path: Path) -> None:
    """At least 95 % of the CPU energy of 30 children one after another, by what the kernel says that they used."""
    settings = settings_of(tmp_path, interval_s=0.2)
    truth = tmp_path / "used"
    command = [sys.executable, "-c", CHILDREN, str(truth)]
    result = run_job(command, Job("j"), settings, [FakeSource()], landing_child=LandHere(settings), hold="share")
    assert result.exit_code == 0
    rows = landed(tmp_path)["job_device"]
    cpus_n = os.cpu_count() or 1
    held_s = sum(row["share_fraction"] * (row["end_ms"] - row["start_ms"]) / 1000 * cpus_n for row in rows)
    used_s = float(truth.read_text())
    assert used_s > SHORT * SHORT_S * 0.95
    assert 0.95 * used_s <= held_s <= 1.05 * used_s + 0.05
    assert {row["device"] for row in rows} == {"cpu-package-0"}


def test_orphans_and_what_they_started_count_too() -> None:
    """In a process of its own, because it becomes the reaper of its descendants."""
    code = (
        "import os, subprocess, sys, time\n"
        "from collectors.cputime import CpuTime\n"
        "cpu = CpuTime(cgroup_root=__import__('pathlib').Path('/none'))\n"
        f"inner = {BURN.format(0.3)!r}\n"
        "outer = 'import subprocess, sys; subprocess.Popen([sys.executable, \"-c\", sys.argv[1]])'\n"
        "subprocess.run([sys.executable, '-c', outer, inner])\n"
        "time.sleep(0.2)\n"
        "for _ in range(100):\n"
        "    if cpu.used_ns() > 0.33e9: break\n"
        "    time.sleep(0.05)\n"
        "print(cpu.way, cpu.used_ns() / 1e9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    way, used_s = done.stdout.split()
    assert way == "processes"
    assert 0.3 <= float(used_s) < 1.0


def test_a_group_of_its_own_is_used_where_one_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, proc = tmp_path / "cgroup", tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text("1:cpu:/old\n0::/user.slice\n")
    monkeypatch.setenv("WATTLEDGER_PROCFS_ROOT", str(proc))
    group = root / "user.slice" / f"wattledger-{os.getpid()}"
    group.parent.mkdir(parents=True)
    assert CpuTime(cgroup_root=root).way == "processes"
    assert not group.exists()
    mkdir = Path.mkdir

    def kernel(self: Path, *args: object, **kwargs: object) -> None:
        mkdir(self)
        (self / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1\n")
        (self / "cgroup.procs").write_text("")

    monkeypatch.setattr(Path, "mkdir", kernel)
    cpu = CpuTime(cgroup_root=root)
    cpu.join()
    assert (cpu.way, cpu.used_ns()) == ("cgroup", 1_500_000_000)
    assert (group / "cgroup.procs").read_text() == "0"


def test_a_gpu_that_this_host_has_not_stops_the_job_before_it_begins(tmp_path: Path) -> None:
    settings, ran = settings_of(tmp_path), tmp_path / "ran"
    with pytest.raises(UsageError, match="has no GPU 7"):
        run_job(["touch", str(ran)], Job("j"), settings, [FakeSource()], hold="share", gpus="7")
    time.sleep(0.1)
    assert not ran.exists()

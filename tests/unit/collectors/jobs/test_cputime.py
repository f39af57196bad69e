"""CPU time of a job: of children that live for a moment, of orphans, and as a share of the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collectors.jobs.cputime import CpuTime
from collectors.jobs.execute import run_job
from collectors.jobs.job import Job
from collectors.spool.landing_child import LandingChild
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
        "from collectors.jobs.cputime import CpuTime\n"
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


# A job runs while a landing runs, which costs CPU time as well.
LANDING = """
import json, os, subprocess, sys, time
from pathlib import Path
from collectors.spool import landing_child
from collectors.jobs.cputime import CpuTime

def dead_s():
    times = os.times()
    return times.children_user + times.children_system

cpu = CpuTime(cgroup_root=Path("/none"))
landing_child.python_command = lambda _: [sys.executable, "-c", sys.argv[4]]
child = landing_child.LandingChild(sys.argv[1] + "/landing", "gpu-1", print)
child.watcher = cpu if sys.argv[2] == "told" else None
child.start(Path(sys.argv[1]))
before_s = dead_s()
subprocess.run([sys.executable, "-c", sys.argv[3]])
job_s, seen = dead_s() - before_s, []
while child._process is not None:
    seen.append(cpu.used_ns() / 1e9)
    child.poll()
    time.sleep(0.01)
seen.append(cpu.used_ns() / 1e9)
print(json.dumps({"job_s": job_s, "seen_s": seen, "landing_s": dead_s() - before_s - job_s}))
"""
TICKS_S = 0.05
"""What the kernel's clock ticks may lose of a process [s]: 10 ms for each of its four numbers, and as much of ours."""


@pytest.mark.parametrize("way", ["told", "not told"])
def test_a_landing_during_the_job_does_not_change_its_cpu_time(tmp_path: Path, way: str) -> None:
    """In a process of its own, because it becomes the reaper of its descendants."""
    command = [sys.executable, "-c", LANDING, str(tmp_path), way, BURN.format(0.3), BURN.format(0.5)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["job_s"] >= 0.3
    assert found["landing_s"] >= 0.5 - TICKS_S
    seen_s = [max(found["seen_s"]), found["seen_s"][-1]]
    truth_s = found["job_s"] + (0 if way == "told" else found["landing_s"])
    assert seen_s == pytest.approx([truth_s, truth_s], abs=TICKS_S)


def test_landing_that_takes_too_long_is_ended_without_waiting_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "collectors.spool.landing_child.python_command", lambda _: [sys.executable, "-c", "import time; time.sleep(60)"]
    )
    said: list[str] = []
    child = LandingChild(str(tmp_path / "landing"), "gpu-1", said.append, limit_s=0.0)
    child.start(tmp_path)
    begin_s = time.monotonic()
    while child.failing is None and time.monotonic() - begin_s < 20:
        child.poll()
        time.sleep(0.01)
    assert child.failing == "landing ended with code -9 and said nothing"
    assert len(said) == 1


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

"""The agent beside CodeCarbon on one machine: CPU share, memory, import and start.

What belongs here: both on the same stand-in of NVIDIA's library (``stub/nvml.c``), sampling once a second. What must
not be here: energy or accuracy. The stand-in has no driver behind it; a real card adds the same calls to both sides.

Run: python -m bench.collectors [full]
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import ROOT
from bench.tables import Section, Table, number

PEER = "codecarbon==3.3.2"
PEER_VENV = ROOT / "build" / "bench" / "codecarbon"
STUB = ROOT / "build" / "bench" / "stub"
SETTLE_S, WINDOW_S = 6.0, {False: 30.0, True: 120.0}
CHILDREN_N = 50
FLUSH_S = 300.0
"""Time between two landings of the agent, its default [s]."""

_AGENT = """
import sys, threading, time
begun = time.perf_counter(), time.process_time()
from pathlib import Path
from collectors.agent.run import run_agent
from collectors.agent.loop import LoopSettings, SamplingLoop
from collectors.sources import discover
root = Path(sys.argv[1])
loop = SamplingLoop(LoopSettings("h", str(root / "landing"), root / "state", "bench"), discover().sources)
loop.sample()
loop.sync()
print(time.perf_counter() - begun[0], time.process_time() - begun[1], flush=True)
if len(sys.argv) > 2:
    run_agent(loop, threading.Event())
"""
_PEER = """
import sys, time
begun = time.perf_counter(), time.process_time()
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="FRA", output_dir=sys.argv[1], log_level="critical",
    measure_power_secs=1, output_methods=[], tracking_mode=sys.argv[3] if len(sys.argv) > 3 else "machine")
tracker.start()
print(time.perf_counter() - begun[0], time.process_time() - begun[1], flush=True)
if len(sys.argv) > 2:
    if len(sys.argv) > 4:
        import subprocess
        children = [subprocess.Popen(["sleep", "600"]) for _ in range(int(sys.argv[4]))]
    time.sleep(600)
tracker.stop()
"""
_OURS_CHILDREN = (
    f"import subprocess\nfor child in [subprocess.Popen(['sleep', '600']) for _ in range({CHILDREN_N})]: child.wait()"
)


def run(full: bool) -> Section:
    """Measure both sides, one after another."""
    section = Section("collectors", "The agent beside CodeCarbon: eight stand-in GPUs, once a second")
    section.notes += [
        "CPU share: user and system time of the sampling process over the time of one core. Landing is told apart: it"
        f" is a process of its own every {FLUSH_S:g} s. Memory: resident set at the end of the window.",
    ]
    if shutil.which("cc") is None:
        section.notes.append("No C compiler: the stand-in of NVIDIA's library cannot be built, nothing is measured.")
        return section
    _build_stub()
    window_s = WINDOW_S[full]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ours = _measured([sys.executable, "-P", "-c", _path() + _AGENT, folder, "run"], window_s)
        landing = _landing_cpu_s(Path(folder))
        exec_cpu = _measured(_exec_command(folder), window_s)
    ours_start = _started([sys.executable, "-P", "-c", _path() + _AGENT])
    rows = [
        ("agent", _percent(ours[0]), number(ours[1]), *map(number, ours_start)),
        (f"landing every {FLUSH_S:g} s", _percent(landing / FLUSH_S), "", "", ""),
        (f"exec --hold share, {CHILDREN_N} children", _percent(exec_cpu[0]), number(exec_cpu[1]), "", ""),
    ]
    section.figures |= {
        "collector_cpu": ours[0],
        "collector_rss_mb": ours[1],
        "collector_start_s": ours_start[0],
        "collector_children_cpu": exec_cpu[0],
    }
    if (peer := _peer()) is None:
        section.notes.append(f"{PEER}: cannot be installed here.")
    else:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            theirs = _measured([peer, "-c", _PEER, folder, "run"], window_s)
            process = _measured([peer, "-c", _PEER, folder, "run", "process", str(CHILDREN_N)], window_s)
        theirs_start = _started([peer, "-c", _PEER])
        rows += [
            (f"{PEER}, machine", _percent(theirs[0]), number(theirs[1]), *map(number, theirs_start)),
            (f"{PEER}, process, {CHILDREN_N} children", _percent(process[0]), number(process[1]), "", ""),
        ]
        section.figures |= {
            "collector_cpu_ratio": ours[0] / theirs[0],
            "collector_rss_ratio": ours[1] / theirs[1],
        }
    header = ("what", "CPU share of a core", "resident MB", "import and start, wall s", "import and start, CPU s")
    section.tables.append(Table(f"Over {window_s:g} s", header, rows))
    return section


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _path() -> str:
    return f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"


def _environ() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(STUB)}


def _build_stub() -> None:
    STUB.mkdir(parents=True, exist_ok=True)
    source = str(Path(__file__).with_name("stub") / "nvml.c")
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(STUB / "libnvidia-ml.so.1"), source]
    subprocess.run(command, check=True)


def _peer() -> str | None:
    """Return the interpreter of an environment with the peer, ``None`` if it cannot be made."""
    python = PEER_VENV / "bin" / "python"
    if not python.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(PEER_VENV)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", PEER], check=True)
        except (OSError, subprocess.CalledProcessError):
            shutil.rmtree(PEER_VENV, ignore_errors=True)
            return None
    return str(python)


def _exec_command(folder: str) -> list[str]:
    code = _path() + "from collectors.cli import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", code, "exec", "--landing", f"{folder}/exec", "--hold", "share", "--"]
    return [*command, sys.executable, "-c", _OURS_CHILDREN]


@contextlib.contextmanager
def _running(command: list[str]) -> Iterator[int]:
    process = subprocess.Popen(
        command, env=_environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def _measured(command: list[str], window_s: float) -> tuple[float, float]:
    """Return the CPU share of a process over a window, and its resident memory at the end [MB]."""
    with _running(command) as pid:
        time.sleep(SETTLE_S)
        begun, cpu = time.monotonic(), _cpu_s(pid)
        time.sleep(window_s)
        share = (_cpu_s(pid) - cpu) / (time.monotonic() - begun)
        return share, _resident_mb(pid)


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process and all threads that it has or had [s], to the nanosecond."""
    # The kernel's clock of another process: MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED) of linux/posix-timers.h.
    return time.clock_gettime(~pid << 3 | 2)


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def _started(command: list[str]) -> tuple[float, float]:
    """Return wall and CPU time of import and start, the best of three fresh processes [s]."""
    found = []
    for _ in range(3):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            done = subprocess.run([*command, folder], env=_environ(), capture_output=True, text=True, check=True)
            wall_s, cpu_s = map(float, done.stdout.split()[:2])
            found.append((wall_s, cpu_s))
    return min(wall for wall, _ in found), min(cpu for _, cpu in found)


def _landing_cpu_s(folder: Path) -> float:
    """Return the CPU time that landing the journal of the window takes [s]."""
    code = _path() + "from collectors.spool.land import main; sys.exit(main())"
    command = [sys.executable, "-P", "-c", code, "--spool", str(folder / "state" / "spool")]
    before = os.times()
    subprocess.run([*command, "--landing", str(folder / "landing")], check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    run("full" in sys.argv[1:]).print()

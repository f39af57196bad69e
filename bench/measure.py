"""Measuring a piece of work in a fresh process: wall time, CPU time and peak memory of all its processes.

What belongs here: starting the child, watching it, the clock that the child carries. What must not be here: what is
measured.

A piece of work is a function ``work(meter, **arguments) -> dict`` of a module of bench. It reads what it needs, does
the work inside ``with meter:`` and returns what the parent wants to know as JSON. Time and CPU count inside the
``with`` alone, so no side pays for its imports there; the CPU of the whole process is told beside. Memory counts over
the whole life of the process and of everything that it starts.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_S = 0.05
"""Seconds between two looks at the memory of the processes [s]."""
COMPILED = ROOT / "build" / "bench" / "compiled"
"""Where Python keeps the modules that it compiled: not every installation may write beside the sources."""
IMPORTED = ("duckdb", "pandas", "pyarrow.parquet", "warehouse.engine", "warehouse.kernel.worker")
BYTES_PER_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work cost.

    Attributes:
        wall_s: wall time of the work [s].
        cpu_s: user and system time of the work, of all its processes [s].
        process_cpu_s: the same of the whole process with imports and set-up [s].
        peak_mb: greatest sum over all processes of the proportional set size, shared pages once [MB].
        max_rss_mb: greatest resident set that a single process had [MB].
        told: what the work returned.
    """

    wall_s: float
    cpu_s: float
    process_cpu_s: float
    peak_mb: float
    max_rss_mb: float
    told: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the cost as plain values."""
        return asdict(self)


class WorkError(RuntimeError):
    """A piece of work ended with an error; the message holds what it said."""


class UnfinishedError(WorkError):
    """A piece of work had not ended when its time was up, and was stopped.

    Attributes:
        cost: what it had cost by then, imports and set-up included; nothing told.
    """

    def __init__(self, message: str, cost: Cost) -> None:
        """Keep the cost beside the message."""
        super().__init__(message)
        self.cost = cost


class Meter:
    """The clock of a child: what happens inside ``with meter:`` counts; several times add up."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.wall_s = 0.0
        self.cpu_s = 0.0
        self._begun = (0.0, 0.0)

    def __enter__(self) -> Meter:
        """Start the clock."""
        self._begun = (time.perf_counter(), cpu_s())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the clock; children count once they have ended and were waited for."""
        self.wall_s += time.perf_counter() - self._begun[0]
        self.cpu_s += cpu_s() - self._begun[1]


def cpu_s() -> float:
    """Return the CPU time of this process and of its children that have ended [s]."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def measure(work: str, repeats: int = 1, limit_s: float = math.inf, **arguments: Any) -> Cost:  # noqa: ANN401
    """Do a piece of work in a fresh process, several times; of each figure the least is kept, of memory the greatest.

    Args:
        work: ``module:function``, for example ``bench.kernel:segments``.
        repeats: how often.
        limit_s: wall time that one process may take [s].
        arguments: arguments of the function, as JSON can hold them.

    Returns:
        The cost, with what the work told the last time.

    Raises:
        UnfinishedError: if the time was up.
        WorkError: if the work fails.
    """
    costs = [_once(work, arguments, limit_s) for _ in range(repeats)]
    return replace(
        costs[-1],
        wall_s=min(cost.wall_s for cost in costs),
        cpu_s=min(cost.cpu_s for cost in costs),
        process_cpu_s=min(cost.process_cpu_s for cost in costs),
        peak_mb=max(cost.peak_mb for cost in costs),
        max_rss_mb=max(cost.max_rss_mb for cost in costs),
    )


def _once(work: str, arguments: dict[str, Any], limit_s: float) -> Cost:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        answer = Path(name) / "answer.json"
        command = [sys.executable, "-P", "-m", "bench.measure", work, json.dumps(arguments), str(answer)]
        begun_s = time.monotonic()
        child = subprocess.Popen(command, env=_environment(), cwd=name)
        peak_bytes = greatest_bytes = 0
        stopped: list[int] = []
        while True:
            # Not reaped before its memory was looked at: the id stays its own.
            ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                break
            together, single = tree_bytes(child.pid)
            peak_bytes, greatest_bytes = max(peak_bytes, together), max(greatest_bytes, single)
            if not stopped and time.monotonic() > begun_s + limit_s:
                stopped = _tree(child.pid)
                for one in stopped:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(one, signal.SIGKILL)
            time.sleep(SAMPLE_S)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        used_s = usage.ru_utime + usage.ru_stime
        peaks_mb = peak_bytes / BYTES_PER_MB, greatest_bytes / BYTES_PER_MB
        if stopped:
            msg = f"{work} {arguments} had not ended after {limit_s:.0f} s"
            raise UnfinishedError(msg, Cost(time.monotonic() - begun_s, used_s, used_s, *peaks_mb, {}))
        if child.returncode or not answer.exists():
            msg = f"{work} {arguments} ended with code {child.returncode}"
            raise WorkError(msg)
        told = json.loads(answer.read_text())
    greatest_mb = max(peaks_mb[1], told["greatest_bytes"] / BYTES_PER_MB)
    return Cost(told["wall_s"], told["cpu_s"], used_s, peaks_mb[0], greatest_mb, told["told"])


@functools.cache
def _environment() -> dict[str, str]:
    """Return the environment of the children, after everything that they import was compiled once."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONPYCACHEPREFIX": str(COMPILED)}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run([sys.executable, "-P", "-c", f"import {', '.join(IMPORTED)}"], env=found, check=True)
    return found


def tree_bytes(pid: int) -> tuple[int, int]:
    """Look at the memory of a process and everything below it; zeros once it is gone.

    Args:
        pid: the process.

    Returns:
        Sum of the proportional set sizes now; the greatest resident set that one of them had so far [bytes].
    """
    found = _tree(pid)
    together = sum(_state_bytes(one, "smaps_rollup", "Pss:") for one in found)
    # Not ru_maxrss: a process begins with that of the one that started it.
    return together, max(_state_bytes(one, "status", "VmHWM:") for one in found)


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:  # grows while it is walked
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in children.read_text().split()]
    return found


def _state_bytes(pid: int, name: str, label: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
            if line.startswith(label):
                return int(line.split()[1]) * 1024
    return 0


def main() -> None:
    """Be the child: do the work and write what it cost."""
    work, arguments, answer = sys.argv[1:]
    module, _, name = work.partition(":")
    function: Callable[..., dict[str, Any]] = getattr(import_module(module), name)
    meter = Meter()
    told = function(meter, **json.loads(arguments))
    greatest_bytes = _state_bytes(os.getpid(), "status", "VmHWM:")
    figures = {"wall_s": meter.wall_s, "cpu_s": meter.cpu_s, "greatest_bytes": greatest_bytes, "told": told}
    Path(answer).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()

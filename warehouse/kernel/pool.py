"""Many hour files: one after another here, or several at a time in worker processes.

What belongs here: starting workers, handing out tasks, bounding what is under way, ending. What must not be here: the
work itself (``hour``) and the loop of the child (``worker``).
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from warehouse.kernel.arrow import numbers
from warehouse.kernel.intervals import Ints
from warehouse.kernel.rules import MS_PER_HOUR, KernelError, Rules
from warehouse.kernel.worker import integrate, read_message, write_message

# A worker costs 0.3 s of CPU to start and to send its results; a process integrates so many rows in a second. Below it,
# two workers save 0.3 s of waiting at 0.6 s of CPU (bench/RESULTS.md, 86M rows).
ROWS_WORTH_A_WORKER = 60_000_000
# Results that may wait for their turn, beside one for each worker.
WAITING_N = 2
# Arithmetic libraries would otherwise make memory and threads ready for every processor.
_SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(frozen=True)
class HourTask:
    """One hour file to integrate.

    Attributes:
        path: the hour file.
        series: its ledger (SERIES_SCHEMA), in file order.
        hour_ms: start of the hour [epoch ms].
        cuts: times at which energy is divided, by host, ascending [epoch ms].
        key: what the caller knows the task by.
    """

    path: Path
    series: pa.Table
    hour_ms: int
    cuts: Mapping[str, Ints]
    key: str = ""


def run_hours(
    tasks: Sequence[HourTask], rules: Rules, *, processes: int | None = None
) -> Iterator[tuple[HourTask, pa.Table]]:
    """Integrate hour files; see ``hour_segments``.

    Few results are held at a time, whatever the number of tasks. Workers end with the iteration, also when it is given
    up or interrupted.

    Args:
        tasks: the files.
        rules: the parameters.
        processes: worker processes; with 1, all is done in this process. By default as many as the rows are worth and
            the machine has processors.

    Yields:
        Each task with its segments (SEGMENT_SCHEMA), in the order of the tasks.

    Raises:
        KernelError: if a file cannot be integrated or a worker dies; the message names the file.
    """
    wanted = processes or _worthwhile(tasks)
    count = min(wanted, len(tasks))
    if count <= 1:
        for task in tasks:
            yield task, integrate(task.path, task.series, task.hour_ms, dict(task.cuts), rules)
        return
    with _Pool(count, rules) as pool:
        under_way: deque[tuple[HourTask, Future[pa.Table]]] = deque()
        for task in tasks:
            under_way.append((task, pool.submit(task)))
            if len(under_way) >= count + WAITING_N:
                first, result = under_way.popleft()
                yield first, result.result()
        while under_way:
            first, result = under_way.popleft()
            yield first, result.result()


def _worthwhile(tasks: Sequence[HourTask]) -> int:
    rows_n = sum(int(numbers(task.series["rows_n"]).sum()) for task in tasks)
    return max(1, min(rows_n // ROWS_WORTH_A_WORKER, len(os.sched_getaffinity(0))))


class _Worker:
    """One child and the pipes to it."""

    def __init__(self, rules: Rules) -> None:
        package = str(Path(__file__).resolve().parents[2])
        known = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from warehouse.kernel.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | _SINGLE | {"PYTHONPATH": os.pathsep.join(known)},
            process_group=0,  # Ctrl-C at the terminal is for the parent, also while the child still starts
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        with contextlib.suppress(OSError):  # a child that died is noticed with its first task
            self._requests.write(json.dumps(rules.to_dict()).encode() + b"\n")

    def run(self, task: HourTask) -> pa.Table:
        """Have a task done.

        Raises:
            KernelError: if it cannot be done, or the child died of it.
        """
        head = {"path": str(task.path), "hour_ms": task.hour_ms, "cuts": _cuts_inside(task)}
        try:
            write_message(self._requests, head, task.series)
            reply = read_message(self._replies)
        except (OSError, pa.ArrowException):
            reply = None
        if reply is None:
            self.end()
            code = self._process.returncode
            msg = f"hour file {task.path}: its worker process ended with code {code}; try again with fewer processes"
            raise KernelError(msg)
        answer, table = reply
        if "error" in answer:
            raise KernelError(answer["error"])
        return table

    def end(self) -> None:
        """End the child at once and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Close the pipes of a child that has ended."""
        with contextlib.suppress(OSError):
            self._requests.close()
        self._replies.close()


def _cuts_inside(task: HourTask) -> dict[str, list[int]]:
    bounds = (task.hour_ms, task.hour_ms + MS_PER_HOUR)
    found = {}
    for host, times in task.cuts.items():
        low, high = times.searchsorted(bounds)
        found[host] = times[low:high].tolist()
    return found


class _Pool:
    """Workers, and for each a thread that waits for its answers."""

    def __init__(self, count: int, rules: Rules) -> None:
        self._workers: list[_Worker] = []
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(count, "kernel")
        try:
            for _ in range(count):
                self._workers.append(_Worker(rules))
                self._idle.put(self._workers[-1])
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> _Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def submit(self, task: HourTask) -> Future[pa.Table]:
        return self._threads.submit(self._run, task)

    def _run(self, task: HourTask) -> pa.Table:
        worker = self._idle.get()
        try:
            return worker.run(task)
        finally:
            self._idle.put(worker)

    def _end(self) -> None:
        # First the children: a thread that waits for an answer then sees the end of the stream.
        for worker in self._workers:
            worker.end()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.close()

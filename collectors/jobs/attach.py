"""Measuring a process that asked for it: the sampler beside ``track``, in a process of its own.

What belongs here: how the end of the tracked process is heard. What must not be here: the tracked side
(``tracking``), or the course of a job (``execute``).

The tracked process holds a pipe. A last line says how the job ended; if the pipe closes without one, or the parent is
gone, the process died, and the job is interrupted. The sampler outlives whatever kills it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from .execute import ExecResult, measure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ..agent.loop import SamplingLoop
    from .job import Job

STATES = ("completed", "failed", "cancelled")
READY = "ready"
_PARENT_CHECK_S = 0.5


class Parent:
    """The process that is tracked, as seen from its sampler."""

    exit_code: int | None = None

    def __init__(self, words: int, pid: int) -> None:
        """Listen to a process.

        Args:
            words: descriptor of the pipe on which it says how it ended.
            pid: its process id.
        """
        self._words, self._pid = words, pid
        self._state = "interrupted"
        self.ended = threading.Event()

    def start(self, tell: Callable[[str], None]) -> None:
        """Say that the first sample is taken, and listen."""
        try:
            sys.stdout.write(READY + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            tell("the tracked process does not listen")
        for work in (self._listen, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def state(self) -> str:
        """Return the final state of the job."""
        return self._state

    def _listen(self) -> None:
        # Not through a buffered file: its lock would be held here when the interpreter ends.
        line = b""
        while b"\n" not in line and (part := os.read(self._words, 4096)):
            line += part
        try:
            said = json.loads(line)
            if said["state"] in STATES:
                self._state = said["state"]
        except (ValueError, KeyError, TypeError):
            pass
        self.ended.set()

    def _watch(self) -> None:
        # Forked workers of the tracked process may hold the pipe open after its death.
        while not self.ended.wait(_PARENT_CHECK_S):
            if os.getppid() != self._pid:
                self.ended.set()


def run_attached(job: Job, loop: SamplingLoop, report: Path, parent_pid: int) -> ExecResult:
    """Measure the parent process as a job until it says that it ended, or is gone.

    Signals do not end the sampler: the end of a job on a cluster sends them to every process, and the tracked one may
    need its time.

    Args:
        job: attributes of the job.
        loop: the sampling loop.
        report: file in which the parent reports about itself.
        parent_pid: process id of the parent.
    """
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    return measure(Parent(sys.stdin.fileno(), parent_pid), job, loop, report)

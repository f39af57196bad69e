"""The short-lived process that turns journals into landing files, so that the long-lived one never loads Parquet.

What belongs here: starting it, its limits, and what it reports. What must not be here: what it does (``land``).
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .._process import python_command

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

LIMIT_S = 600.0
"""Longest time that landing may take before it is given up and tried again at the next occasion [s]."""
# One thread each: the work is small, and every thread of a pool costs memory on somebody else's host.
_ENVIRON = {"ARROW_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class LandingReport(NamedTuple):
    """What became of the journals.

    Attributes:
        landed: files that were written or were there already.
        landed_n: how many.
        waiting: journals that could not be landed and wait.
        problems: what went wrong, one sentence each.
        has_loss: whether rows are lost for good.
    """

    landed: tuple[str, ...] = ()
    landed_n: int = 0
    waiting: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    has_loss: bool = False

    def with_loss(self) -> LandingReport:
        """Return the same with ``has_loss``."""
        return self._replace(has_loss=True)

    @classmethod
    def from_json(cls, text: bytes) -> LandingReport:
        """Return a report that ``land`` printed.

        Raises:
            ValueError: if it is none.
        """
        found: dict[str, Any] = json.loads(text)
        return cls(tuple(found["landed"]), int(found["landed_n"]), tuple(found["waiting"]), tuple(found["problems"]))


class Watcher(Protocol):
    """Who wants to know of the process, for example because its CPU time is no job's."""

    def began(self, pid: int) -> None:
        """Hear that a process was started."""
        ...

    def ended(self, pid: int) -> None:
        """Hear that it has ended; what the kernel knows of it can still be read."""
        ...


class LandingChild:
    """Starts landing, now and then, and hears what became of it.

    Attributes:
        failing: what went wrong the last time, or ``None``.
        watcher: who is told when a process that ``start`` started begins and ends, or ``None``.
    """

    def __init__(self, landing: str, host: str, tell: Callable[[str], None], *, limit_s: float = LIMIT_S) -> None:
        """Name where journals are landed; nothing is started.

        Args:
            landing: landing folder or address of an object store.
            host: host whose journals are landed.
            tell: where trouble is told.
            limit_s: longest time that it may take [s].
        """
        self._landing, self._host, self._tell, self._limit_s = landing, host, tell, limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._began_s = 0.0
        self.failing: str | None = None
        self.watcher: Watcher | None = None

    def start(self, spool: Path) -> None:
        """Begin to land the journals of a folder, unless that is going on already."""
        if self._process is None:
            try:
                self._process = self._popen(spool, "counts")
            except OSError as error:
                self._note((f"cannot start landing: {error.strerror}",))
                return
            if self.watcher is not None:
                self.watcher.began(self._process.pid)

    def poll(self) -> None:
        """Hear from the process if it has ended; end it if it takes too long, and hear from it at the next call."""
        process = self._process
        if process is None:
            return
        if _is_running(process.pid):
            if time.monotonic() - self._began_s >= self._limit_s:
                process.kill()
            return
        if self.watcher is not None:
            self.watcher.ended(process.pid)
        self._process = None
        self._heard(process)

    def run(self, spool: Path) -> LandingReport:
        """Land the journals of a folder and wait until it is done."""
        if self._process is not None:
            before, self._process = self._process, None
            self._heard(before)
        try:
            return self._heard(self._popen(spool, "full"))
        except OSError as error:
            problem = f"cannot start landing: {error.strerror}"
            self._note((problem,))
            return LandingReport(waiting=tuple(str(path) for path in spool.glob("*.journal")), problems=(problem,))

    def _popen(self, spool: Path, report: str) -> subprocess.Popen[bytes]:
        import subprocess

        command = python_command("spool.land")
        command += ["--spool", str(spool), "--landing", self._landing, "--host", self._host, "--report", report]
        self._began_s = time.monotonic()
        return subprocess.Popen(
            command,
            env={**os.environ, **_ENVIRON},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            # A session of its own: Ctrl-C on the terminal must not end landing in the middle.
            start_new_session=True,
        )

    def _heard(self, process: subprocess.Popen[bytes]) -> LandingReport:
        import subprocess

        try:
            output, _ = process.communicate(timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        try:
            report = LandingReport.from_json(output)
        except (ValueError, KeyError, TypeError):
            report = LandingReport(problems=(f"landing ended with code {process.returncode} and said nothing",))
        self._note(report.problems)
        return report

    def _note(self, problems: tuple[str, ...]) -> None:
        if problems and self.failing is None:
            self._tell(f"{problems[0]}; journals are kept and landed at the next occasion")
        elif not problems and self.failing is not None:
            self._tell("landing works again")
        self.failing = problems[0] if problems else None


def _is_running(pid: int) -> bool:
    """Return whether a child runs; one that has ended stays there to be reaped."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:  # somebody ignores SIGCHLD, and the kernel reaped it
        return False

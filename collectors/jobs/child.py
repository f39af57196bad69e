"""The measured command as a child process: its start, its end, and the signals that are passed on to it.

What belongs here: process and signal handling. What must not be here: sampling, jobs, or files.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType


class Measured(Protocol):
    """What a job is: something that starts, ends and says how."""

    ended: threading.Event

    @property
    def exit_code(self) -> int | None:
        """Exit code, ``None`` where there is none."""
        ...

    def start(self, tell: Callable[[str], None]) -> None:
        """Start it, after the first sample."""
        ...

    def state(self) -> str:
        """Return the final state of the job."""
        ...


EXIT_NOT_FOUND, EXIT_NOT_EXECUTABLE, EXIT_SIGNAL = 127, 126, 128  # as shells do


class Child:
    """The measured command: its process, its end, and the signals that are passed on to it."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        join: Callable[[], None] | None = None,
        before_signal: Callable[[], None] | None = None,
    ) -> None:
        """Name the command.

        Args:
            command: program and arguments.
            environ: its environment.
            join: called in the new process before the command runs, for example to enter a control group.
            before_signal: called before a signal is passed on to it, in a signal handler; it must be short.
        """
        self._command, self._environ, self._join = list(command), dict(environ), join
        self._before_signal = before_signal
        self._process: subprocess.Popen[bytes] | None = None
        self._signals: list[int] = []
        self._pending: list[int] = []
        self.ended = threading.Event()
        self.exit_code = 0

    def start(self, tell: Callable[[str], None]) -> None:
        """Start the command; one that cannot be started ends at once with the exit code that shells use."""
        try:
            self._process = subprocess.Popen(self._command, env=self._environ, preexec_fn=self._join)
        except OSError as error:
            tell(f"cannot start {self._command[0]!r}: {error}")
            self.exit_code = EXIT_NOT_FOUND if isinstance(error, FileNotFoundError) else EXIT_NOT_EXECUTABLE
            self.ended.set()
            return
        while self._pending:
            self._process.send_signal(self._pending.pop(0))
        threading.Thread(target=self._wait, name="wattledger-child", daemon=True).start()

    def state(self) -> str:
        """Return the final state of the job."""
        if self.exit_code == 0:
            return "completed"
        return "cancelled" if self._signals else "failed"

    @contextlib.contextmanager
    def signals_passed_through(self) -> Iterator[None]:
        """Pass SIGTERM and SIGINT on to the command instead of dying of them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {signum: signal.signal(signum, self._pass_on) for signum in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _pass_on(self, signum: int, _frame: FrameType | None) -> None:
        self._signals.append(signum)
        # A terminal sends Ctrl-C to the command as well; a second one makes many programs give up at once.
        if signum == signal.SIGINT and _in_foreground():
            return
        if self._process is None:
            self._pending.append(signum)
        else:
            if self._before_signal is not None:
                self._before_signal()
            self._process.send_signal(signum)

    def _wait(self) -> None:
        process = self._process
        code = process.wait() if process is not None else 0
        self.exit_code = EXIT_SIGNAL - code if code < 0 else code
        self.ended.set()


def _in_foreground() -> bool:
    """Return whether the terminal's Ctrl-C reaches this process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)

"""Reading a server in a thread of its own, so that the samples of power are never late for it.

What belongs here: the thread, its pace, and handing each reading over once. What must not be here: what is read.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..sources.http_client import HttpError

if TYPE_CHECKING:
    from ..clock import Clock
    from .server import WorkReading, WorkServer

_MS_PER_S = 1_000


class WorkPoller:
    """One server, read at whole multiples of its interval: at whole minutes too, where it divides a minute."""

    def __init__(self, server: WorkServer, every_s: float, *, clock: Clock, is_threaded: bool = True) -> None:
        """Take over a server; its thread starts with ``start``.

        Args:
            server: the server; only the poller reads it.
            every_s: time between two readings [s].
            clock: where the time comes from.
            is_threaded: whether there is a thread; tests call ``poll`` themselves.
        """
        self._server, self._every_ms, self._clock = server, max(round(every_s * _MS_PER_S), 1), clock
        self._ready: list[WorkReading | str] = []
        # Reentrant: a signal handler may want a reading while its thread takes what is ready.
        self._lock, self._reading = threading.RLock(), threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wattledger-work", daemon=True) if is_threaded else None

    def start(self) -> None:
        """Begin to read."""
        if self._thread is not None and not self._thread.is_alive() and not self._stop.is_set():
            self._thread.start()

    def ready(self) -> list[WorkReading | str]:
        """Return what was read since the last call, in order: a reading, or why there is none."""
        with self._lock:
            ready, self._ready = self._ready, []
        return ready

    def poll(self, at_most_s: float | None = None) -> None:
        """Read the server once.

        Args:
            at_most_s: a shorter time than usual [s].
        """
        if not self._reading.acquire(timeout=-1 if at_most_s is None else at_most_s):
            return  # the reading that goes on says the same
        try:
            found: WorkReading | str
            try:
                found = self._server.read() if at_most_s is None else self._server.read(at_most_s)
            except HttpError as error:
                found = str(error)
            except Exception as error:  # noqa: BLE001 - whatever it answers, it is asked again
                found = f"{type(error).__name__} {error}"
            with self._lock:
                self._ready.append(found)
        finally:
            self._reading.release()

    def close(self) -> None:
        """End the thread and release the server."""
        self._stop.set()
        if self._thread is not None and self._thread.is_alive():
            self._thread.join(1.0)
        self._server.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.poll()
            wait_ms = self._every_ms - self._clock.now_ms() % self._every_ms
            self._stop.wait(wait_ms / _MS_PER_S)

"""The work of all servers of a configuration, beside the samples of power.

What belongs here: when readings become rows, when rows may go to a journal, and who counts where several could. What
must not be here: HTTP, counters, the journal itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..agent.sampling import SamplerLock
from ..clock import NS_PER_MS, SystemClock
from .poller import WorkPoller
from .rows import ServerWork
from .server import WorkServer
from .state import WorkState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..clock import Clock, Tick
    from .options import WorkSettings


LAST_WORDS_S = 1.0
"""Longest time for the last reading of a server that is about to be ended [s]."""


class WorkMeter:
    """Counts the work of some servers.

    ``take`` is called at every tick, ``to_sync`` before the journal is synced, ``synced`` after it.
    """

    def __init__(
        self,
        settings: Sequence[WorkSettings],
        *,
        host: str,
        state_dir: Path | None,
        tell: Callable[[str], None],
        clock: Clock | None = None,
        since_ms: int | None = None,
        is_threaded: bool = True,
    ) -> None:
        """Name the servers; nothing is read yet.

        Args:
            settings: the servers, each address once.
            host: name of this host.
            state_dir: folder of what outlives this process; ``None`` if nothing does, because the work is one job's.
            tell: where trouble is told.
            clock: where the time comes from.
            since_ms: see ``ServerCounters``.
            is_threaded: whether servers are read in threads; tests call ``poll`` themselves.
        """
        clock = clock or SystemClock()
        self._tell = tell
        self._works = [ServerWork(options, host=host, tell=tell, since_ms=since_ms) for options in settings]
        self._pollers = [
            WorkPoller(
                WorkServer(options, monotonic_ns=clock.monotonic_ns),
                options.every_s,
                clock=clock,
                is_threaded=is_threaded,
            )
            for options in settings
        ]
        self._state = None if state_dir is None else WorkState(state_dir, host)
        self._lock = None if state_dir is None else SamplerLock(state_dir, host, name="work")
        self._is_counting = False
        self._is_changed = False
        self._is_saved = True
        self._new: list[dict[str, Any]] = []
        self._unsynced: list[dict[str, Any]] = []

    @property
    def failing_n(self) -> int:
        """Servers whose last reading gave nothing."""
        return sum(work.failing is not None for work in self._works)

    @property
    def resets_n(self) -> int:
        """How often counters began again since the start of this process."""
        return sum(work.resets_n for work in self._works)

    def take(self, tick: Tick) -> None:
        """Take what was read since the last tick, and begin to read if no other collector of this host does.

        Args:
            tick: this moment.
        """
        if not self._is_counting:
            if self._lock is not None and not self._lock.try_acquire():
                return
            self._begin()
        for poller, work in zip(self._pollers, self._works, strict=True):
            for found in poller.ready():
                age_ms = 0 if isinstance(found, str) else (tick.monotonic_ns - found.taken_ns) // NS_PER_MS
                self._new += work.take(tick.ts_ms - max(age_ms, 0), found)
                self._is_changed = True

    def to_sync(self, *, end: bool = False) -> list[dict[str, Any]]:
        """Return the rows that may go to the journal now: those that a later process knows of.

        Args:
            end: whether this is the end; rows that are open are ended.
        """
        if end:
            self._new += [row for work in self._works for row in work.close()]
            self._is_changed = True
        if not self._is_changed:
            return []
        if not self._save(self._unsynced + self._new):
            return []
        new, self._new = self._new, []
        self._unsynced += new
        self._is_changed = False
        return new

    def synced(self, *, end: bool = False) -> None:
        """Hear that all rows given so far are on disk.

        Args:
            end: whether this is the end, after which nothing is saved any more.
        """
        self._unsynced = []
        if end and not self._new:
            self._save([])

    def poll(self, at_most_s: float | None = None) -> None:
        """Read every server once, now.

        Args:
            at_most_s: longest time for each [s].
        """
        for poller in self._pollers:
            poller.poll(at_most_s)

    def poll_at_once(self) -> None:
        """Read every server once more, because it is about to end; it may be called in a signal handler."""
        self.poll(LAST_WORDS_S)

    def close(self) -> None:
        """End the threads and let another collector of this host count."""
        for poller in self._pollers:
            poller.close()
        if self._lock is not None:
            self._lock.release()
        self._is_counting = False

    def _begin(self) -> None:
        self._is_counting = True
        if self._state is not None:
            try:
                state = self._state.load()
            except (OSError, ValueError) as error:
                self._tell(str(error))
                state = {}
            servers = state.get("servers")
            servers = dict(servers) if isinstance(servers, dict) else {}
            rows = state.get("rows")
            self._new += [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
            for work in self._works:
                self._new += work.resume(servers.pop(work.options.url, None))
            self._is_changed = bool(self._new)
        for poller in self._pollers:
            poller.start()

    def _save(self, rows: list[dict[str, Any]]) -> bool:
        """Save what a later process needs; True if it is on disk."""
        if self._state is None:
            return True
        servers = {work.options.url: work.state() for work in self._works}
        try:
            self._state.save({"servers": servers, "rows": rows})
        except OSError as error:
            if self._is_saved:
                self._tell(f"cannot write {self._state.path}: {error.strerror or error}; rows of work wait in memory")
            self._is_saved = False
            return False
        self._is_saved = True
        return True

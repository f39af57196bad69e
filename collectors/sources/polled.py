"""Sources that answer slowly: read in a thread of their own, so that the schedule of the others is not theirs.

What belongs here: the thread, its pace, and handing each reading over once. What must not be here: any such source.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ..clock import NS_PER_S
from .common import PowerSource, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from .common import Device, LeftOut, MonotoneCounter


class PolledSource(PowerSource):
    """A slow source, for example a management controller that is asked over the network.

    Its readings carry the moment at which they were taken. Between two of them there is nothing to say, and ``read``
    returns nothing. A source that hangs costs its own readings only.
    """

    def __init__(
        self, source: PowerSource, every_s: float, *, monotonic_ns: Callable[[], int], is_threaded: bool = True
    ) -> None:
        """Take over a source; its thread starts at the first ``read``.

        Args:
            source: the source; its ``read`` is called by the thread only.
            every_s: time between two readings [s].
            monotonic_ns: the monotonic clock [ns].
            is_threaded: whether there is a thread; tests call ``poll`` themselves.
        """
        self.name, self.kinds = source.name, source.kinds
        self.unavailable_reason, self.fix = source.unavailable_reason, source.fix
        self._source, self._every_ns, self._monotonic_ns = source, int(every_s * NS_PER_S), monotonic_ns
        self._ready: list[Reading] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"wattledger-{source.name}", daemon=True)
        self._is_started = not is_threaded

    def devices(self) -> list[Device]:
        """Return the devices of the source."""
        return self._source.devices()

    def counters(self) -> dict[str, MonotoneCounter]:
        """Return the counters of the source by device id."""
        return self._source.counters()

    def covers(self) -> set[str]:
        """Return the kinds of device whose energy the source reads."""
        return self._source.covers()

    def left_out(self) -> list[LeftOut]:
        """Return what the source saw and does not read."""
        return self._source.left_out()

    def leave_out(self, kinds: Collection[str], reason: str) -> None:
        """Let the source cease to read some kinds of device."""
        self._source.leave_out(kinds, reason)
        self.unavailable_reason, self.fix = self._source.unavailable_reason, self._source.fix

    def trouble(self) -> str | None:
        """Return what went wrong at the source's last reading."""
        return self._source.trouble()

    def read(self) -> list[Reading]:
        """Return what was read since the last call, each reading once."""
        if not self._is_started:
            self._is_started = True
            self._thread.start()
        with self._lock:
            ready, self._ready = self._ready, []
        return ready

    def poll(self) -> None:
        """Read the source once."""
        taken_ns = self._monotonic_ns()
        readings = self._source.read()
        # The middle of the call is the best guess at when a slow answer was true; what says its own moment is believed.
        taken_ns += (self._monotonic_ns() - taken_ns) // 2
        stamped = [item if item.taken_ns is not None else item._replace(taken_ns=taken_ns) for item in readings]
        with self._lock:
            self._ready += stamped
        self.fix = self._source.fix

    def close(self) -> None:
        """End the thread and release the source."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(1.0)
        self._source.close()

    def _run(self) -> None:
        due_ns = self._monotonic_ns()
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception:  # noqa: BLE001 - a source should not raise, and if it does, it is asked again
                now_ns = self._monotonic_ns()
                failed = [Reading(item.id, gap_reason="read_failed", taken_ns=now_ns) for item in self.devices()]
                with self._lock:
                    self._ready += failed
            behind_ns = max(self._monotonic_ns() - due_ns, 0)
            due_ns += (behind_ns // self._every_ns + 1) * self._every_ns
            self._stop.wait((due_ns - self._monotonic_ns()) / NS_PER_S)

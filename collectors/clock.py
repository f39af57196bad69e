"""Clocks of the collectors: the system's, and the tick clock that shields samples from steps of the wall clock.

What belongs here: reading time and the boot id. What must not be here: anything that knows devices, jobs or files.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
import uuid
from pathlib import Path
from typing import NamedTuple, Protocol

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
CLOCK_STEP_MS = 1_000
"""A disagreement of wall and monotonic clock above this is a step [ms]; NTP slews smaller ones away."""

# Since boot and through suspend, so that a laptop's sleep is time that passed; CLOCK_MONOTONIC where there is no other.
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Waitable(Protocol):
    """What can end a sleep: ``threading.Event``, or the cheaper ``Wake``."""

    def wait(self, timeout: float) -> bool:
        """Wait until it is set, at most for some time [s]; True if it is set."""
        ...


class Wake:
    """An event for one thread and its signal handlers, which costs half of what ``threading.Event`` does a wait."""

    def __init__(self) -> None:
        """Make an event that is not set."""
        self._is_set = False
        self._end, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._poll = select.poll()
        self._poll.register(self._end, select.POLLIN)

    def set(self) -> None:
        """Set it for good; may be called from a signal handler."""
        self._is_set = True
        with contextlib.suppress(OSError):
            os.write(self._write, b"1")

    def wait(self, timeout: float) -> bool:
        """Wait until it is set, at most for some time [s]; True if it is set."""
        if not self._is_set:
            self._poll.poll(timeout * 1000)
        return self._is_set


class Clock(Protocol):
    """What the collectors need of time; tests put a fake in its place."""

    def now_ms(self) -> int:
        """Return the wall clock [epoch ms, UTC]."""
        ...

    def monotonic_ns(self) -> int:
        """Return a clock that never goes back [ns since an arbitrary origin]."""
        ...

    def sleep_until(self, monotonic_ns: int, wake: Waitable | None = None) -> bool:
        """Sleep until the monotonic clock reaches a deadline or the event is set.

        Args:
            monotonic_ns: deadline on the monotonic clock [ns]; in the past means no sleep.
            wake: event that ends the sleep early.

        Returns:
            True if the event is set.
        """
        ...


class SystemClock:
    """The clocks of this machine."""

    def now_ms(self) -> int:
        """Return the wall clock [epoch ms, UTC]."""
        return time.time_ns() // NS_PER_MS

    def monotonic_ns(self) -> int:
        """Return the time since boot, suspend included [ns]."""
        return time.clock_gettime_ns(_MONOTONIC)

    def sleep_until(self, monotonic_ns: int, wake: Waitable | None = None) -> bool:
        """Sleep until a deadline on the monotonic clock [ns], or until the event is set; True if it is set."""
        remaining_s = (monotonic_ns - self.monotonic_ns()) / NS_PER_S
        if wake is not None:
            return wake.wait(max(remaining_s, 0.0))
        if remaining_s > 0:
            time.sleep(remaining_s)
        return False


class Tick(NamedTuple):
    """One moment of the sampling schedule, shared by all devices.

    Attributes:
        ts_ms: stamp of the moment [epoch ms, UTC], strictly larger than the one before.
        monotonic_ns: the same moment on the monotonic clock [ns].
        stepped: whether the wall clock was set by more than a second since the tick before.
    """

    ts_ms: int
    monotonic_ns: int
    stepped: bool = False


class TickClock:
    """Stamps that follow the monotonic clock from one reading of the wall clock.

    A wall clock that is set back changes nothing but that one tick is marked ``stepped``: stamps never run back over
    those that were given. One that is set forth is followed at the next occasion, see ``follow_forward``.

    Attributes:
        offset_ms: stamps ahead of the wall clock at the last tick [ms].
    """

    def __init__(self, clock: Clock) -> None:
        """Read both clocks once, as one pair.

        Args:
            clock: where the time comes from.
        """
        self._clock = clock
        self._last_ms = 0
        self.offset_ms = 0
        self._anchor_ns = clock.monotonic_ns()
        self._anchor_ms = clock.now_ms()

    def tick(self) -> Tick:
        """Return the stamp of this moment."""
        monotonic_ns = self._clock.monotonic_ns()
        derived_ms = self._derived_ms(monotonic_ns)
        offset_ms = derived_ms - self._clock.now_ms()
        stepped = abs(offset_ms - self.offset_ms) > CLOCK_STEP_MS
        if stepped:
            self.offset_ms = offset_ms
        self._last_ms = max(derived_ms, self._last_ms + 1)
        return Tick(self._last_ms, monotonic_ns, stepped)

    def follow_forward(self) -> None:
        """Take over a step of the wall clock into the future; one into the past is never followed.

        For processes that run for months, between two flushes. The tick that saw the step is already marked.
        """
        if self.offset_ms < -CLOCK_STEP_MS:
            self._anchor_ms -= self.offset_ms
            self.offset_ms = 0

    def state(self) -> list[int]:
        """Return what another process of this boot needs to go on with the same stamps."""
        return [self._anchor_ns, self._anchor_ms, self._last_ms]

    def resume(self, state: object) -> None:
        """Go on with the stamps of an earlier process of this boot, so that none is given twice.

        Args:
            state: what ``state`` returned there; anything else changes nothing.
        """
        if not (isinstance(state, list) and len(state) == 3 and all(isinstance(value, int) for value in state)):
            return
        now_ns = self._clock.monotonic_ns()
        anchor_ns, anchor_ms, last_ms = state
        if anchor_ns > now_ns:
            return
        self._anchor_ns, self._anchor_ms = anchor_ns, anchor_ms
        self._last_ms = max(self._last_ms, last_ms)
        self.offset_ms = self._derived_ms(now_ns) - self._clock.now_ms()
        self.follow_forward()

    def _derived_ms(self, monotonic_ns: int) -> int:
        return self._anchor_ms + (monotonic_ns - self._anchor_ns) // NS_PER_MS


def procfs_root() -> Path:
    """Return the root of procfs: ``WATTLEDGER_PROCFS_ROOT`` or ``/proc``."""
    return Path(os.environ.get("WATTLEDGER_PROCFS_ROOT") or "/proc")


def boot_id(root: Path | None = None) -> str:
    """Return the id of this boot, or a random one where the kernel tells none.

    Args:
        root: root of procfs; by default ``WATTLEDGER_PROCFS_ROOT`` or ``/proc``.
    """
    path = (root or procfs_root()) / "sys" / "kernel" / "random" / "boot_id"
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        text = ""
    return text[:64] or str(uuid.uuid4())

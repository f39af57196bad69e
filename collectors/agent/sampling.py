"""Sampling a host: readings of all sources at a tick, and one sampler a host.

What belongs here: what one tick gives to the spool, and the lock between collectors. What must not be here: schedules,
children, command lines, files of rows, or how a device is read.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Any

from ..clock import NS_PER_MS
from ..landing.stores import host_hash
from ..sources.common import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..clock import Tick
    from ..sources.common import Device, PowerSource
    from ..spool.spool import Spool


class Sampler:
    """Reads all sources of the host at a tick.

    Attributes:
        devices: devices by id.
        latest: newest reading by device id, with its stamp [epoch ms].
        measured: whether a device gave a measured value so far, not only estimates.
        samples_n: samples taken so far.
    """

    def __init__(self, sources: Sequence[PowerSource], spool: Spool) -> None:
        """Take stock of the devices.

        Args:
            sources: sources to read.
            spool: where the samples go.
        """
        self._sources = list(sources)
        self._spool = spool
        self._numbers: dict[str, int] = {}
        self.devices: dict[str, Device] = {}
        self.latest: dict[str, tuple[int, Reading]] = {}
        self.measured = False
        self.samples_n = 0
        self._take_stock()

    def _take_stock(self) -> None:
        for source in self._sources:
            for device in source.devices():
                if self.devices.get(device.id) != device:
                    self.devices[device.id] = device
                    self._numbers[device.id] = self._spool.number_of(device)

    def sample(self, tick: Tick) -> int:
        """Give one sample a device to the spool, stamped with the tick; return how many.

        Args:
            tick: the moment.
        """
        before = self.samples_n
        for source in self._sources:
            try:
                readings = source.read()
            except Exception:  # noqa: BLE001 - a source should not raise, and if it does, only it is lost
                readings = [Reading(device.id, gap_reason="read_failed") for device in source.devices()]
            for reading in readings:
                if reading.device_id not in self._numbers:
                    self._take_stock()
                self._give(tick, reading)
        return self.samples_n - before

    def _give(self, tick: Tick, reading: Reading) -> None:
        name, power_mw, energy_mj, session, util_percent, gap_reason, source, taken_ns = reading
        device = self.devices[name]
        ts_ms = tick.ts_ms
        if taken_ns is not None:
            ts_ms -= max(tick.monotonic_ns - taken_ns, 0) // NS_PER_MS
        if tick.stepped and gap_reason is None:
            gap_reason = "clock_step"
        self._spool.add_sample(
            ts_ms,
            self._numbers[name],
            power_mw,
            energy_mj,
            session,
            util_percent,
            gap_reason,
            source or device.source,
        )
        self.samples_n += 1
        self.latest[name] = (ts_ms, reading)
        if not (self.measured or device.is_estimate or (power_mw is None and energy_mj is None)):
            self.measured = True

    def state(self) -> dict[str, Any]:
        """Return the state of all counters, for the next collector of this boot."""
        return {
            name: state
            for source in self._sources
            for name, counter in source.counters().items()
            if (state := counter.state()) is not None
        }

    def resume(self, state: object) -> None:
        """Go on with the counters of an earlier collector of this boot.

        Args:
            state: what ``state`` returned there; anything else changes nothing.
        """
        if isinstance(state, dict):
            for source in self._sources:
                for name, counter in source.counters().items():
                    counter.resume(state.get(name))


class SamplerLock:
    """Lets one collector of a host sample at a time; the others take over when it ends, however it ends.

    Two collectors that sample the same device would interleave counter sessions, and no two neighbouring samples would
    have a difference.
    """

    def __init__(self, state_dir: Path, host: str, *, name: str = "sampler") -> None:
        """Name the lock; it is not taken yet.

        Args:
            state_dir: folder of the lock file.
            host: host name.
            name: what is locked.
        """
        self._path = state_dir / f"{name}-{host_hash(host)}.lock"
        self._descriptor: int | None = None
        self._held = False

    @property
    def is_held(self) -> bool:
        """Whether this collector samples now."""
        return self._held

    def try_acquire(self) -> bool:
        """Return whether this collector samples now; where no lock can be made, it does."""
        if self._held:
            return True
        try:
            if self._descriptor is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._held = True
        return True

    def release(self) -> None:
        """Let the next collector sample."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._held = None, False

"""The sampling loop: when the host is read, when rows reach the disk, when journals become landing files.

What belongs here: the schedule, and what hangs together at each of its moments. What must not be here: children and
jobs, command lines, how a device is read, or how a file is written.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from ..clock import NS_PER_S, Clock, SystemClock, TickClock
from ..clock import boot_id as read_boot_id
from ..spool.landing_child import LandingChild, LandingReport
from ..spool.spool import MAX_SPOOL_BYTES, Spool
from .assets import AssetMemory
from .sampling import Sampler, SamplerLock
from .state import HostState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..clock import Tick, Waitable
    from ..sources.common import PowerSource
    from ..work.meter import WorkMeter

SYNC_S = 10.0
"""Time between two writes of the journal [s]: the most that a kill can cost."""


class LoopSettings(NamedTuple):
    """How a host is sampled.

    Attributes:
        host: host name in the rows.
        landing: landing folder, or the address of an object store (``s3://bucket/prefix``).
        state_dir: folder of lock, state and, by default, the spool.
        version: version of the collector.
        interval_s: time between two ticks [s].
        sync_s: time between two writes of the journal [s].
        flush_s: time between two landings [s].
        facility: facility id for asset events, if known.
        max_spool_bytes: largest size of the spool [bytes].
    """

    host: str
    landing: str
    state_dir: Path
    version: str
    interval_s: float = 1.0
    sync_s: float = SYNC_S
    flush_s: float = 300.0
    facility: str | None = None
    max_spool_bytes: int = MAX_SPOOL_BYTES


class SamplingLoop:
    """Samples all sources on absolute deadlines of one clock pair and keeps what it sees on disk.

    Attributes:
        settings: how the host is sampled.
        sampler: what reads the sources.
        spool: what holds the rows.
    """

    def __init__(
        self,
        settings: LoopSettings,
        sources: Sequence[PowerSource],
        *,
        clock: Clock | None = None,
        stderr: TextIO | None = None,
        child: LandingChild | None = None,
        work: WorkMeter | None = None,
    ) -> None:
        """Set up the loop; nothing is read yet.

        Args:
            settings: how the host is sampled.
            sources: sources to read at each tick.
            clock: where the time comes from.
            stderr: where trouble is told.
            child: what turns journals into landing files; by default a short-lived process.
            work: what counts the work of inference servers, if anything does.

        Raises:
            ValueError: if a time of the settings is not positive.
        """
        if not (settings.interval_s > 0 and settings.sync_s > 0 and settings.flush_s > 0):
            msg = f"interval_s, sync_s and flush_s must be positive: {settings}"
            raise ValueError(msg)
        self.settings = settings
        self._clock: Clock = clock or SystemClock()
        self._stderr = stderr
        boot = read_boot_id()
        self._interval_ns, self._sync_ns, self._flush_ns = (
            int(seconds * NS_PER_S) for seconds in (settings.interval_s, settings.sync_s, settings.flush_s)
        )
        self._ticks = TickClock(self._clock)
        self._lock = SamplerLock(settings.state_dir, settings.host)
        self._state = HostState(settings.state_dir, settings.host, boot)
        self._assets = AssetMemory(settings.state_dir, settings.host)
        self._asset_rows: list[dict[str, Any]] | None = None
        self._last_ms = 0
        self.spool = Spool(
            settings.state_dir / "spool",
            host=settings.host,
            header={"boot_id": boot, "version": settings.version},
            now_ms=lambda: self._last_ms or self._clock.now_ms(),
            tell=self.tell,
            max_bytes=settings.max_spool_bytes,
        )
        self.sampler = Sampler(sources, self.spool)
        self.work = work
        self.child = child or LandingChild(settings.landing, settings.host, self.tell)
        self._deadline_ns = self._clock.monotonic_ns()
        self._sync_at_ns = self._deadline_ns + self._sync_ns
        self._flush_at_ns = self._deadline_ns + self._flush_ns

    def sample(self) -> Tick:
        """Read every source once, unless another collector of this host does, and return the tick."""
        if not self._lock.is_held and self._lock.try_acquire():
            state = self._state.load()
            self._ticks.resume(state.get("clock"))
            self.sampler.resume(state.get("counters"))
        tick = self._ticks.tick()
        self._last_ms = tick.ts_ms
        if self._lock.is_held:
            self.sampler.sample(tick)
        if self.work is not None:
            self.work.take(tick)
        if self._asset_rows is None:
            devices = self.sampler.devices.values()
            self._asset_rows = self._assets.first_seen(devices, tick.ts_ms, self.settings.facility)
            self.spool.add_rows("asset_event", self._asset_rows)
        return tick

    def wait(self, wake: Waitable) -> bool:
        """Sleep until the next deadline; missed ones are skipped, not made up for.

        Args:
            wake: event that ends the sleep early.

        Returns:
            True if the event is set.
        """
        behind_ns = max(self._clock.monotonic_ns() - self._deadline_ns, 0)
        self._deadline_ns += (behind_ns // self._interval_ns + 1) * self._interval_ns
        return self._clock.sleep_until(self._deadline_ns, wake)

    def keep(self) -> None:
        """Bring to disk what is due, and let journals be landed when it is time; to be called after every tick."""
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._flush_at_ns:
            self._flush_at_ns = now_ns + self._flush_ns
            self._sync_at_ns = now_ns + self._sync_ns
            self._gather()
            self.spool.rotate()
            self._hand_over()
            self.child.start(self.spool.folder)
            self._ticks.follow_forward()
        elif now_ns >= self._sync_at_ns:
            self.sync()
        self.child.poll()

    def sync(self) -> None:
        """Bring to disk what there is."""
        self._sync_at_ns = self._clock.monotonic_ns() + self._sync_ns
        self._gather()
        self.spool.sync()
        self._hand_over()

    def _gather(self, *, end: bool = False) -> None:
        """Give the spool the rows of work that are due; their own state is on disk before them, see ``work.state``."""
        if self.work is not None:
            self.spool.add_rows("work_counter", self.work.to_sync(end=end))

    def _hand_over(self, *, end: bool = False) -> None:
        """Leave the state of counters and clock for the next collector; after the samples, never before them."""
        if self.spool.failing is not None:
            return
        if self.work is not None:
            self.work.synced(end=end)
        with contextlib.suppress(OSError):
            if self._lock.is_held:
                self._state.save({"clock": self._ticks.state(), "counters": self.sampler.state()})
            if self._asset_rows:
                self._assets.remember(self._asset_rows)
                self._asset_rows = []

    def finish(self) -> LandingReport:
        """Bring everything to disk and land it; what cannot be landed stays in the spool, and that is told."""
        self._gather(end=True)
        done = self.spool.rotate(end=True)
        self._hand_over(end=True)
        self._lock.release()
        if self.work is not None:
            self.work.close()
        if not done:
            done = self._rescue()
        report = self.child.run(self.spool.folder)
        if report.waiting:
            self.tell(
                f"{len(report.waiting)} journals are not landed yet; they wait in {self.spool.folder}, and the next "
                "collector of this host lands them"
            )
        return report if done else report.with_loss()

    def _rescue(self) -> bool:
        import tempfile
        from pathlib import Path

        try:
            folder = Path(tempfile.mkdtemp(prefix="wattledger-spool-"))
        except OSError as error:
            self.tell(f"rows are lost: {error.strerror}")
            return False
        if not self.spool.rescue(folder):
            self.tell("rows are lost: there is no folder that can be written")
            return False
        self.tell(f"rows were written to {folder}; `wattledger-collect land --spool {folder}` lands them")
        return True

    def tell(self, message: str) -> None:
        """Say something on standard error; a closed one must not end the run.

        Args:
            message: what to say.
        """
        with contextlib.suppress(OSError, ValueError):
            print(f"wattledger-collect: {message}", file=self._stderr or sys.stderr, flush=True)

    def state(self) -> dict[str, Any]:
        """Return figures about the loop itself, for its metrics."""
        return {
            "samples_n": self.sampler.samples_n,
            "dropped_n": self.spool.dropped_n,
            "spool_failing": self.spool.failing is not None,
            "landing_failing": self.child.failing is not None,
            "clock_offset_ms": self._ticks.offset_ms,
            "work_failing_n": self.work.failing_n if self.work else None,
            "work_resets_n": self.work.resets_n if self.work else None,
        }

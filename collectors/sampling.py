"""The sampling loop's parts: rows from readings, the buffer before landing, and one sampler a host.

What belongs here: turning one tick into rows, holding rows until they are landed, and the lock between collectors. What
must not be here: children, command lines, or how a device is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ._refusal import LandingError
from .landing import LandingWriter, host_hash
from .sources.common import Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .clock import Tick
    from .sources import Device, PowerSource

SAMPLE_COLUMNS = (
    "ts_ms",
    "host",
    "device",
    "kind",
    "parent",
    "point",
    "power_mw",
    "energy_mj",
    "session",
    "util_percent",
    "source",
    "is_estimate",
    "gap_reason",
)
"""Order of a sample's values in the buffer; the columns of ``power_sample``."""
MAX_SAMPLES = 200_000
"""Samples kept while landing cannot be written: about 6 h of 8 devices at 1 Hz, some 60 MB."""
MAX_REJECTS = 100
_DEVICE, _GAP = SAMPLE_COLUMNS.index("device"), SAMPLE_COLUMNS.index("gap_reason")


class LandingBuffer:
    """Holds rows until they are landed; a landing that fails costs nothing but time, until the buffer is full.

    Attributes:
        dropped_n: samples that had to be dropped because the buffer was full.
        landed: files written so far.
    """

    def __init__(self, landing: LandingWriter, *, max_samples: int = MAX_SAMPLES, stderr: TextIO | None = None) -> None:
        """Make an empty buffer.

        Args:
            landing: where the rows go.
            max_samples: samples to hold at most; the oldest are dropped and counted.
            stderr: where trouble is told.
        """
        self._landing = landing
        self._max = max_samples
        self._stderr = stderr
        self._samples: deque[tuple[Any, ...]] = deque()
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._cut: set[str] = set()
        self._failing = False
        self.dropped_n = 0
        self.landed: list[Path] = []

    def __len__(self) -> int:
        """Return the number of rows that wait."""
        return len(self._samples) + sum(len(rows) for rows in self._rows.values())

    def add_samples(self, samples: Sequence[tuple[Any, ...]]) -> None:
        """Add samples, values in the order of ``SAMPLE_COLUMNS``.

        Args:
            samples: one tuple a device.
        """
        self._samples.extend(samples)
        while len(self._samples) > self._max:
            self._cut.add(self._samples.popleft()[_DEVICE])
            self.dropped_n += 1

    def add(self, table: str, *rows: dict[str, Any]) -> None:
        """Add rows of another landing table.

        Args:
            table: landing table.
            *rows: rows by column name.
        """
        self._rows.setdefault(table, []).extend(rows)

    def flush(self) -> bool:
        """Land everything; what cannot be written stays.

        Returns:
            True if nothing is left.
        """
        if self._cut:
            self._mark_cut()
        try:
            for table in list(self._rows):
                self._land(table, self._rows[table])
                del self._rows[table]
            # Few enough rows at a time that building them costs little memory beside the tuples.
            while self._samples:
                batch = [self._samples[index] for index in range(min(len(self._samples), 50_000))]
                self._land("power_sample", [dict(zip(SAMPLE_COLUMNS, sample, strict=True)) for sample in batch])
                for _ in batch:
                    self._samples.popleft()
        except Exception as error:  # noqa: BLE001 - nothing about landing may end a measured command
            if not self._failing:
                what = f"{type(error).__name__}: {error}"
                self.tell(f"cannot write to landing ({what}); {len(self)} rows are kept and tried again")
            self._failing = True
            return False
        if self._failing:
            self.tell("landing can be written again; all rows that were kept are landed")
        self._failing = False
        return True

    def rescue(self) -> int:
        """Land everything in a new folder for temporary files, and say where.

        Returns:
            Rows that could not be written there either.
        """
        try:
            folder = Path(tempfile.mkdtemp(prefix="wattledger-unlanded-"))
        except OSError:
            self.tell(f"{len(self)} rows are lost")
            return len(self)
        old = self._landing
        self._landing = LandingWriter(
            folder, host=old.host, boot_id=old.boot_id, collector_version=old.collector_version
        )
        self.flush()
        if len(self):
            self.tell(f"{len(self)} rows are lost")
        else:
            self.tell(f"rows were written to {folder} instead; copy its folders into {old.root}")
        return len(self)

    def tell(self, message: str) -> None:
        """Say something on standard error; a closed one must not end the run.

        Args:
            message: what to say.
        """
        with contextlib.suppress(OSError, ValueError):
            print(f"wattledger-collect: {message}", file=self._stderr or sys.stderr, flush=True)

    def _land(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Write rows; a row that breaks the contract is told and left out, so that it cannot block the others."""
        for _ in range(MAX_REJECTS):
            try:
                self.landed.extend(self._landing.write(table, rows))
            except LandingError as error:
                self.tell(f"a row is not landed: {error}")
                if error.row is None:
                    return
                rows = rows[: error.row] + rows[error.row + 1 :]
            else:
                return
        self.tell(f"{len(rows)} rows of {table} are not landed: too many break the contract")

    def _mark_cut(self) -> None:
        """Mark the oldest sample left of each device that lost older ones."""
        self.tell(f"the buffer was full: {self.dropped_n} samples dropped so far")
        for index, sample in enumerate(self._samples):
            if sample[_DEVICE] in self._cut:
                self._cut.discard(sample[_DEVICE])
                if sample[_GAP] is None:
                    self._samples[index] = (*sample[:_GAP], "dropped", *sample[_GAP + 1 :])
            if not self._cut:
                break
        self._cut.clear()


class Sampler:
    """Reads all sources of the host at a tick."""

    def __init__(self, sources: Sequence[PowerSource], host: str) -> None:
        """Take stock of the devices.

        Args:
            sources: sources to read.
            host: host name for the rows.
        """
        self._sources = list(sources)
        self._host = host
        self.devices: dict[str, Device] = {device.id: device for source in sources for device in source.devices()}
        self.measured = False

    def sample(self, tick: Tick) -> list[tuple[Any, ...]]:
        """Return one sample a device, all with the tick's stamp, values in the order of ``SAMPLE_COLUMNS``.

        Args:
            tick: the moment.
        """
        samples = []
        for source in self._sources:
            for reading in self._read(source):
                device = self.devices[reading.device_id]
                self.measured = self.measured or (reading.has_value and not device.is_estimate)
                samples.append(
                    (
                        tick.ts_ms,
                        self._host,
                        device.id,
                        device.kind,
                        device.parent,
                        device.point,
                        reading.power_mw,
                        reading.energy_mj,
                        reading.session,
                        reading.util_percent,
                        reading.source or device.source,
                        device.is_estimate,
                        reading.gap_reason or ("clock_step" if tick.stepped else None),
                    )
                )
        return samples

    @staticmethod
    def _read(source: PowerSource) -> list[Reading]:
        try:
            return source.read()
        except Exception:  # noqa: BLE001 - a source should not raise, and if it does, only it is lost
            return [Reading(device.id, gap_reason="read_failed") for device in source.devices()]


class SamplerLock:
    """Lets one collector of a host sample at a time; the others take over when it ends, however it ends.

    Two collectors that sample the same device would interleave counter sessions, and no two neighbouring samples would
    have a difference.
    """

    def __init__(self, state_dir: Path, host: str) -> None:
        """Name the lock; it is not taken yet.

        Args:
            state_dir: folder of the lock file.
            host: host name.
        """
        self._path = state_dir / f"sampler-{host_hash(host)}.lock"
        self._descriptor: int | None = None
        self._held = False

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

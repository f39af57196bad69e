"""The spool: journals of this host on disk, bounded, never overwritten, and memory for when the disk cannot be written.

What belongs here: when samples and rows become frames, where journals lie, what is dropped and counted when there is no
room. What must not be here: the format of a journal, how devices are read, or landing.

Nothing is dropped silently: dropped samples are counted by device with their first and last stamp, and that count is
the first thing written when there is room again.
"""

from __future__ import annotations

import os
from array import array
from collections import deque
from typing import TYPE_CHECKING, Any

from ..landing.stores import host_hash
from . import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ..sources.common import Device

    Drops = dict[int, list[int]]
    Will = list[tuple[str, dict[str, Any], str]]

MAX_SPOOL_BYTES = 256 << 20
"""Largest size of the spool [bytes]: about three months of 8 devices at 1 Hz."""
MAX_MEMORY_BYTES = 2 << 20
"""Largest size of what waits in memory while the disk cannot be written [bytes]: some hours of 8 devices at 1 Hz."""
SUFFIX = ".journal"
_RESERVE_BYTES = 1 << 20  # for rows of jobs and counts of drops when the spool is full of samples


class Spool:
    """Rows on their way to disk.

    Attributes:
        dropped_n: samples dropped since the start.
        failing: why the disk could not be written at the last attempt, or ``None``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str,
        header: dict[str, Any],
        now_ms: Callable[[], int],
        tell: Callable[[str], None],
        max_bytes: int = MAX_SPOOL_BYTES,
        memory_bytes: int = MAX_MEMORY_BYTES,
    ) -> None:
        """Name the journals; nothing is created yet.

        Args:
            folder: folder of the journals.
            host: host name, hashed into their names.
            header: what is told at the head of each journal.
            now_ms: stamp of this moment [epoch ms].
            tell: where trouble is told.
            max_bytes: largest size of all journals in the folder [bytes].
            memory_bytes: largest size of what waits in memory [bytes].
        """
        self.folder = folder
        self.writer = f"{host_hash(host)}-{os.urandom(4).hex()}"
        self._header = {**header, "host": host, "writer": self.writer}
        self._now_ms, self._tell = now_ms, tell
        self._max_bytes, self._memory_bytes = max_bytes, memory_bytes
        self._number = 0
        self._journal: journal.JournalWriter | None = None
        self._others_bytes = 0
        self._devices: list[Device] = []
        self._texts: dict[str, int] = {}
        self._told = (0, 0)
        self._columns: dict[str, array[int]] = {}
        self._waiting: deque[tuple[bytes, Drops | None]] = deque()
        self._waiting_bytes = 0
        self._drops: Drops = {}
        self._will: Will = []
        self.dropped_n = 0
        self.failing: str | None = None
        self._clear()

    def _clear(self) -> None:
        self._columns = {name: array(code) for name, code in journal.COLUMNS.items()}
        # Bound once: these run for every device at every tick.
        self._append = tuple(column.append for column in self._columns.values())

    def number_of(self, device: Device) -> int:
        """Return the number by which samples name a device, a new one for a device that was not told yet."""
        if device not in self._devices:
            self._devices.append(device)
        return self._devices.index(device)

    def add_sample(
        self,
        ts_ms: int,
        number: int,
        power_mw: int | None,
        energy_mj: int | None,
        session: int,
        util_percent: int | None,
        gap_reason: str | None,
        source: str,
    ) -> None:
        """Take one sample; it is on disk after the next ``sync``."""
        ts, dev, power, energy, ses, util, gap, src = self._append
        ts(ts_ms)
        dev(number)
        power(journal.NOT_KNOWN if power_mw is None else power_mw)
        energy(journal.NOT_KNOWN if energy_mj is None else energy_mj)
        ses(session)
        util(journal.NO_CODE if util_percent is None else util_percent)
        gap(journal.NO_CODE if gap_reason is None else self._text(gap_reason))
        src(self._text(source))

    def add_rows(self, table: str, rows: Iterable[dict[str, Any]]) -> None:
        """Take rows of another landing table; they are on disk after the next ``sync``."""
        if rows := list(rows):
            self._wait(journal.pack_json(journal.ROWS, {"table": table, "rows": rows}), None)

    def leave(self, will: Will) -> None:
        """Say which rows are still to be written if this process dies; replaces what was said before.

        Args:
            will: landing table, row, and the column that is to hold the last stamp of the process.
        """
        self._will = will
        self._wait(journal.pack_json(journal.WILL, will), None)

    def _text(self, text: str) -> int:
        number = self._texts.get(text)
        if number is None:
            number = self._texts[text] = len(self._texts)
        return number

    # ---- to disk ----

    def sync(self) -> bool:
        """Write what waits, synced; what cannot be written stays in memory as long as there is room.

        Returns:
            True if nothing waits any more.
        """
        self._pack()
        if not self._waiting and not self._drops:
            return True
        try:
            full = self._write()
        except OSError as error:
            self._fail(f"cannot write to {self.folder}: {error.strerror or error}; rows are kept in memory")
            return False
        if full:
            limit_mb = self._max_bytes >> 20
            self._fail(f"the spool {self.folder} is full ({limit_mb} MiB); samples are dropped and counted")
        elif self.failing:
            self._tell(f"the spool can be written again; samples dropped so far: {self.dropped_n}")
            self.failing = None
        return True

    def _pack(self) -> None:
        """Make a frame of the samples, after one that tells devices and texts which are new."""
        if not self._columns["ts_ms"]:
            return
        drops: Drops = {}
        for number, ts_ms in zip(self._columns["device"], self._columns["ts_ms"], strict=True):
            _count(drops, number, 1, ts_ms, ts_ms)
        frame = journal.pack_samples(self._columns)
        self._clear()
        self._wait(frame, drops)

    def _wait(self, frame: bytes, drops: Drops | None) -> None:
        self._waiting.append((frame, drops))
        self._waiting_bytes += len(frame)
        while self._waiting_bytes > self._memory_bytes:
            victim = next((item for item in self._waiting if item[1] is not None), None)
            if victim is None:
                break
            self._waiting.remove(victim)
            self._waiting_bytes -= len(victim[0])
            self._drop(victim[1] or {})

    def _write(self) -> bool:
        """Write what waits; True if there was no room for some of it."""
        writer = self._journal or self._open()
        if names := self._new_names():
            writer.append(names)
            self._told = (len(self._devices), len(self._texts))
        if self._drops:
            writer.append(journal.pack_json(journal.DROPPED, self._drops))
            self._drops = {}
        frames: list[bytes] = []
        left: list[tuple[bytes, Drops | None]] = []
        if self._others_bytes + writer.size + self._waiting_bytes > self._max_bytes:
            self._measure()
        used = self._others_bytes + writer.size
        for frame, drops in self._waiting:
            if used + len(frame) <= self._max_bytes + (_RESERVE_BYTES if drops is None else 0):
                frames.append(frame)
                used += len(frame)
            else:
                left.append((frame, drops))
        if frames:
            writer.append(b"".join(frames))
        self._waiting.clear()
        self._waiting_bytes = 0
        for frame, drops in left:
            if drops is None:
                self._wait(frame, None)
            else:
                self._drop(drops)
        return bool(left)

    def _new_names(self) -> bytes:
        devices, texts = self._told
        if (devices, texts) == (len(self._devices), len(self._texts)):
            return b""
        new = {
            "devices": {
                number: {
                    "device": device.id,
                    "kind": device.kind,
                    "point": device.point,
                    "parent": device.parent,
                    "source": device.source,
                    "is_estimate": device.is_estimate,
                }
                for number, device in enumerate(self._devices)
                if number >= devices
            },
            "texts": {number: text for text, number in self._texts.items() if number >= texts},
        }
        return journal.pack_json(journal.NAMES, new)

    def _open(self) -> journal.JournalWriter:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._measure()
        header = {**self._header, "number": self._number + 1, "at_ms": self._now_ms(), "will": self._will}
        path = self.folder / f"{self.writer}-{self._number + 1:06d}{SUFFIX}"
        self._journal = journal.JournalWriter(path, header)
        self._number += 1
        self._told = (0, 0)
        return self._journal

    def _measure(self) -> None:
        """Note the size of all journals but this one; landing makes room behind our back."""
        own = self._journal.path.name if self._journal else None
        with os.scandir(self.folder) as entries:
            self._others_bytes = sum(
                entry.stat().st_size for entry in entries if entry.name.endswith(SUFFIX) and entry.name != own
            )

    def rotate(self, *, end: bool = False) -> bool:
        """Give the journal free for landing; the next one begins with what comes next.

        Args:
            end: whether nothing comes next.

        Returns:
            True if there is nothing left in memory.
        """
        done = self.sync()
        if self._journal is None:
            return done
        before, self._journal = self._journal, None
        try:
            if end and done:
                before.append(journal.pack(journal.END, b"0"))
            elif not end:
                # The next one must exist before this one says so: the last will is told in its header.
                self._open()
                before.append(journal.pack(journal.NEXT, b"0"))
        except OSError as error:
            self._fail(f"cannot write to {self.folder}: {error.strerror or error}")
            if not end and self._journal is None:
                self._journal = before
                return False
        before.close()
        return done

    def rescue(self, folder: Path) -> bool:
        """Write what is left in memory to another folder; for the end of a process whose spool cannot be written.

        Args:
            folder: folder that can be written.

        Returns:
            True if nothing is left in memory.
        """
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self.folder = folder
        return self.rotate(end=True)

    # ---- what cannot be kept ----

    def _drop(self, drops: Drops) -> None:
        for number, (count, first_ms, last_ms) in drops.items():
            _count(self._drops, number, count, first_ms, last_ms)
            self.dropped_n += count

    def _fail(self, message: str) -> None:
        if self.failing is None:
            self._tell(message)
        self.failing = message


def _count(drops: Drops, number: int, count: int, first_ms: int, last_ms: int) -> None:
    known = drops.setdefault(number, [0, first_ms, last_ms])
    known[0] += count
    known[1], known[2] = min(known[1], first_ms), max(known[2], last_ms)

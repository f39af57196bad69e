"""Journals: what a collector saw, on disk within seconds, long before it is Parquet.

What belongs here: the format of a journal and writing one. What must not be here: reading one (``journal_reader``),
where journals lie, when they are written, what becomes of their rows.

A journal is a file of frames. Each frame carries the length and the CRC-32 of its payload. A reader passes over what is
no whole frame, so that whatever was synced before a kill, a full disk or a power cut is there. Samples are columns of
integers, compressed; everything else is JSON. Devices and texts are told once, with their numbers, before a sample
uses them.

Only the standard library: the process that writes journals stays small.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from array import array
from typing import TYPE_CHECKING, Any

from ..landing.stores import sync_folder

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"WLJ1"
HEADER, NAMES, SAMPLES, ROWS, DROPPED, WILL, NEXT, END = b"H", b"N", b"S", b"R", b"D", b"W", b"C", b"Z"
"""Kinds of frames: header; devices and texts; samples; other rows; counted drops; last will; continued; ended."""
MAX_PAYLOAD = 1 << 26
"""Largest payload of a frame [bytes]; a larger length is damage."""
NOT_KNOWN, NO_CODE = -1, 255
"""Stand for NULL in the integer columns (power and energy are never negative) and in the byte columns."""

FRAME = struct.Struct("<4ssxxxII")
COUNT = struct.Struct("<I")
# Column of a sample -> type code of its array, in the order in which they are stored.
COLUMNS = {
    "ts_ms": "q",
    "device": "H",
    "power_mw": "q",
    "energy_mj": "q",
    "session": "i",
    "util_percent": "B",
    "gap_reason": "B",
    "source": "B",
}
_LEVEL = 1  # delta-like columns shrink well at any level; this one costs least


def pack(kind: bytes, payload: bytes) -> bytes:
    """Return a frame.

    Args:
        kind: one of the kinds of this module.
        payload: its content.
    """
    return FRAME.pack(MAGIC, kind, len(payload), zlib.crc32(payload)) + payload


def pack_json(kind: bytes, value: object) -> bytes:
    """Return a frame with a JSON value."""
    return pack(kind, json.dumps(value, separators=(",", ":")).encode())


def pack_samples(columns: dict[str, array[int]]) -> bytes:
    """Return a frame of samples.

    Args:
        columns: one array for each of ``COLUMNS``, all of the same length.
    """
    parts = [COUNT.pack(len(columns["ts_ms"])), *(little(columns[name]).tobytes() for name in COLUMNS)]
    return pack(SAMPLES, zlib.compress(b"".join(parts), _LEVEL))


def little(column: array[int]) -> array[int]:
    """Return a column with the byte order of the file, little-endian."""
    if sys.byteorder == "little":
        return column
    swapped = array(column.typecode, column)
    swapped.byteswap()
    return swapped


class JournalWriter:
    """One journal that this process writes.

    Attributes:
        path: the file.
        size: bytes that are written and whole.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        """Create the file with its header, synced, and lock it for as long as it is open.

        Args:
            path: file that does not exist yet.
            header: what holds for all of the journal.

        Raises:
            OSError: if it cannot be created.
        """
        self.path = path
        self.size = 0
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            lock(self._descriptor)
            self.append(pack_json(HEADER, header))
            sync_folder(path.parent)
        except OSError:
            os.close(self._descriptor)
            path.unlink(missing_ok=True)
            raise

    def append(self, frames: bytes) -> None:
        """Write frames and sync them; what cannot be written whole is taken back.

        Args:
            frames: one or more frames.

        Raises:
            OSError: if they could not be written; the journal is as it was before.
        """
        rest = memoryview(frames)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            os.fdatasync(self._descriptor)
        except OSError:
            # A torn frame would hide whatever is written after it.
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(frames)

    def close(self) -> None:
        """Give the file free for whoever turns it into landing files."""
        os.close(self._descriptor)


def lock(descriptor: int) -> bool:
    """Try to lock an open file for this process; True also where the file system knows no locks.

    Args:
        descriptor: an open file.
    """
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True

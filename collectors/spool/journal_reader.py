"""Reading a journal: what a collector saw, as far as it reached the disk.

What belongs here: from bytes to what they say, whatever is missing or damaged. What must not be here: writing
(``journal``), landing (``land``).
"""

from __future__ import annotations

import json
import zlib
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .journal import (
    COLUMNS,
    COUNT,
    DROPPED,
    END,
    FRAME,
    HEADER,
    MAGIC,
    MAX_PAYLOAD,
    NAMES,
    NEXT,
    ROWS,
    SAMPLES,
    WILL,
    little,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Journal:
    """What a journal holds.

    Attributes:
        header: its header; empty if not even that is whole.
        devices: device number -> its attributes.
        texts: text number -> text.
        samples: blocks of samples, columns as in ``COLUMNS``.
        rows: rows of other landing tables, ``(table, row)``, in the order in which they came.
        dropped: device number -> samples dropped, first and last stamp [epoch ms].
        will: rows that are to be completed with the last stamp if the writer died: table, row, column of the stamp.
        is_whole: whether its writer ended it, by going on to the next one or by ending itself.
        torn_bytes: bytes that are no whole frame, most often at the end.
    """

    header: dict[str, Any] = field(default_factory=dict)
    devices: dict[int, dict[str, Any]] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)
    samples: list[dict[str, array[int]]] = field(default_factory=list)
    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    dropped: dict[int, list[int]] = field(default_factory=dict)
    will: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    is_whole: bool = False
    torn_bytes: int = 0

    @property
    def last_ms(self) -> int:
        """The newest stamp in it [epoch ms]; that of its header if there is no other."""
        stamps = [block["ts_ms"][-1] for block in self.samples if block["ts_ms"]]
        stamps += [row["ts_ms"] for _, row in self.rows if isinstance(row.get("ts_ms"), int)]
        return max(stamps, default=int(self.header.get("at_ms", 0)))


def read_journal(data: bytes) -> Journal:
    """Return what a journal holds, as far as its frames are whole.

    Args:
        data: content of the file.
    """
    journal = Journal()
    whole = 0
    for kind, payload in _frames(data):
        try:
            _take(journal, kind, payload)
        except (ValueError, KeyError, TypeError):
            continue
        whole += FRAME.size + len(payload)
    journal.torn_bytes = len(data) - whole
    return journal


def _frames(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + FRAME.size <= len(data):
        magic, kind, length, crc = FRAME.unpack_from(data, at)
        start, end = at + FRAME.size, at + FRAME.size + length
        if magic == MAGIC and length <= MAX_PAYLOAD and end <= len(data):
            payload = data[start:end]
            if zlib.crc32(payload) == crc:
                yield kind, payload
                at = end
                continue
        # Pages that were never synced can be missing in the middle; what follows them may still be whole.
        at = data.find(MAGIC, at + 1)
        if at < 0:
            return


def _take(journal: Journal, kind: bytes, payload: bytes) -> None:
    if kind == SAMPLES:
        columns = unpack_samples(payload)
        if not journal.devices.keys() >= set(columns["device"]):
            msg = "a sample of a device that is not told"
            raise ValueError(msg)
        journal.samples.append(columns)
        return
    value = json.loads(payload)
    if kind == HEADER:
        journal.header = value
        journal.will = [tuple(item) for item in value["will"]]
    elif kind == WILL:
        journal.will = [tuple(item) for item in value]
    elif kind == NAMES:
        journal.devices |= {int(number): device for number, device in value["devices"].items()}
        journal.texts |= {int(number): text for number, text in value["texts"].items()}
    elif kind == ROWS:
        journal.rows += [(value["table"], row) for row in value["rows"]]
    elif kind == DROPPED:
        for number, (count, first_ms, last_ms) in value.items():
            known = journal.dropped.setdefault(int(number), [0, first_ms, last_ms])
            known[:] = [known[0] + count, min(known[1], first_ms), max(known[2], last_ms)]
    elif kind in (NEXT, END):
        journal.is_whole = True
    else:
        msg = f"unknown frame {kind!r}"
        raise ValueError(msg)


def unpack_samples(payload: bytes) -> dict[str, array[int]]:
    """Return the columns of a frame of samples.

    Raises:
        ValueError: if the payload is none.
    """
    try:
        data = zlib.decompress(payload)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    (count,) = COUNT.unpack_from(data)
    at, columns = COUNT.size, {}
    for name, code in COLUMNS.items():
        column = array(code)
        size = count * column.itemsize
        if len(data) < at + size:
            msg = "fewer values than rows"
            raise ValueError(msg)
        column.frombytes(data[at : at + size])
        columns[name] = little(column)
        at += size
    return columns

"""Records of an MLLOG file, the log format of MLCommons.

What belongs here: finding and reading the records among other output. What must not be here: what a key means.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ....contract import MAX_TIME_MS, MIN_TIME_MS

_MARK = ":::MLLOG"
_DECODER = json.JSONDecoder()


class Record(NamedTuple):
    """One record.

    Attributes:
        row: number of its line, from 1.
        key: what it states.
        time_ms: its stamp as written; epoch milliseconds in training logs, milliseconds of the run in LoadGen's.
        value: its value.
        metadata: what stands beside it.
    """

    row: int
    key: str
    time_ms: Any
    value: Any
    metadata: Mapping[str, Any]


class Unread(NamedTuple):
    """A line that is marked as a record and is none, for example because it is cut off.

    Attributes:
        row: number of the line, from 1.
        text: the line.
    """

    row: int
    text: str


def records(lines: Iterable[str]) -> Iterator[Record | Unread]:
    """Yield the records of a log; lines without the mark are other output and are passed over.

    Args:
        lines: lines of the log. A record may stand behind other text, as ``srun -l`` writes it, and several in one
            line, as happens when processes share a file.
    """
    for row, line in enumerate(lines, 1):
        if _MARK in line:
            for text in line.split(_MARK)[1:]:
                yield _record(row, text, line)


def _record(row: int, text: str, line: str) -> Record | Unread:
    try:
        found, _ = _DECODER.raw_decode(text.lstrip())
        metadata = found.get("metadata")
        return Record(row, str(found["key"]), found.get("time_ms"), found.get("value"), metadata if metadata else {})
    except (ValueError, KeyError, AttributeError, RecursionError):
        return Unread(row, line)


def number(value: object) -> float | None:
    """Return a value as it is if it is a finite number, else ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def epoch_ms(value: object) -> int | None:
    """Return a stamp [epoch ms], ``None`` if it is none between 2000 and 2100."""
    found = number(value)
    return None if found is None or not MIN_TIME_MS <= found <= MAX_TIME_MS else math.floor(found)

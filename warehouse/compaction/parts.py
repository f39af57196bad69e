"""What compaction takes and what it gives.

What belongs here: the plain records at its edge. What must not be here: any work on them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from collectors.contract import POWER_SAMPLE


class CompactionError(Exception):
    """An hour cannot be compacted; the message names the file and says what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """A landed file of power samples that was verified when it was taken in.

    Attributes:
        path: where it lies now.
        sha256: hash of its bytes, hexadecimal.
        written_ms: when the collector wrote it [epoch ms].
        refused_rows: numbers of the rows that ingest refused, counted from 0 in the file.
    """

    path: Path
    sha256: str
    written_ms: int
    refused_rows: Collection[int] = frozenset()


@dataclass(frozen=True, slots=True)
class HourFile:
    """One finished file of an hour.

    Attributes:
        shard: number of the file among those of its hour, from 0.
        path: where it lies; its name is its hash.
        sha256: hash of its bytes, hexadecimal.
        size_bytes: size of the file [bytes].
        rows_n: number of rows.
        row_groups_n: number of row groups, each of whole series.
        first_ms: least time of a row [epoch ms].
        last_ms: greatest time of a row [epoch ms].
        series: ledger of its series, ``hourfile.SERIES_SCHEMA``, in the order of the file.
    """

    shard: int
    path: Path
    sha256: str
    size_bytes: int
    rows_n: int
    row_groups_n: int
    first_ms: int
    last_ms: int
    series: pa.Table


@dataclass(frozen=True, slots=True)
class CompactedHour:
    """The files of an hour, and what did not get into them.

    Attributes:
        files: one file a shard, in order; empty if no row counts.
        conflicts: rows that state another value under a key that an earlier row holds, ``CONFLICT_SCHEMA``.
        rows_n: rows of the hour that were read and not refused; those kept, in conflict and duplicate add up to it.
        duplicates_n: rows that said again what another row, kept or in conflict, had said.
    """

    files: tuple[HourFile, ...]
    conflicts: pa.Table
    rows_n: int
    duplicates_n: int


CONFLICT_SCHEMA = pa.schema(
    [
        *POWER_SAMPLE.arrow_schema().remove_metadata(),
        pa.field("file_sha256", pa.string(), nullable=False),
        pa.field("row_number", pa.int64(), nullable=False),
        pa.field("written_ms", pa.int64(), nullable=False),
    ]
)

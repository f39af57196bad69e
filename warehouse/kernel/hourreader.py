"""Reading an hour file: columns as arrays, in pieces of whole series, with every checksum verified.

What belongs here: opening, refusing what is not an hour file, decoding. What must not be here: the rule.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.hourfile import HOUR_SCHEMA
from warehouse.kernel.arrow import numbers
from warehouse.kernel.grid import Places
from warehouse.kernel.intervals import Ints
from warehouse.kernel.ledger import Ledger
from warehouse.kernel.rules import KernelError

# Rows whose differences stay in the second cache while they are looked at: 0.5 MiB.
CACHED_ROWS_N = 65_536


class Piece:
    """Whole series of an hour file: a run of row groups that begins and ends at the edge of a series.

    Attributes:
        ledger: all series of the file.
        first: row of the first series in the ledger.
        last: row after the last series in the ledger.
        starts: first row of each series of the piece, counted in the piece.
        ends: row after the last row of each series of the piece.
    """

    def __init__(self, reader: HourReader, row_groups: list[int], first: int, last: int) -> None:
        """Remember what to read; nothing is read yet."""
        self.ledger = reader.ledger
        self.first, self.last = first, last
        self.starts: Places = self.ledger.row_offset[first:last] - self.ledger.row_offset[first]
        self.ends: Places = self.starts + self.ledger.rows_n[first:last]
        self._reader = reader
        self._row_groups = row_groups
        self._ints: dict[str, Ints] = {}

    def load(self, *names: str) -> None:
        """Read integer columns at once; those that are there already are not read again."""
        missing = [name for name in names if name not in self._ints]
        if missing:
            table = self._reader.read(self._row_groups, missing)
            self._ints |= {name: numbers(table[name]) for name in missing}

    def ints(self, name: str) -> Ints:
        """Return an integer column; NONE stands for NULL."""
        self.load(name)
        return self._ints[name]

    def has(self, name: str) -> bool:
        """Tell whether an integer column was read."""
        return name in self._ints

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of any type."""
        return self._reader.read(self._row_groups, [name])[name]

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Give the piece in runs of neighbouring series that fit into a processor's cache: first and after the last."""
        rank = self.starts // CACHED_ROWS_N
        bounds = [0, *(np.flatnonzero(np.diff(rank)) + 1).tolist(), len(rank)]
        return itertools.pairwise(bounds)

    def scratch(self, number: int, rows_n: int) -> Ints:
        """Return an array with any content; the same number gives the same memory again."""
        return self._reader.scratch(number, rows_n)

    def rows_of(self, series: int) -> tuple[int, int]:
        """Return the first row of a series of the ledger and the row after its last one, counted in the piece."""
        return int(self.starts[series - self.first]), int(self.ends[series - self.first])

    def series_of(self, rows: Places) -> Places:
        """Return the row in the ledger of the series to which rows of the piece belong."""
        return np.searchsorted(self.starts, rows, "right") - 1 + self.first

    def refuse(self, reason: str) -> None:
        """Raise a KernelError that names the file, the reason and what to do."""
        self._reader.refuse(reason)


class HourReader:
    """An open hour file. Use it as a context manager."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        """Open the file and hold it against its ledger.

        Raises:
            KernelError: if the file is missing, damaged, no hour file, or has other rows than the ledger states.
        """
        self.path = path
        self.ledger = ledger
        self._scratch: dict[int, Ints] = {}
        with self._named():
            self._file = pq.ParquetFile(path, page_checksum_verification=True, memory_map=True, pre_buffer=False)
        try:
            self._check()
        except BaseException:
            self._file.close()
            raise

    def scratch(self, number: int, rows_n: int) -> Ints:
        """Return an array with any content; the same number gives the same memory again, as new memory is dear."""
        if len(self._scratch.get(number, ())) < rows_n:
            self._scratch[number] = np.empty(rows_n, np.int64)
        return self._scratch[number][:rows_n]

    def __enter__(self) -> HourReader:
        """Return the reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._file.close()

    def _check(self) -> None:
        ledger = self.ledger
        if not self._file.schema_arrow.equals(HOUR_SCHEMA):
            self.refuse("its columns are not those of an hour file")
        rows_n = int(ledger.rows_n.sum())
        if self._file.metadata.num_rows != rows_n:
            self.refuse(f"it has {self._file.metadata.num_rows} rows, its ledger states {rows_n}")
        if not np.array_equal(ledger.row_offset, np.cumsum(ledger.rows_n) - ledger.rows_n):
            self.refuse("the series of its ledger do not follow one another")

    def refuse(self, reason: str) -> None:
        """Raise a KernelError that names the file, the reason and what to do."""
        msg = f"hour file {self.path}: {reason}; `wattledger repair` makes it anew from the archive"
        raise KernelError(msg)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            msg = f"hour file {self.path}: {error}; `wattledger repair` makes it anew from the archive"
            raise KernelError(msg) from error

    def read(self, row_groups: list[int], names: list[str]) -> pa.Table:
        """Return columns of row groups.

        Raises:
            KernelError: if a page is damaged.
        """
        with self._named():
            return self._file.read_row_groups(row_groups, columns=names, use_threads=False)

    def values_at(self, name: str, rows: Places) -> Ints:
        """Return an integer column at rows of the file; only their row groups are read.

        Args:
            name: the column.
            rows: rows of the file.
        """
        metadata = self._file.metadata
        ends = np.cumsum([metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)])
        group = np.searchsorted(ends, rows, "right")
        values = np.empty(len(rows), np.int64)
        for number in np.unique(group).tolist():
            column = numbers(self.read([number], [name])[name])
            here = group == number
            values[here] = column[rows[here] - (ends[number] - len(column))]
        return values

    def pieces(self) -> Iterator[Piece]:
        """Give the file piece by piece, in its order."""
        ends: Places = self.ledger.row_offset + self.ledger.rows_n
        row_groups: list[int] = []
        first, row = 0, 0
        for number in range(self._file.metadata.num_row_groups):
            row_groups.append(number)
            row += self._file.metadata.row_group(number).num_rows
            last = int(np.searchsorted(ends, row, "right"))
            if last > first and ends[last - 1] == row:
                yield Piece(self, row_groups, first, last)
                row_groups, first = [], last

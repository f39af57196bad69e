"""The files of an hour: which series go into which file and row group.

What belongs here: the cuts. What must not be here: the form of a file (see ``encoding``) and its life (``shardfile``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Self

import numpy as np

from .encoding import group_ends
from .parts import HourFile
from .rows import TIME_BITS, Chosen, Names, Rows
from .shardfile import ShardFile


class Shards:
    """Files under way: hosts in order of name, and a new file where the next host would make one too large."""

    def __init__(self, folder: Path, metadata: dict[str, str], max_series_n: int) -> None:
        """Begin without a file.

        Args:
            folder: folder of the hour.
            metadata: what each file says about itself.
            max_series_n: most series of a file, unless one host has more.
        """
        self._folder = folder
        self._metadata = metadata
        self._max_series_n = max_series_n
        self._series_n = 0
        self._open: ShardFile | None = None
        self._files: list[HourFile] = []
        self._unfinished = ExitStack()

    def __enter__(self) -> Self:
        """Return the files."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not finished."""
        self._unfinished.close()

    def add(self, rows: Rows, kept: Chosen, names: Names) -> None:
        """Write the rows of whole hosts, which follow the hosts before by name.

        Args:
            rows: the rows.
            kept: those to write, in order.
            names: the texts behind their codes.
        """
        # Every series has a row that is kept, so its rows begin where its rank does.
        starts = np.searchsorted(kept.key, np.arange(len(names.series), dtype=np.int64) << TIME_BITS)
        ends = np.append(starts[1:], len(kept.key))
        for first, last, is_new in self._spans(names):
            if is_new:
                self._close()
                self._open = ShardFile(self._folder, len(self._files), self._metadata)
                self._unfinished.enter_context(self._open)
            assert self._open is not None
            start = int(starts[first])
            for end in group_ends(ends[first:last] - starts[first:last]):
                self._open.add(rows.block(kept, start, int(starts[first]) + end), names)
                start = int(starts[first]) + end

    def finish(self) -> tuple[HourFile, ...]:
        """Finish the last file and return all."""
        self._close()
        return tuple(self._files)

    def _spans(self, names: Names) -> Iterator[tuple[int, int, bool]]:
        """Yield the series of one file each: first, behind the last, and whether the file is a new one."""
        first = at = 0
        is_new = self._open is None
        for _, series in groupby(names.series, key=lambda one: one[0]):
            series_n = len(list(series))
            if self._series_n and self._series_n + series_n > self._max_series_n:
                if at > first:
                    yield first, at, is_new
                first, is_new, self._series_n = at, True, 0
            at += series_n
            self._series_n += series_n
        if at > first:
            yield first, at, is_new

    def _close(self) -> None:
        if self._open is not None:
            self._files.append(self._open.finish())
            self._open = None

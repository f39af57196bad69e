"""One file of an hour: written hidden, read back, and given the name of its content; whole or not there at all.

What belongs here: writing, verifying and naming. What must not be here: which rows it holds, and the lake.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.files import FOLDER_MODE, sha256_of, sync_file, sync_folder
from warehouse.hourfile import SERIES_SCHEMA

from . import encoding
from .ledger import series_ledger
from .parts import CompactionError, HourFile
from .rows import Block, Names


class ShardFile:
    """A file of an hour while it is written. Leaving the context removes what was not finished."""

    def __init__(self, folder: Path, shard: int, metadata: dict[str, str]) -> None:
        """Begin a hidden file.

        Args:
            folder: folder of the hour; made if it is missing.
            shard: number of the file.
            metadata: what the file says about itself.
        """
        make_folders(folder)
        self.folder = folder
        self.shard = shard
        self._temporary = folder / f".shard-{shard:05d}.{os.urandom(4).hex()}.{os.getpid()}.tmp"
        self._metadata = metadata
        self._writer = encoding.new_writer(str(self._temporary))
        self._digests: list[dict[str, int]] = []
        self._ledgers: list[pa.Table] = []
        self._rows_n = 0
        self._first_ms: list[int] = []
        self._last_ms: list[int] = []

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the hidden file, if it is still there."""
        try:
            self._writer.close()
        finally:
            self._temporary.unlink(missing_ok=True)

    def add(self, block: Block, names: Names) -> None:
        """Write a row group of whole series, behind the ones before."""
        rows = encoding.to_arrow(block, names)
        self._writer.write_batch(rows, row_group_size=rows.num_rows)
        self._digests.append(encoding.digests(rows))
        self._ledgers.append(series_ledger(block, names, self._rows_n))
        self._rows_n += rows.num_rows
        self._first_ms.append(int(block.ts_ms.min()))
        self._last_ms.append(int(block.ts_ms.max()))

    def finish(self) -> HourFile:
        """Verify the file and give it its name.

        Raises:
            CompactionError: if the file does not hold what was written.
            OSError: if it cannot be written.
        """
        self._writer.add_key_value_metadata(self._metadata)
        self._writer.close()
        sync_file(self._temporary)
        self._verify()
        sha256 = sha256_of(self._temporary)
        path = self.folder / f"{sha256}.parquet"
        size_bytes = self._temporary.stat().st_size
        # A file of that name can only be the same one, or a damaged copy of it.
        self._temporary.replace(path)
        sync_folder(self.folder)
        return HourFile(
            shard=self.shard,
            path=path,
            sha256=sha256,
            size_bytes=size_bytes,
            rows_n=self._rows_n,
            row_groups_n=len(self._digests),
            first_ms=min(self._first_ms),
            last_ms=max(self._last_ms),
            series=pa.concat_tables(self._ledgers).combine_chunks().cast(SERIES_SCHEMA),
        )

    def _verify(self) -> None:
        """Compare the file with what was meant, column by column."""
        try:
            with pq.ParquetFile(
                self._temporary, read_dictionary=encoding.TEXTS, page_checksum_verification=True
            ) as file:
                stated = {key.decode(): value.decode() for key, value in (file.metadata.metadata or {}).items()}
                wrong = [key for key, value in self._metadata.items() if stated.get(key) != value]
                if file.metadata.num_row_groups != len(self._digests):
                    wrong.append("number of row groups")
                for index in range(min(file.metadata.num_row_groups, len(self._digests))):
                    found = encoding.digests(file.read_row_group(index, use_threads=False))
                    wrong += [name for name, digest in self._digests[index].items() if found[name] != digest]
        except (pa.ArrowException, OSError, KeyError, UnicodeError) as error:
            raise CompactionError(self._damaged(str(error)[:300])) from error
        if wrong:
            raise CompactionError(self._damaged(", ".join(sorted(set(wrong))) + " differ from what was written"))

    def _damaged(self, what: str) -> str:
        return (
            f"{self._temporary}: the hour file is damaged right after writing ({what}); nothing was kept. "
            "Check disk and memory of this machine, then compact the hour again"
        )


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, durably."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(exist_ok=True, mode=FOLDER_MODE)
        sync_folder(one.parent)

"""Compacting one hour: read, choose, sort, write.

What belongs here: the order of these steps. What must not be here: the steps themselves.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from warehouse.hourfile import HOUR_SCHEMA, MS_PER_HOUR

from . import encoding
from .duplicates import judge
from .parts import CONFLICT_SCHEMA, CompactedHour, HourFile, Source
from .plan import BATCH_ROWS, Batch, in_order, plan
from .reading import COLUMNS, add_table, read_source
from .rows import Chosen, Names, Rows
from .shards import Shards

MAX_SERIES = 5_000
"""Series of one file before the hosts of an hour are split into several."""


def compact_hour(
    hour_ms: int,
    sources: Sequence[Source],
    folder: Path,
    *,
    max_series_n: int = MAX_SERIES,
    batch_rows_n: int = BATCH_ROWS,
) -> CompactedHour:
    """Write the rows of an hour, each once, as sorted files whose bytes depend on the set of sources alone.

    Args:
        hour_ms: start of the hour [epoch ms].
        sources: landed files with power samples, in any order; rows of other hours in them do not count.
        folder: where hour files lie; the file goes into ``date=YYYY-MM-DD/hour=HH`` of it.
        max_series_n: most series of a file, unless one host has more.
        batch_rows_n: most rows held at once, unless one host has more [rows]. Another value may give other row groups.

    Returns:
        The files, the rows in conflict, and the numbers of rows.

    Raises:
        CompactionError: if a source cannot be read, or a file does not hold what was written.
        OSError: if a file cannot be written.
        ValueError: if the hour does not begin at a full hour.
    """
    if hour_ms % MS_PER_HOUR:
        msg = f"{hour_ms} is not the start of an hour"
        raise ValueError(msg)
    ordered = in_order(sources)
    metadata = encoding.metadata_of(hour_ms, [source.sha256 for source in ordered])
    with Shards(folder / folder_of(hour_ms), metadata, max_series_n) as shards:
        done = [_compact_batch(hour_ms, batch, ordered, shards) for batch in plan(hour_ms, ordered, batch_rows_n)]
        files = shards.finish()
    conflicts = pa.concat_tables([CONFLICT_SCHEMA.empty_table(), *(one.conflicts for one in done)]).combine_chunks()
    return CompactedHour(files, conflicts, sum(one.rows_n for one in done), sum(one.duplicates_n for one in done))


def write_hour(
    hour_ms: int, table: pa.Table, folder: Path, *, sources: Sequence[str] = (), max_series_n: int = MAX_SERIES
) -> tuple[HourFile, ...]:
    """Write rows that are already one for each key, for benchmarks and tests.

    Args:
        hour_ms: start of the hour [epoch ms].
        table: rows in ``hourfile.HOUR_SCHEMA``, in any order.
        folder: where hour files lie.
        sources: hashes that ``source_file`` refers to.
        max_series_n: most series of a file, unless one host has more.

    Raises:
        ValueError: if a row breaks the contract, lies outside the hour or repeats a key.
    """
    rows = Rows(hour_ms, table.num_rows)
    add_table(table.select(HOUR_SCHEMA.names), rows)
    chosen, names = rows.sort()
    if (chosen.key[1:] == chosen.key[:-1]).any():
        msg = "two rows have the same key"
        raise ValueError(msg)
    with Shards(folder / folder_of(hour_ms), encoding.metadata_of(hour_ms, list(sources)), max_series_n) as shards:
        shards.add(rows, chosen, names)
        return shards.finish()


def folder_of(hour_ms: int) -> Path:
    """Return the folder of an hour below the folder of hour files.

    Args:
        hour_ms: start of the hour [epoch ms].
    """
    return Path(time.strftime("date=%Y-%m-%d/hour=%H", time.gmtime(hour_ms // 1000)))


def _read(hour_ms: int, batch: Batch) -> Rows:
    rows = Rows(hour_ms, sum(planned.rows_n for planned in batch.planned))
    for planned in batch.planned:
        read_source(planned, batch.hosts, rows)
    return rows


@dataclass(frozen=True, slots=True)
class _Done:
    conflicts: pa.Table
    rows_n: int
    duplicates_n: int


def _compact_batch(hour_ms: int, batch: Batch, ordered: Sequence[Source], shards: Shards) -> _Done:
    """Write the rows of a batch; the memory that they took is free afterwards."""
    rows = _read(hour_ms, batch)
    chosen, names = rows.sort()
    judged = judge(rows, chosen)
    del chosen
    shards.add(rows, judged.kept, names)
    return _Done(_conflict_rows(rows, judged.conflicts, names, ordered), rows.rows_n, judged.duplicates_n)


def _conflict_rows(rows: Rows, conflicts: Chosen, names: Names, ordered: Sequence[Source]) -> pa.Table:
    block = rows.block(conflicts)
    coded = encoding.to_arrow(block, names)
    columns = {name: coded.column(name) for name in COLUMNS}
    columns["file_sha256"] = pa.array([ordered[number].sha256 for number in block.source_file])
    columns["row_number"] = pa.array(block.source_row.astype(np.int64))
    columns["written_ms"] = pa.array([ordered[number].written_ms for number in block.source_file], pa.int64())
    return pa.table(columns).cast(CONFLICT_SCHEMA)

"""What to read of the landed files of an hour, and in which batches, so that memory stays bounded.

What belongs here: a look at the footers. What must not be here: rows (see ``reading``), and which of them stays.

Row groups are left out by their statistics on time, where a file has several of them. Hosts come from statistics where
a row group has one host, as those of collectors have; otherwise the column is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from warehouse.hourfile import MS_PER_HOUR

from .parts import CompactionError, Source

BATCH_ROWS = 2_000_000
"""Most rows held at once, as far as single hosts allow [rows]; each takes 41 bytes, and 20 more while sorting.

Row groups do not reach over batches, so another number here gives other bytes for the same rows.
"""


@dataclass(frozen=True, slots=True)
class Group:
    """A row group to read.

    Attributes:
        index: its number in the file.
        first_row: number of its first row in the file.
        rows_n: its rows.
        host: the only host of its rows, if its statistics say so.
    """

    index: int
    first_row: int
    rows_n: int
    host: str | None


@dataclass(frozen=True, slots=True)
class Planned:
    """A source and the row groups of it that may hold rows of the hour."""

    number: int
    source: Source
    groups: tuple[Group, ...]

    @property
    def rows_n(self) -> int:
        """Rows of its row groups, of which some may not count."""
        return sum(group.rows_n for group in self.groups)


@dataclass(frozen=True, slots=True)
class Batch:
    """Sources to read together.

    Attributes:
        planned: the sources, in order of precedence.
        hosts: hosts whose rows count; ``None`` for all.
    """

    planned: tuple[Planned, ...]
    hosts: frozenset[str] | None


def in_order(sources: Sequence[Source]) -> list[Source]:
    """Return every source once, the earliest written first.

    Raises:
        ValueError: if two sources with the same content differ in time of writing or refused rows.
    """
    by_hash: dict[str, Source] = {}
    for source in sources:
        known = by_hash.setdefault(source.sha256, source)
        if known.written_ms != source.written_ms or set(known.refused_rows) != set(source.refused_rows):
            msg = f"two sources have the hash {source.sha256} but not the same time of writing or refused rows"
            raise ValueError(msg)
    return sorted(by_hash.values(), key=lambda source: (source.written_ms, source.sha256))


@contextmanager
def readable(source: Source) -> Iterator[None]:
    """Turn what goes wrong with a source into an error that names it.

    Raises:
        CompactionError: if the file is missing or cannot be read.
    """
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeError) as error:
        msg = (
            f"{source.path}: a landed file cannot be read any more ({str(error)[:300]}); "
            f"put back the file with SHA-256 {source.sha256} from a copy, then compact the hour again"
        )
        raise CompactionError(msg) from error


def open_landed(path: Path, texts: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a landed file; page checksums are verified when its rows are read.

    Args:
        path: the file.
        texts: columns to read as codes.
    """
    # A memory map would turn a file that is cut short meanwhile into a crash.
    return pq.ParquetFile(path, read_dictionary=list(texts), page_checksum_verification=True, memory_map=False)


def plan(hour_ms: int, sources: Sequence[Source], batch_rows_n: int = BATCH_ROWS) -> list[Batch]:
    """Return what to read, as batches of whole hosts in the order of their names.

    Args:
        hour_ms: start of the hour [epoch ms].
        sources: sources in order of precedence.
        batch_rows_n: most rows of a batch, unless one host has more [rows].

    Raises:
        CompactionError: if a source cannot be read.
    """
    planned = [_planned(number, source, hour_ms) for number, source in enumerate(sources)]
    planned = [one for one in planned if one.groups]
    if sum(one.rows_n for one in planned) <= batch_rows_n:
        return [Batch(tuple(planned), None)] if planned else []
    hosts_of = [_hosts(one) for one in planned]
    total = sum(hosts_of, Counter[str]())
    batches = []
    for hosts in _even(total, batch_rows_n):
        parts = (one for one, found in zip(planned, hosts_of, strict=True) if not hosts.isdisjoint(found))
        batches.append(Batch(tuple(parts), hosts))
    return batches


def _planned(number: int, source: Source, hour_ms: int) -> Planned:
    with readable(source), open_landed(source.path) as file:
        footer = file.metadata
        names = [footer.schema.column(at).path for at in range(footer.num_columns)]
        time, host = names.index("ts_ms"), names.index("host")
        groups, first_row = [], 0
        for index in range(footer.num_row_groups):
            group = footer.row_group(index)
            is_out = footer.num_row_groups > 1 and _is_outside(group.column(time), hour_ms)
            if group.num_rows and not is_out:
                groups.append(Group(index, first_row, group.num_rows, _only_value(group.column(host))))
            first_row += group.num_rows
    return Planned(number, source, tuple(groups))


def _is_outside(chunk: pq.ColumnChunkMetaData, hour_ms: int) -> bool:
    stats = chunk.statistics
    if stats is None or not stats.has_min_max:
        return False
    return bool(stats.max < hour_ms or stats.min >= hour_ms + MS_PER_HOUR)


def _only_value(chunk: pq.ColumnChunkMetaData) -> str | None:
    stats = chunk.statistics
    if stats is None or not stats.has_min_max or stats.min != stats.max:
        return None
    return str(stats.min)


def _hosts(planned: Planned) -> Counter[str]:
    """Return the rows of each host in the row groups of a source."""
    found: Counter[str] = Counter()
    unknown = [group.index for group in planned.groups if group.host is None]
    for group in planned.groups:
        if group.host is not None:
            found[group.host] += group.rows_n
    if unknown:
        with readable(planned.source), open_landed(planned.source.path) as file:
            for index in unknown:
                column = file.read_row_group(index, columns=["host"], use_threads=False).column(0)
                for entry in pc.value_counts(column.cast(pa.string())).to_pylist():
                    if entry["values"] is not None:
                        found[entry["values"]] += entry["counts"]
    return found


def _even(rows_of: Counter[str], batch_rows_n: int) -> Iterator[frozenset[str]]:
    """Yield hosts in order of name, in parts of about equal size and at most the given one where hosts allow it."""
    total = rows_of.total()
    most = total / max(1, -(-total // batch_rows_n))
    hosts: list[str] = []
    rows_n = 0
    for host in sorted(rows_of):
        if hosts and rows_n + rows_of[host] > most:
            yield frozenset(hosts)
            hosts, rows_n = [], 0
        hosts.append(host)
        rows_n += rows_of[host]
    if hosts:
        yield frozenset(hosts)

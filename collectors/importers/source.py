"""Source files, CSV or Parquet, read in batches with the number of every row.

What belongs here: finding files below the imported path, compression, headers, batches, broken CSV lines. What must not
be here: the meaning of a column. Every cell of a CSV file is read as text; what it means is the mapping's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from .errors import Where
from .spec import CsvOptions

ROW = "#row"
"""Column with the number of the row in its file, from 1, the header not counted."""
CSV_BLOCK_BYTES = 8 << 20
PARQUET_BATCH_ROWS = 1 << 17
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}
_SHOWN = 40
_Handler = Callable[[pcsv.InvalidRow], str]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a file.

    Attributes:
        rows: columns that were asked for, and ``ROW``.
        read_bytes: bytes of the file read so far.
        broken: ``(row, text)`` of CSV lines with another number of cells than the header.
    """

    rows: pa.RecordBatch
    read_bytes: int
    broken: list[tuple[int, str]] = field(default_factory=list)


def find_files(where: Where, source: Path, pattern: str | None, *, single: bool) -> list[Path]:
    """Return the files that an entry reads, in order of name.

    Args:
        where: place in the mapping.
        source: imported path, a file or a folder.
        pattern: file or pattern of the entry.
        single: whether the whole mapping reads one file only, so that a file of any name will do.

    Returns:
        Files; empty if ``source`` is a file that the entry does not read.

    Raises:
        MappingError: if there is no such path, or the folder has no such file.
    """
    if source.is_file():
        return [source] if single or pattern is None or source.match(pattern) else []
    if not source.is_dir():
        where.fail(f"{source} does not exist; give a file or a folder")
    if pattern is None:
        where.at("file").fail(f"{source} is a folder; the mapping names no file, so give the file itself")
    files = sorted(path for path in source.glob(pattern) if path.is_file())
    if not files:
        there = ", ".join(sorted(path.name for path in source.iterdir())[:_SHOWN])
        where.at("file").fail(f"{source} has no {pattern}; it has {there or 'nothing'}")
    return files


def read_batches(where: Where, path: Path, columns: set[str], options: CsvOptions) -> Iterator[Batch]:
    """Yield the rows of a file.

    Args:
        where: place in the mapping.
        path: file, CSV (plain, gzip, zstd or bzip2) or Parquet.
        columns: columns to read.
        options: how a CSV file is written.

    Raises:
        MappingError: if the file cannot be read or lacks a column.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        batches = _parquet(where, path, columns) if magic == b"PAR1" else _csv(where, path, columns, options, magic)
        yield from batches
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        where.at("file").fail(f"{path.name} cannot be read: {error!s:.300}")


def read_all(where: Where, path: Path, columns: set[str], options: CsvOptions) -> pa.RecordBatch:
    """Return all rows of a file; for the small side of a join.

    Raises:
        MappingError: if the file cannot be read, lacks a column or has a broken line.
    """
    batches = list(read_batches(where, path, columns, options))
    broken = [row for batch in batches for row, _ in batch.broken]
    if broken:
        where.at("file").fail(f"{path.name}, row {broken[0]}: number of cells differs from the header")
    table = pa.Table.from_batches([batch.rows for batch in batches]).combine_chunks()
    return table.to_batches()[0] if table.num_rows else batches[0].rows


def _select(where: Where, path: Path, names: list[str], columns: set[str]) -> dict[str, str]:
    """Return name as the mapping writes it -> name in the file, for the wanted columns."""
    known: dict[str, str] = {}
    for name in names:
        if name.strip() in known and name.strip() in columns:
            where.fail(f"{path.name} has two columns {name.strip()!r}")
        known.setdefault(name.strip(), name)
    for column in sorted(columns):
        if column not in known:
            there = ", ".join(list(known)[:_SHOWN])
            where.fail(f"{path.name} has no column {column!r}; it has {there}")
    return {name: known[name] for name in known if name in columns}


def _parquet(where: Where, path: Path, columns: set[str]) -> Iterator[Batch]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        wanted = _select(where, path, file.schema_arrow.names, columns)
        size, total, row = path.stat().st_size, max(file.metadata.num_rows, 1), 0
        for batch in file.iter_batches(PARQUET_BATCH_ROWS, columns=list(wanted.values())):
            numbers = pa.array(range(row + 1, row + batch.num_rows + 1), pa.int64())
            row += batch.num_rows
            arrays = [batch.column(name) for name in wanted.values()]
            rows = pa.RecordBatch.from_arrays([*arrays, numbers], names=[*wanted, ROW])
            yield Batch(rows, size * row // total)
        if row == 0:
            fields = [pa.field(name, file.schema_arrow.field(there).type) for name, there in wanted.items()]
            yield Batch(_empty(fields), size)


def _empty(fields: list[pa.Field]) -> pa.RecordBatch:
    fields = [*fields, pa.field(ROW, pa.int64())]
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in fields], schema=pa.schema(fields))


def _csv(where: Where, path: Path, columns: set[str], options: CsvOptions, magic: bytes) -> Iterator[Batch]:
    names = _header(path, options, magic)
    wanted = _select(where, path, names, columns)
    broken: list[tuple[int, str]] = []

    def note(row: pcsv.InvalidRow) -> str:
        # The parser counts lines from 1 with the header; without threads it always knows the number.
        broken.append((row.number - 1 - options.skip_rows, row.text))
        return "skip"

    raw, stream = _open(path, magic)
    with raw, stream:
        reader = pcsv.open_csv(
            stream,
            _read_options(options),
            _parse_options(options, note),
            pcsv.ConvertOptions(
                include_columns=list(wanted.values()),
                column_types=dict.fromkeys(wanted.values(), pa.string()),
                strings_can_be_null=False,
            ),
        )
        read, reported, seen = 0, 0, False
        for batch in reader:
            numbers = _numbers(read, batch.num_rows, [row for row, _ in broken])
            read += batch.num_rows
            rows = pa.RecordBatch.from_arrays([*batch.columns, numbers], names=[*wanted, ROW])
            new, reported, seen = broken[reported:], len(broken), True
            yield Batch(rows, raw.tell(), new)
        if broken[reported:] or not seen:
            fields = [pa.field(name, pa.string()) for name in wanted]
            yield Batch(_empty(fields), raw.tell(), broken[reported:])


def _numbers(read: int, count: int, broken: list[int]) -> pa.Array:
    """Return the row numbers of a batch, given the rows read before it and the numbers of the broken lines."""
    numbers = []
    skipped = 0
    for index in range(read + 1, read + count + 1):
        while skipped < len(broken) and broken[skipped] <= index + skipped:
            skipped += 1
        numbers.append(index + skipped)
    return pa.array(numbers, pa.int64())


def _header(path: Path, options: CsvOptions, magic: bytes) -> list[str]:
    raw, stream = _open(path, magic)
    with raw, stream:
        reader = pcsv.open_csv(stream, _read_options(options), _parse_options(options, lambda _: "skip"))
        return list(reader.schema.names)


def _read_options(options: CsvOptions) -> pcsv.ReadOptions:
    return pcsv.ReadOptions(
        use_threads=False, block_size=CSV_BLOCK_BYTES, skip_rows=options.skip_rows, encoding=options.encoding
    )


def _parse_options(options: CsvOptions, handler: _Handler) -> pcsv.ParseOptions:
    return pcsv.ParseOptions(delimiter=options.delimiter, newlines_in_values=True, invalid_row_handler=handler)


def _open(path: Path, magic: bytes) -> tuple[pa.NativeFile, pa.NativeFile]:
    raw = pa.OSFile(str(path), "rb")
    for start, name in _COMPRESSIONS.items():
        if magic.startswith(start):
            return raw, pa.CompressedInputStream(raw, name)
    return raw, raw

"""The landing reader: a landed file is either exactly what a collector wrote, or refused with a reason.

What belongs here: every check that one file needs before its rows are believed, in an order in which nothing large is
allocated on a stranger's word. What must not be here: rules on rows (ranges, keys, duplicates) and what happens next.

Checks, cheapest first: regular file, size, magic bytes, digest of the whole file, footer, schema, declared sizes, page
headers, page checksums, text. See ``FileReason`` for the closed set of reasons.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .. import contract
from .pages import PageError, page_totals
from .refusal import REASONS, FileReason, ReadLimits, UnreadableFile
from .writer import DIGEST_PLACEHOLDER, META_DIGEST

__all__ = [
    "REASONS",
    "FileReason",
    "LandedFile",
    "ReadLimits",
    "UnreadableFile",
    "landed_name_problem",
    "read_landed",
]


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A landed file that passed every check.

    Attributes:
        path: where it was read.
        table: landing table of its rows.
        version: contract version it was written by.
        sha256: hash of its bytes, hexadecimal.
        size_bytes: size of the file [bytes].
        metadata: file metadata, contract keys and the digest.
        rows: rows with exactly the contract's columns, in its order and types. A required column that holds NULLs is
            marked nullable, so that each such row can be refused by itself.
        written_ms: when the collector wrote it [epoch ms].
        sequence: number of the file among its writer's files of the hour.
        host: host whose collector wrote it.
    """

    path: Path
    table: str
    version: int
    sha256: str
    size_bytes: int
    metadata: dict[str, str]
    rows: pa.Table
    written_ms: int
    sequence: int
    host: str


_MAGIC = b"PAR1"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,80}\.parquet")
_DATE = re.compile(r"date=([0-9]{4})-([0-9]{2})-([0-9]{2})")
_HOUR = re.compile(r"hour=([01][0-9]|2[0-3])")
_HEX = re.compile(rb"[0-9a-f]{64}")
_DELTA_BYTE_ARRAY = 7  # parquet.thrift, Encoding: a few bytes a value may stand for any number
_INT_RANGE = {
    pa.int8(): (-(2**7), 2**7),
    pa.int16(): (-(2**15), 2**15),
    pa.int32(): (-(2**31), 2**31),
    pa.int64(): (-(2**63), 2**63),
    pa.uint8(): (0, 2**8),
    pa.uint16(): (0, 2**16),
    pa.uint32(): (0, 2**32),
}


def landed_name_problem(relative_path: str) -> str | None:
    """Return what is wrong with a path below the landing folder, or ``None`` if it is one that collectors write.

    Args:
        relative_path: path relative to the landing folder, with ``/``.
    """
    parts = relative_path.split("/")
    if len(parts) != 4:
        return "not of the form <table>/date=YYYY-MM-DD/hour=HH/<name>.parquet"
    table, date, hour, name = parts
    if table not in contract.TABLES:
        return "unknown table folder"
    match = _DATE.fullmatch(date)
    if not match or not (1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31):
        return "bad date folder"
    if not _HOUR.fullmatch(hour):
        return "bad hour folder"
    if not _NAME.fullmatch(name):
        return "bad file name"
    return None


def read_landed(path: Path, *, limits: ReadLimits | None = None, table: str | None = None) -> LandedFile:
    """Read a landed file, or refuse it.

    Args:
        path: the file.
        limits: how much it may ask for.
        table: table that the file must belong to; by default the folder's, where the path is one of a landing folder.

    Raises:
        UnreadableFile: with the reason, whatever is wrong with the file.
    """
    limits = limits or ReadLimits()
    path = Path(path)
    table = table or _table_of(path)
    data = _load(path, limits)
    digest_verified = _check_frame(data, limits)
    try:
        file = _open(data, limits)
        spec, version, metadata = _identify(file, table, digest_verified)
        _check_sizes(file.metadata, metadata, limits)
        _check_schema(file.schema_arrow, spec)
        _check_pages(file.metadata, memoryview(data), limits)
        # A dictionary of one 50 MB text and a million rows stays 50 MB until its sizes have been looked at.
        there = file.schema_arrow.names
        texts = [item.name for item in spec.columns if pa.types.is_string(item.type) and item.name in there]
        rows = _read_rows(_open(data, limits, texts), spec, limits)
        _check_span(rows, spec, metadata)
    except (pa.ArrowException, OSError, OverflowError, MemoryError, UnicodeError, PageError) as error:
        raise UnreadableFile(_reason_of(error), str(error)[:500]) from error
    return LandedFile(
        path=path,
        table=spec.name,
        version=version,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        metadata=metadata,
        rows=rows,
        written_ms=_number(metadata, contract.META_WRITTEN_MS),
        sequence=_number(metadata, contract.META_SEQUENCE),
        host=metadata[contract.META_HOST],
    )


def _refuse(reason: FileReason, detail: str) -> UnreadableFile:
    return UnreadableFile(reason, detail)


def _table_of(path: Path) -> str | None:
    """Return the table folder of a path in landing layout; refuse unsafe names there."""
    parts = path.parts[-4:]
    if len(parts) < 4 or not (parts[1].startswith("date=") and parts[2].startswith("hour=")):
        return None
    problem = landed_name_problem("/".join(parts))
    if problem:
        reason = FileReason.UNKNOWN_TABLE if parts[0] not in contract.TABLES else FileReason.UNSAFE_NAME
        raise _refuse(reason, problem)
    return parts[0]


def _load(path: Path, limits: ReadLimits) -> bytes:
    """Return the bytes of a regular file; everything after works on these, whatever becomes of the file."""
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        if path.is_symlink():
            raise _refuse(FileReason.NOT_A_REGULAR_FILE, "symbolic link") from error
        raise _refuse(FileReason.UNREADABLE, str(error)) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _refuse(FileReason.NOT_A_REGULAR_FILE, stat.filemode(status.st_mode))
        if status.st_size > limits.file_bytes:
            raise _refuse(FileReason.TOO_LARGE, f"{status.st_size} bytes, at most {limits.file_bytes}")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limits.file_bytes + 1)
    except OSError as error:
        raise _refuse(FileReason.UNREADABLE, str(error)) from error
    finally:
        os.close(descriptor)
    if len(data) > limits.file_bytes:
        raise _refuse(FileReason.TOO_LARGE, f"grew beyond {limits.file_bytes} bytes")
    return data


def _check_frame(data: bytes, limits: ReadLimits) -> bool:
    """Check magic bytes, footer size and digest; return whether a digest was there."""
    if not data:
        raise _refuse(FileReason.EMPTY_FILE, "0 bytes")
    if not data.startswith(_MAGIC):
        raise _refuse(FileReason.NOT_PARQUET, f"begins with {data[:16]!r}")
    if len(data) < 12 or not data.endswith(_MAGIC):
        raise _refuse(FileReason.TRUNCATED, f"no Parquet footer at the end of {len(data)} bytes")
    footer = int.from_bytes(data[-8:-4], "little")
    if footer > len(data) - 12:
        raise _refuse(FileReason.TRUNCATED, f"footer of {footer} bytes in a file of {len(data)}")
    if footer > limits.footer_bytes:
        raise _refuse(FileReason.TOO_LARGE, f"footer of {footer} bytes, at most {limits.footer_bytes}")
    key = META_DIGEST.encode()
    at = data.rfind(key, len(data) - 8 - footer)
    at += len(key) + 2  # Thrift puts a field head and a length before the value
    digest = data[at : at + 64]
    if at < len(key) + 2 or not _HEX.fullmatch(digest):
        return False
    blank = b"".join((memoryview(data)[:at], DIGEST_PLACEHOLDER.encode(), memoryview(data)[at + 64 :]))
    if hashlib.sha256(blank).hexdigest().encode() != digest:
        raise _refuse(FileReason.CHECKSUM_MISMATCH, "the digest of the whole file does not match")
    return True


def _open(data: bytes, limits: ReadLimits, dictionaries: list[str] | None = None) -> pq.ParquetFile:
    return pq.ParquetFile(
        pa.BufferReader(data),
        read_dictionary=dictionaries,
        thrift_string_size_limit=limits.footer_bytes,
        thrift_container_size_limit=max(limits.row_groups, limits.columns, 1_024),
        page_checksum_verification=True,
    )


def _identify(
    file: pq.ParquetFile, table: str | None, digest_verified: bool
) -> tuple[contract.LandingTable, int, dict[str, str]]:
    """Return the table, contract version and metadata of a file."""
    raw: dict[bytes, bytes] = file.metadata.metadata or {}
    metadata = {key.decode(): value.decode() for key, value in raw.items() if key.startswith(b"wattledger.")}
    tag = metadata.get(contract.META_SCHEMA, "")
    name, _, version = tag.partition("/")
    if name not in contract.TABLES:
        raise _refuse(FileReason.UNKNOWN_TABLE, f"schema tag {tag!r:.100}")
    if version != str(contract.CONTRACT_VERSION):
        raise _refuse(FileReason.UNKNOWN_VERSION, f"schema tag {tag!r:.100}")
    if table is not None and table != name:
        raise _refuse(FileReason.METADATA_MISMATCH, f"schema tag {tag!r} in the folder of {table}")
    missing = [key for key in contract.META_KEYS if key not in metadata]
    if missing:
        raise _refuse(FileReason.METADATA_MISMATCH, "missing metadata: " + ", ".join(missing))
    if META_DIGEST in metadata and not digest_verified:
        raise _refuse(FileReason.CHECKSUM_MISMATCH, "the digest of the whole file is damaged")
    return contract.TABLES[name], int(version), metadata


def _check_sizes(footer: pq.FileMetaData, metadata: dict[str, str], limits: ReadLimits) -> None:
    asked = (
        ("rows", footer.num_rows, limits.rows),
        ("columns", footer.num_columns, limits.columns),
        ("row groups", footer.num_row_groups, limits.row_groups),
    )
    for what, count, most in asked:
        if count > most:
            raise _refuse(FileReason.TOO_LARGE, f"{count} {what}, at most {most}")
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    if min((group.num_rows for group in groups), default=0) < 0 or sum(g.num_rows for g in groups) != footer.num_rows:
        raise _refuse(FileReason.METADATA_MISMATCH, "the footer's row groups do not add up to its rows")
    declared = _number(metadata, contract.META_ROWS)
    if declared != footer.num_rows:
        raise _refuse(FileReason.METADATA_MISMATCH, f"{declared} rows declared, {footer.num_rows} in the footer")


def _check_schema(schema: pa.Schema, spec: contract.LandingTable) -> None:
    expected = [column.name for column in spec.columns if not column.is_later or column.name in schema.names]
    if sorted(schema.names) != sorted(expected):
        wrong = sorted(set(schema.names) ^ set(expected)) or ["a column twice"]
        raise _refuse(FileReason.WRONG_SCHEMA, f"columns differ from {spec.name}: " + ", ".join(wrong)[:300])
    for column in spec.columns:
        if column.name not in schema.names:
            continue
        found = schema.field(column.name).type
        if not _fits(found, column.type):
            raise _refuse(FileReason.WRONG_SCHEMA, f"{column.name} is {found}, must be {column.type}")


def _fits(found: pa.DataType, expected: pa.DataType) -> bool:
    """Return whether every value of the found type is one of the expected type."""
    if pa.types.is_string(expected):
        inner = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))
    if found in _INT_RANGE and expected in _INT_RANGE:
        (low, high), (least, most) = _INT_RANGE[found], _INT_RANGE[expected]
        return low >= least and high <= most
    return bool(found == expected)


def _check_pages(footer: pq.FileMetaData, data: memoryview, limits: ReadLimits) -> None:
    """Refuse a file whose page headers would make the decoder allocate more than allowed."""
    total = 0
    for group_index in range(footer.num_row_groups):
        group = footer.row_group(group_index)
        for index in range(group.num_columns):
            total += _chunk_bytes(group.column(index), group.num_rows, data, limits)
            if total > limits.decoded_bytes:
                raise _refuse(FileReason.TOO_LARGE, f"more than {limits.decoded_bytes} bytes when decoded")


def _chunk_bytes(chunk: pq.ColumnChunkMetaData, rows: int, data: memoryview, limits: ReadLimits) -> int:
    """Return an upper bound of what a column chunk takes when decoded [bytes]."""
    if chunk.file_path:
        raise _refuse(FileReason.UNREADABLE, f"column {chunk.path_in_schema} lies in another file")
    start = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
        start = chunk.dictionary_page_offset
    pages = page_totals(data, start, chunk.total_compressed_size, max_pages=limits.pages)
    nested = "." in chunk.path_in_schema
    if pages.values_n > limits.rows:
        raise _refuse(FileReason.TOO_LARGE, f"{pages.values_n} values in {chunk.path_in_schema}, at most {limits.rows}")
    if not nested and pages.values_n != rows:
        detail = f"{pages.values_n} values for {rows} rows in {chunk.path_in_schema}"
        raise _refuse(FileReason.METADATA_MISMATCH, detail)
    if _DELTA_BYTE_ARRAY in pages.encodings:
        raise _refuse(FileReason.UNREADABLE, f"{chunk.path_in_schema} uses an encoding that is not accepted")
    # Nested text is decoded at once, so each value may cost as much as the whole dictionary.
    repeated = pages.dictionary_bytes * pages.values_n if nested else 0
    return pages.uncompressed_bytes + 8 * pages.values_n + repeated


def _read_rows(file: pq.ParquetFile, spec: contract.LandingTable, limits: ReadLimits) -> pa.Table:
    """Decode the rows and put them into the contract's order and types."""
    table = file.read(use_threads=False)
    for column in spec.columns:
        if column.name not in table.column_names:
            table = table.append_column(column.name, pa.nulls(table.num_rows, column.type))
    table = table.select([column.name for column in spec.columns])
    if table.num_rows != file.metadata.num_rows:
        detail = f"{table.num_rows} rows read, {file.metadata.num_rows} in the footer"
        raise _refuse(FileReason.METADATA_MISMATCH, detail)
    table.validate(full=True)
    decoded = table.nbytes
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            decoded += _text_bytes(column, limits)
    if decoded > limits.decoded_bytes:
        raise _refuse(FileReason.TOO_LARGE, f"{decoded} bytes when decoded, at most {limits.decoded_bytes}")
    fields = [
        field.with_nullable(field.nullable or table.column(field.name).null_count > 0) for field in spec.arrow_schema()
    ]
    return table.cast(pa.schema(fields)).combine_chunks()


def _text_bytes(column: pa.ChunkedArray, limits: ReadLimits) -> int:
    """Return the bytes of a text column once its dictionary is written out."""
    total = 0
    for chunk in column.chunks:
        lengths = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
        longest = pc.max(lengths).as_py() or 0
        if longest > limits.cell_bytes:
            raise _refuse(FileReason.TOO_LARGE, f"a text of {longest} bytes, at most {limits.cell_bytes}")
        total += pc.sum(pc.take(lengths, chunk.indices)).as_py() or 0
    return total


def _check_span(rows: pa.Table, spec: contract.LandingTable, metadata: dict[str, str]) -> None:
    if not rows.num_rows:
        return
    span = pc.min_max(rows.column(spec.time_column)).as_py()
    declared = (_number(metadata, contract.META_FIRST_MS), _number(metadata, contract.META_LAST_MS))
    if declared != (span["min"], span["max"]):
        raise _refuse(FileReason.METADATA_MISMATCH, f"times {declared} declared, {span['min'], span['max']} found")


def _number(metadata: dict[str, str], key: str) -> int:
    text = metadata[key]
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise _refuse(FileReason.METADATA_MISMATCH, f"{key} is {text!r:.100}")
    return int(text)


def _reason_of(error: BaseException) -> FileReason:
    if "crc checksum" in str(error).lower():
        return FileReason.CHECKSUM_MISMATCH
    return FileReason.TOO_LARGE if isinstance(error, MemoryError) else FileReason.UNREADABLE

"""The landing writer: rows of the contract become checksummed Parquet files.

What belongs here: validation against the contract, the split by hour, and names. What must not be here: how a file
becomes visible (see ``stores``), reading or judging of landed files (see ``reader``), or where rows come from.

Pages carry checksums, and the metadata key ``wattledger.file_sha256`` holds the SHA-256 of the whole file as it was
with zeros in that place, so that a flipped bit in the footer is found as well.

pyarrow is imported by the first write, not with this module.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..clock import SystemClock
from ..clock import boot_id as read_boot_id
from .refusal import LandingError
from .stores import host_hash, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from ..clock import Clock
    from ..contract import LandingTable

META_DIGEST = "wattledger.file_sha256"
"""Metadata key of the digest of the whole file."""
DIGEST_PLACEHOLDER = "0" * 64
MAX_FILE_ROWS = 1_000_000
"""An hour with more rows becomes several files; keeps one file's cost to its readers bounded."""

WRITER_PATTERN = re.compile(r"[a-z0-9-]{1,64}")
_SEQUENCE = re.compile(r"-([0-9]{6,18})\.parquet$")
_MS_PER_HOUR = 3_600_000
_ATTEMPTS = 1_000


@dataclass(frozen=True, slots=True)
class _Part:
    folder: tuple[str, ...]
    rows: pa.Table
    first_ms: int
    last_ms: int


class LandingWriter:
    """Writes rows of landing tables into one landing folder or object store."""

    def __init__(
        self,
        root: Path | str,
        writer: str | None = None,
        *,
        host: str,
        boot_id: str | None = None,
        collector_version: str,
        clock: Clock | None = None,
        first_sequence: int | None = None,
    ) -> None:
        """Name the writer; nothing is written or created yet.

        Args:
            root: landing folder, or the address of an object store (``s3://bucket/prefix``).
            writer: first part of the file names, ``[a-z0-9-]`` only; by default hashed from host, boot and process.
            host: host name that goes into the metadata, never into a name on disk.
            boot_id: id of this boot; by default read from the kernel.
            collector_version: version of what collected the rows.
            clock: where the time of writing comes from.
            first_sequence: number after which the files of each folder are numbered, where the caller keeps count; by
                default after those that are there.

        Raises:
            ValueError: if the writer is not a safe name.
        """
        self.root = root
        self._store = store_of(root)
        self.host = host
        self.boot_id = boot_id or read_boot_id()
        self.collector_version = collector_version
        self._clock: Clock = clock or SystemClock()
        self.writer = _default_writer(host, self.boot_id) if writer is None else writer
        if not WRITER_PATTERN.fullmatch(self.writer):
            msg = f"writer {writer!r} is not a safe name: 1 to 64 of a-z, 0-9 and -"
            raise ValueError(msg)
        self._first_sequence = first_sequence
        self._sequence: dict[tuple[str, ...], int] = {}

    def write(
        self,
        table: str,
        rows: Sequence[Mapping[str, Any]] | pa.Table,
        *,
        written_ms: int | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> list[Path | str]:
        """Write rows of one table, one file an hour of its time column.

        Either every row is valid or nothing is written.

        Args:
            table: landing table of the contract.
            rows: rows as mappings, or an Arrow table; columns that are left out are NULL.
            written_ms: time of writing for the metadata [epoch ms]; by default now. Give it to get equal bytes.
            extra: further metadata of the files.

        Returns:
            The files written, or there already with the same bytes, in order of time; addresses of an object store as
            text; empty for no rows.

        Raises:
            LandingError: if a row breaks the contract.
            OSError: if a file cannot be written; files of earlier hours stay.
        """
        from ..contract import TABLES
        from .validate import to_valid_table

        spec = TABLES.get(table)
        if spec is None:
            raise LandingError(table, None, None, table, "one of " + ", ".join(TABLES))
        valid = to_valid_table(spec, rows)
        stamp = self._clock.now_ms() if written_ms is None else written_ms
        return [self._write_part(spec, part, stamp, extra or {}) for part in _split(spec, valid)]

    def _write_part(self, spec: LandingTable, part: _Part, written_ms: int, extra: Mapping[str, str]) -> Path | str:
        sequence = self._sequence.get(part.folder, self._first_sequence)
        if sequence is None:
            sequence = _last_sequence(self._store.names(part.folder), self.writer)
        for _ in range(_ATTEMPTS):
            sequence += 1
            data = _encode(part.rows, {**extra, **self._metadata(spec, part, sequence, written_ms)})
            name = f"{self.writer}-{sequence:06d}.parquet"
            try:
                path = self._store.put_new(part.folder, name, data, self.host)
            except FileExistsError:
                continue
            self._sequence[part.folder] = sequence
            return path
        msg = f"no free file name in {'/'.join(part.folder)} after {_ATTEMPTS} attempts"
        raise OSError(msg)

    def _metadata(self, spec: LandingTable, part: _Part, sequence: int, written_ms: int) -> dict[str, str]:
        from .. import contract

        return {
            contract.META_SCHEMA: contract.schema_tag(spec.name),
            contract.META_COLLECTOR: self.collector_version,
            contract.META_HOST: self.host,
            contract.META_BOOT: self.boot_id,
            contract.META_SEQUENCE: str(sequence),
            contract.META_ROWS: str(part.rows.num_rows),
            contract.META_FIRST_MS: str(part.first_ms),
            contract.META_LAST_MS: str(part.last_ms),
            contract.META_WRITTEN_MS: str(written_ms),
            META_DIGEST: DIGEST_PLACEHOLDER,
        }


def _split(spec: LandingTable, rows: pa.Table) -> Iterator[_Part]:
    """Yield the rows by hour, sorted by the table's key; at most ``MAX_FILE_ROWS`` a part."""
    import pyarrow.compute as pc

    if rows.num_rows == 0:
        return
    hours = pc.divide(rows.column(spec.folder_time), _MS_PER_HOUR)
    keyed = rows.select([*dict.fromkeys(spec.key)]).append_column("#hour", hours)
    order = pc.sort_indices(keyed, sort_keys=[("#hour", "ascending"), *((name, "ascending") for name in spec.key)])
    rows = rows.take(order)
    start = 0
    for entry in pc.value_counts(hours.take(order)).to_pylist():
        end = start + entry["counts"]
        for offset in range(start, end, MAX_FILE_ROWS):
            part = rows.slice(offset, min(MAX_FILE_ROWS, end - offset)).combine_chunks()
            span = pc.min_max(part.column(spec.time_column)).as_py()
            yield _Part(_folder(spec.name, entry["values"]), part, span["min"], span["max"])
        start = end


def _folder(table: str, hour: int) -> tuple[str, ...]:
    moment = time.gmtime(hour * 3600)
    return (table, time.strftime("date=%Y-%m-%d", moment), time.strftime("hour=%H", moment))


def _encode(rows: pa.Table, metadata: dict[str, str]) -> bytes:
    """Return the bytes of a Parquet file with page checksums and the digest of the whole file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    integers = [field.name for field in rows.schema if field.type == pa.int64()]
    texts = [field.name for field in rows.schema if field.type == pa.string()]
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        rows.schema,
        compression="zstd",
        use_dictionary=texts,
        column_encoding=dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
        write_page_checksum=True,
    ) as writer:
        writer.write_table(rows, row_group_size=1 << 18)
        writer.add_key_value_metadata(metadata)
    data = bytearray(sink.getvalue().to_pybytes())
    at = data.rfind(DIGEST_PLACEHOLDER.encode())
    data[at : at + len(DIGEST_PLACEHOLDER)] = hashlib.sha256(data).hexdigest().encode()
    return bytes(data)


def _default_writer(host: str, boot: str) -> str:
    start = f"{boot}/{os.getpid()}/{time.monotonic_ns()}/{os.urandom(8).hex()}"
    return f"{host_hash(host)}-{hashlib.sha256(start.encode()).hexdigest()[:8]}"


def _last_sequence(names: list[str], writer: str) -> int:
    """Return the largest sequence number that the writer has used among these files, 0 if none."""
    own = (name for name in names if name.startswith(f"{writer}-"))
    used = [int(match[1]) for name in own if (match := _SEQUENCE.search(name)) and match.start() == len(writer)]
    return max(used, default=0)

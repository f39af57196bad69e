"""The landing writer: rows of the contract become checksummed Parquet files that appear whole or not at all.

What belongs here: validation against the contract, the split by hour, names, and the way a file becomes visible. What
must not be here: reading or judging of landed files (see ``reader``), or anything that knows where rows come from.

A file is written under a hidden name, synced, linked to its final name (which fails rather than overwrites), and the
folder is synced. Its pages carry checksums, and the metadata key ``wattledger.file_sha256`` holds the SHA-256 of the
whole file as it was with zeros in that place, so that a flipped bit in the footer is found as well.

pyarrow is imported by the first write, not with this module.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._refusal import LandingError
from .clock import SystemClock
from .clock import boot_id as read_boot_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from .clock import Clock
    from .contract import LandingTable

META_DIGEST = "wattledger.file_sha256"
"""Metadata key of the digest of the whole file."""
DIGEST_PLACEHOLDER = "0" * 64
MAX_FILE_ROWS = 1_000_000
"""An hour with more rows becomes several files; keeps one file's cost to its readers bounded."""
STALE_S = 3_600
"""Age above which another host's temporary is taken for abandoned [s]."""

WRITER_PATTERN = re.compile(r"[a-z0-9-]{1,64}")
_TEMPORARY = re.compile(r"\.[a-z0-9-]{1,80}\.parquet\.([0-9a-f]{12})\.([0-9]{1,10})\.[0-9a-f]{8}\.tmp")
_SEQUENCE = re.compile(r"-([0-9]{6,18})\.parquet$")
_MS_PER_HOUR = 3_600_000
_ATTEMPTS = 1_000
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True, slots=True)
class _Part:
    folder: tuple[str, ...]
    rows: pa.Table
    first_ms: int
    last_ms: int


class LandingWriter:
    """Writes rows of landing tables into one landing folder."""

    def __init__(
        self,
        root: Path,
        writer: str | None = None,
        *,
        host: str,
        boot_id: str | None = None,
        collector_version: str,
        clock: Clock | None = None,
    ) -> None:
        """Name the writer; nothing is written or created yet.

        Args:
            root: landing folder.
            writer: first part of the file names, ``[a-z0-9-]`` only; by default hashed from host, boot and process.
            host: host name that goes into the metadata, never into a name on disk.
            boot_id: id of this boot; by default read from the kernel.
            collector_version: version of what collected the rows.
            clock: where the time of writing comes from.

        Raises:
            ValueError: if the writer is not a safe name.
        """
        self.root = Path(root)
        self.host = host
        self.boot_id = boot_id or read_boot_id()
        self.collector_version = collector_version
        self._clock: Clock = clock or SystemClock()
        self.writer = _default_writer(host, self.boot_id) if writer is None else writer
        if not WRITER_PATTERN.fullmatch(self.writer):
            msg = f"writer {writer!r} is not a safe name: 1 to 64 of a-z, 0-9 and -"
            raise ValueError(msg)
        self._sequence: dict[tuple[str, ...], int] = {}

    def write(
        self, table: str, rows: Sequence[Mapping[str, Any]] | pa.Table, *, written_ms: int | None = None
    ) -> list[Path]:
        """Write rows of one table, one file an hour of its time column.

        Either every row is valid or nothing is written.

        Args:
            table: landing table of the contract.
            rows: rows as mappings, or an Arrow table; columns that are left out are NULL.
            written_ms: time of writing for the metadata [epoch ms]; by default now. Give it to get equal bytes.

        Returns:
            The files written, in order of time; empty for no rows.

        Raises:
            LandingError: if a row breaks the contract.
            OSError: if a file cannot be written; files of earlier hours stay.
        """
        from .contract import TABLES
        from .validate import to_valid_table

        spec = TABLES.get(table)
        if spec is None:
            raise LandingError(table, None, None, table, "one of " + ", ".join(TABLES))
        valid = to_valid_table(spec, rows)
        stamp = self._clock.now_ms() if written_ms is None else written_ms
        return [self._write_part(spec, part, stamp) for part in _split(spec, valid)]

    def _write_part(self, spec: LandingTable, part: _Part, written_ms: int) -> Path:
        folder = make_folders(self.root, part.folder)
        sequence = self._sequence.get(part.folder)
        if sequence is None:
            sequence = _last_sequence(folder, self.writer)
        for _ in range(_ATTEMPTS):
            sequence += 1
            data = _encode(part.rows, self._metadata(spec, part, sequence, written_ms))
            path = folder / f"{self.writer}-{sequence:06d}.parquet"
            try:
                put_new(path, data, self.host)
            except FileExistsError:
                continue
            self._sequence[part.folder] = sequence
            return path
        msg = f"no free file name in {folder} after {_ATTEMPTS} attempts"
        raise OSError(msg)

    def _metadata(self, spec: LandingTable, part: _Part, sequence: int, written_ms: int) -> dict[str, str]:
        from . import contract

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


def host_hash(host: str) -> str:
    """Return the 12 hexadecimal digits that stand for a host in names on disk.

    Args:
        host: host name.
    """
    return hashlib.sha256(host.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def make_folders(root: Path, parts: tuple[str, ...]) -> Path:
    """Make folders below a root and sync the parent of each new one.

    Args:
        root: folder to begin at; made as well if it is missing.
        parts: names of the folders below it.

    Returns:
        The innermost folder.
    """
    missing = [parent for parent in (root, *root.parents) if not parent.exists()]
    for folder in reversed(missing):
        _make_folder(folder)
    for part in parts:
        root = root / part
        _make_folder(root)
    return root


def put_new(path: Path, data: bytes, host: str) -> None:
    """Store bytes under a name that must not exist yet; they appear whole or not at all.

    The one place that knows that landing is a local folder.

    Args:
        path: final name.
        data: content of the file.
        host: host name, hashed into the temporary name so that a sweep knows whose process to ask for.

    Raises:
        FileExistsError: if the name is taken.
        OSError: if the file cannot be written; no temporary is left behind.
    """
    temporary = path.with_name(f".{path.name}.{host_hash(host)}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _publish(temporary: Path, path: Path) -> None:
    """Give the finished file its name; fails if the name is taken."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links: names are unique by writer, so the check and the rename need not be atomic.
        if path.exists():
            raise FileExistsError(error.errno, "name is taken", str(path)) from error
        temporary.rename(path)


def sweep(root: Path, *, host: str, alive: Callable[[int], bool] | None = None, now_s: float | None = None) -> int:
    """Remove temporaries that no process will finish: of a dead process of this host, or older than an hour.

    Args:
        root: landing folder.
        host: name of this host.
        alive: whether a process id is alive; by default asked from the system.
        now_s: time to measure ages from [epoch s]; by default now.

    Returns:
        Number of files removed.
    """
    alive = alive or _alive
    now_s = time.time() if now_s is None else now_s
    removed = 0
    for path in Path(root).glob("*/date=*/hour=*/.*.tmp"):
        match = _TEMPORARY.fullmatch(path.name)
        if not match:
            continue
        try:
            dead = match[1] == host_hash(host) and not alive(int(match[2]))
            if dead or now_s - path.lstat().st_mtime > STALE_S:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed


def _split(spec: LandingTable, rows: pa.Table) -> Iterator[_Part]:
    """Yield the rows by hour, sorted by the table's key; at most ``MAX_FILE_ROWS`` a part."""
    import pyarrow.compute as pc

    if rows.num_rows == 0:
        return
    hours = pc.divide(rows.column(spec.time_column), _MS_PER_HOUR)
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


def _last_sequence(folder: Path, writer: str) -> int:
    """Return the largest sequence number that the writer has used in the folder, 0 if none."""
    names = (name for name in os.listdir(folder) if name.startswith(f"{writer}-"))  # noqa: PTH208 - names suffice
    used = [int(match[1]) for name in names if (match := _SEQUENCE.search(name)) and match.start() == len(writer)]
    return max(used, default=0)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        return
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True

"""Rows of one import on their way into landing: all or nothing, and the same bytes each time.

What belongs here: what every importer does with its rows and its refused rows, and the result that it returns. What
must not be here: how a source is read or what its fields mean.

Files are written to a temporary folder and move into landing when everything has been read. Their names and bytes
depend on the digest of the import and its rows only, so that importing twice changes nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import __version__
from ..contract import CONTRACT_VERSION, TABLES
from ..landing.stores import make_folders, put_new
from ..landing.validate import to_valid_table
from ..landing.writer import LandingWriter
from .errors import REJECTED_FOLDER, RejectedRow

FLUSH_ROWS = 500_000
"""Rows of a landing table that are held before they are written; bounds the memory of an import."""
SHOWN_REJECTS = 1_000
"""Refused rows that the result itself holds; the file has all."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that an importer reports beside the rows: what the source itself states, or a named official method.

    Attributes:
        subject: what it speaks of, for example a run.
        method: how it was found, for example ``mlperf`` or ``integral``; or who states it, for example ``codecarbon``.
        value: the figure.
        unit: its unit.
    """

    subject: str
    method: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did.

    Attributes:
        name: name of the format or mapping.
        digest: SHA-256 over importer, options and source; part of every file name.
        rows_read: source rows read; a row read for two tables counts twice.
        rows_filtered: rows that were left out on purpose, by a condition or because they repeat another.
        rows_landed: rows in the landed files.
        rows_rejected: rows that could not be taken.
        landed_by_table: landing table -> rows.
        rejected_by_reason: reason -> rows.
        rejected: the first refused rows, at most ``SHOWN_REJECTS``.
        rejected_file: all refused rows as JSON lines, or ``None`` if there are none.
        files: landed files, in order of table and hour.
        files_new: how many of them were not there before.
        assumptions: what is taken without being found in the data, one sentence each.
        findings: what looks wrong in the source although it was taken, one sentence each.
        figures: figures beside the rows.
    """

    name: str
    digest: str
    rows_read: int
    rows_filtered: int
    rows_landed: int
    rows_rejected: int
    landed_by_table: dict[str, int]
    rejected_by_reason: dict[str, int]
    rejected: tuple[RejectedRow, ...]
    rejected_file: Path | None
    files: list[Path]
    files_new: int
    assumptions: tuple[str, ...]
    findings: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()


def digest_of(kind: str, files: dict[str, Path]) -> str:
    """Return a hash over all that the landed bytes depend on.

    Args:
        kind: what reads the files, with its options.
        files: source files by the name under which they are told.

    Raises:
        OSError: if a file cannot be read.
    """
    total = hashlib.sha256(f"{__version__}/{CONTRACT_VERSION}/{pa.__version__}\0{kind}".encode())
    for name, path in sorted(files.items()):
        inner = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                inner.update(block)
        total.update(f"\0{name}\0{inner.hexdigest()}".encode())
    return total.hexdigest()


class Staging:
    """Collects the rows of an import in a temporary folder.

    Attributes:
        rejected_n: rows refused so far.
    """

    def __init__(self, folder: Path, name: str, digest: str) -> None:
        """Begin with nothing.

        Args:
            folder: temporary folder, empty.
            name: name of the format or mapping.
            digest: hash of the import, see ``digest_of``.
        """
        self._folder, self._name, self._digest = folder, name, digest
        self._rejects = _Rejects(folder / "rejected.jsonl")
        self._held: dict[str, list[pa.Table]] = {}
        self._held_rows = 0
        self._landed: Counter[str] = Counter()
        self._latest_ms = 0
        self._writer = LandingWriter(
            folder, f"import-{digest[:24]}", host=name, boot_id=digest, collector_version=__version__
        )

    @property
    def rejected_n(self) -> int:
        """Rows refused so far."""
        return self._rejects.counts.total()

    def add(self, table: str, rows: pa.Table | Sequence[dict[str, Any]]) -> None:
        """Take rows of a landing table.

        Args:
            table: landing table.
            rows: an Arrow table with the contract's schema, or rows as mappings.

        Raises:
            LandingError: if a row breaks the contract.
        """
        spec = TABLES[table]
        valid = rows if isinstance(rows, pa.Table) else to_valid_table(spec, rows)
        if not valid.num_rows:
            return
        self._held.setdefault(table, []).append(valid)
        self._held_rows += valid.num_rows
        self._landed[table] += valid.num_rows
        self._latest_ms = max(self._latest_ms, pc.max(valid.column(spec.time_column)).as_py())
        if self._held_rows >= FLUSH_ROWS:
            self._flush()

    def reject(self, row: RejectedRow) -> None:
        """Take a source row that cannot land."""
        self._rejects.add(row)

    def publish(
        self,
        landing: Path,
        *,
        rows_read: int,
        rows_filtered: int,
        assumptions: Iterable[str] = (),
        findings: Iterable[str] = (),
        figures: Iterable[Figure] = (),
    ) -> ImportResult:
        """Move the files into landing.

        Args:
            landing: landing folder; made if it is missing.
            rows_read: source rows read.
            rows_filtered: source rows left out on purpose.
            assumptions: what is taken without being found in the data.
            findings: what looks wrong in the source.
            figures: figures beside the rows.

        Returns:
            The result of the import.

        Raises:
            OSError: if landing cannot be written, or a file of that name has other content.
        """
        self._flush()
        self._rejects.close()
        files, new = [], 0
        for path in sorted(self._folder.glob("*/date=*/hour=*/*.parquet")):
            target = landing / path.relative_to(self._folder)
            new += _put(landing, target, path.read_bytes(), self._name)
            files.append(target)
        rejected = None
        if self._rejects.counts:
            rejected = landing / REJECTED_FOLDER / f"{self._name}-{self._digest[:24]}.jsonl"
            _put(landing, rejected, self._rejects.path.read_bytes(), self._name)
        return ImportResult(
            self._name,
            self._digest,
            rows_read,
            rows_filtered,
            self._landed.total(),
            self.rejected_n,
            dict(sorted(self._landed.items())),
            dict(sorted(self._rejects.counts.items())),
            tuple(self._rejects.shown),
            rejected,
            files,
            new,
            tuple(assumptions),
            tuple(findings),
            tuple(figures),
        )

    def _flush(self) -> None:
        for name, tables in self._held.items():
            self._writer.write(name, pa.concat_tables(tables).combine_chunks(), written_ms=self._latest_ms)
        self._held, self._held_rows = {}, 0


@dataclass(slots=True)
class _Rejects:
    """Refused rows, written as they come."""

    path: Path
    counts: Counter[str] = field(default_factory=Counter)
    shown: list[RejectedRow] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)

    def add(self, row: RejectedRow) -> None:
        self.counts[row.reason] += 1
        if len(self.shown) < SHOWN_REJECTS:
            self.shown.append(row)
        self._lines.append(row.to_json() + "\n")
        if len(self._lines) >= SHOWN_REJECTS:
            self.close()

    def close(self) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(self._lines)
        self._lines.clear()


def _put(landing: Path, target: Path, data: bytes, host: str) -> int:
    """Put a file into landing; returns 0 if the very same file is there already."""
    if target.exists():
        if target.read_bytes() == data:
            return 0
        msg = f"{target} exists with other content; it is not what this import wrote"
        raise FileExistsError(msg)
    make_folders(landing, target.relative_to(landing).parts[:-1])
    put_new(target, data, host)
    return 1

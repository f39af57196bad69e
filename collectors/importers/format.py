"""What an importer of another tool's files is: a format, its options, the source it reads and the items it yields.

What belongs here: the interface between one format (``formats/``) and the course of an import (``run``). What must not
be here: any format.

A format is a generator. It reads its files through ``Source``, so that compression and progress are not its business,
and yields ``Rows``, ``RejectedRow``, ``Figure``, ``Assumption``, ``Finding`` and ``LeftOut`` as it goes.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyarrow as pa

from .errors import RejectedRow, SourceError
from .staging import Figure

_OPENERS: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zX": lzma.open}
_MAGIC_BYTES = 4


class Rows(NamedTuple):
    """Rows of a landing table.

    Attributes:
        table: landing table.
        rows: rows as mappings by column name, or an Arrow table of the contract's schema.
        read: source rows that they were made of, for the count of what was read.
    """

    table: str
    rows: Sequence[dict[str, Any]] | pa.Table
    read: int = 0


class LeftOut(NamedTuple):
    """Source rows that are left out on purpose, for example because a later row states the same run anew.

    Attributes:
        rows_n: how many.
    """

    rows_n: int


class Assumption(NamedTuple):
    """What is taken without being found in the data.

    Attributes:
        text: one sentence.
    """

    text: str


class Finding(NamedTuple):
    """What looks wrong in the source although it was taken.

    Attributes:
        text: one sentence that names the run or row, and what to do.
    """

    text: str


Item = Rows | RejectedRow | LeftOut | Assumption | Finding | Figure


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a format, given on the command line as ``--name VALUE``.

    Attributes:
        name: name, lower case with underscores; on the command line with hyphens.
        help: one line that says what it states and what holds without it.
        required: whether there is no import without it. What decides a figure and cannot be found in the source must be
            stated, not defaulted.
        choices: closed set of values, or empty.
        default: value where none is given.
        is_file: whether it names a file whose content decides what is landed.
    """

    name: str
    help: str
    required: bool = False
    choices: tuple[str, ...] = ()
    default: str | None = None
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """One format that can be imported.

    Attributes:
        name: name on the command line, for example ``codecarbon``.
        title: what it reads, in one line.
        find: returns the files of a path that the format reads, in a fixed order.
        read: yields the items of these files.
        options: options that it takes.
    """

    name: str
    title: str
    find: Callable[[Path], list[Path]]
    read: Callable[[Source, Options], Iterator[Item]]
    options: tuple[Option, ...] = ()


class Options(dict[str, str]):
    """The options that were given, by name; those that were not given are absent."""

    def need(self, name: str) -> str:
        """Return an option.

        Raises:
            SourceError: if it was not given.
        """
        value = self.get(name)
        if value is None:
            msg = f"--{name.replace('_', '-')} is required here"
            raise SourceError(None, msg)
        return value

    def number(self, name: str) -> float | None:
        """Return an option as a number, ``None`` if it was not given.

        Raises:
            SourceError: if it is no number.
        """
        text = self.get(name)
        if text is None:
            return None
        try:
            return float(text)
        except ValueError:
            msg = f"--{name.replace('_', '-')} {text!r} is no number"
            raise SourceError(None, msg) from None


@dataclass(slots=True)
class Source:
    """The files of one import.

    Attributes:
        root: folder to which names are told relative.
        files: files in the order of ``Format.find``.
        progress: called with bytes read so far and bytes in all, or ``None``.
    """

    root: Path
    files: list[Path]
    progress: Callable[[int, int], None] | None = None
    _done: int = 0
    _total: int = field(init=False)

    def __post_init__(self) -> None:
        """Add up the sizes."""
        self._total = sum(path.stat().st_size for path in self.files)

    def shown(self, path: Path) -> str:
        """Return the name under which a file is told: relative to the imported folder."""
        return path.relative_to(self.root).as_posix()

    def read_bytes(self, path: Path) -> bytes:
        """Return a whole file, decompressed (gzip, bzip2, xz) if it is compressed.

        Raises:
            SourceError: if it cannot be read.
        """
        with self._open(path) as stream:
            try:
                return stream.read()
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise SourceError(self.shown(path), f"cannot be read: {error}") from error

    def lines(self, path: Path) -> Iterator[str]:
        """Yield the lines of a text file without their ends.

        Broken UTF-8 becomes U+FFFD; a byte order mark is left out.

        Raises:
            SourceError: if the file cannot be read.
        """
        with self._open(path) as stream, io.TextIOWrapper(stream, "utf-8-sig", "replace", newline=None) as text:
            try:
                for line in text:
                    yield line.rstrip("\n")
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise SourceError(self.shown(path), f"cannot be read: {error}") from error

    def _open(self, path: Path) -> IO[bytes]:
        try:
            raw = path.open("rb")
        except OSError as error:
            raise SourceError(self.shown(path), f"cannot be read: {error.strerror}") from error
        magic = raw.read(_MAGIC_BYTES)
        raw.seek(0)
        counted = io.BufferedReader(_Counted(raw, self._advance))
        for start, opener in _OPENERS.items():
            if magic.startswith(start):
                stream: IO[bytes] = opener(counted, "rb")
                return stream
        return counted

    def _advance(self, read_n: int) -> None:
        self._done += read_n
        if self.progress is not None:
            self.progress(min(self._done, self._total), self._total)


class _Counted(io.RawIOBase):
    """A binary file that tells how much is read of it."""

    def __init__(self, raw: IO[bytes], advance: Callable[[int], None]) -> None:
        self._raw, self._advance = raw, advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a writable buffer has no name in typing before 3.12
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._advance(len(data))
        return len(data)

    def close(self) -> None:
        self._raw.close()
        super().close()


def files_matching(path: Path, *patterns: str) -> list[Path]:
    """Return a file itself, or the files below a folder whose names match, in order of name.

    Args:
        path: file or folder.
        *patterns: glob patterns relative to the folder.

    Raises:
        SourceError: if there is nothing to read.
    """
    if path.is_file():
        return [path]
    found = sorted({file for pattern in patterns for file in path.rglob(pattern) if file.is_file()})
    if not found:
        raise SourceError(str(path), f"holds no file like {' or '.join(patterns)}")
    return found


def rejected(
    table: str, reason: str, detail: str, source: str, row: int | None, values: Mapping[str, Any]
) -> RejectedRow:
    """Return a refused source row; ``values`` are its fields, as far as they could be read."""
    return RejectedRow(table, reason, detail, source, row, dict(values))

"""The rows of a dropped file, as text by column: CSV or JSON lines, perhaps compressed with gzip.

What belongs here: reading of files, with a cap. What must not be here: what a column means (``drop``).
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.feeds.feed import FeedError
from pipelines.feeds.strict_json import load, shown

CAP_BYTES = 256 * 1024 * 1024
"""Largest file, as it lies and unpacked [bytes]. Our choice: ten years of a 5-minute series with 40 columns."""
MAX_CELL = 10_000
"""Longest cell [characters]."""


@dataclass(frozen=True, slots=True)
class DropRow:
    """One row: number of its line in the file and the text by column."""

    line: int
    cells: dict[str, str]


def body_of(path: Path) -> tuple[bytes, bytes]:
    """Give a file as it lies, and unpacked.

    Args:
        path: the file; one whose name ends in ``.gz`` is unpacked.

    Raises:
        FeedError: ``not_found``, ``too_large`` or ``not_the_format``.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(CAP_BYTES + 1)
        body = raw
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=io.BytesIO(raw[: CAP_BYTES + 1])) as packed:
                body = packed.read(CAP_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FeedError(reason="not_the_format", message=f"{path.name} is no whole gzip file: {error}") from None
    except OSError as error:
        raise FeedError(reason="not_found", message=f"{path.name} cannot be read: {error.strerror}") from None
    if max(len(raw), len(body)) > CAP_BYTES:
        raise FeedError(reason="too_large", message=f"{path.name} is larger than {CAP_BYTES} bytes: cut it in parts")
    return raw, body


def rows_of(name: str, body: bytes, form: str) -> tuple[tuple[str, ...], list[DropRow]]:
    """Give columns and rows of a file.

    Args:
        name: name of the file, for errors.
        body: its content, unpacked.
        form: ``csv`` or ``jsonl``.

    Raises:
        FeedError: ``not_the_format``, ``truncated`` or ``unknown_shape``: file, line, column, value, what is allowed.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise FeedError(reason="not_the_format", message=f"{name}, line {line}: UTF-8 is needed, {error}") from None
    if form == "csv" and body and not body.endswith((b"\n", b"\r")):
        problem = "the last line has no end, so the file may be cut: add a line break if it is whole"
        line = body.count(b"\n") + 1
        raise FeedError(reason="truncated", message=f"{name}, line {line}: {problem}")
    rows = list(_csv(name, text) if form == "csv" else _jsonl(name, body))
    if not rows:
        raise FeedError(reason="not_the_format", message=f"{name}: there is no row in it")
    return tuple(rows[0].cells), rows


def _csv(name: str, text: str) -> Iterator[DropRow]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _distinct(name, header)
        for cells in reader:
            if len(cells) != len(header):
                problem = f"{len(header)} cells are needed, found {len(cells)}: {shown(','.join(cells))}"
                raise FeedError(reason="unknown_shape", message=f"{name}, line {reader.line_num}: {problem}")
            yield DropRow(reader.line_num, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        text = f"{name}, line {reader.line_num}: no CSV that we read ({error})"
        raise FeedError(reason="not_the_format", message=text) from None


def _distinct(name: str, header: list[str]) -> None:
    twice = sorted({column for column in header if header.count(column) > 1})
    if not header or twice or any(not column.strip() for column in header):
        problem = f"every column needs a name of its own, found {shown(','.join(twice or header))}"
        raise FeedError(reason="unknown_shape", message=f"{name}, line 1: {problem}")


def _jsonl(name: str, body: bytes) -> Iterator[DropRow]:
    columns: set[str] | None = None
    for line, part in enumerate(body.splitlines(), start=1):
        if not part.strip():
            continue
        found = load(part, f"{name}, line {line}")
        if not isinstance(found, dict) or (columns is not None and set(found) != columns):
            problem = f"an object with the keys of the first line is needed, found {shown(found)}"
            raise FeedError(reason="unknown_shape", message=f"{name}, line {line}: {problem}")
        columns = set(found)
        yield DropRow(line, {key: _cell(name, line, key, value) for key, value in found.items()})


def _cell(name: str, line: int, key: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return value if isinstance(value, str) else repr(value)
    problem = f"a text, number, boolean or null is needed, found {shown(value)}"
    raise FeedError(reason="unknown_shape", message=f"{name}, line {line}, column {key}: {problem}")

"""Exports of cloud providers as flat rows, whatever the file.

What belongs here: CSV, Parquet, JSON and JSON lines, nested or not, with one way to write a column's name. What must
not be here: what a column means.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import TORN_ROW, RejectedRow, SourceError
from ...format import Source, rejected

TABLE = "stated_figure"
ESTIMATES = "serviceEstimates"
_PARQUET = b"PAR1"
_LISTS = ("Results", "value", "rows", "data")
"""Keys under which an answer of an interface holds its rows."""
_ROWS_AT_ONCE = 10_000


class FlatRow(NamedTuple):
    """One row of an export.

    Attributes:
        number: its number in the file, from 1.
        cells: value by column; names are lower case with underscores for dots, values that are missing are left out.
        columns: names of all columns, with those whose value is missing.
    """

    number: int
    cells: dict[str, Any]
    columns: frozenset[str]

    @classmethod
    def of(cls, number: int, value: dict[str, Any]) -> FlatRow:
        """Return a nested row as a flat one.

        Args:
            number: its number in the file, from 1.
            value: the row.
        """
        flat = dict(_flat("", value))
        cells = {name: cell for name, cell in flat.items() if cell not in (None, "", [])}
        return cls(number, cells, frozenset(flat))


def flat_rows(source: Source, path: Path) -> Iterator[FlatRow | RejectedRow]:
    """Yield the rows of a file.

    Args:
        source: the import.
        path: the file.

    Raises:
        SourceError: if it is no table.
    """
    shown = source.shown(path)
    data = source.read_bytes(path)
    if data.startswith(_PARQUET):
        yield from _of_parquet(shown, data)
        return
    text = data.decode("utf-8-sig", "replace")
    if text.lstrip()[:1] in ("{", "["):
        for number, item in enumerate(_of_json(shown, text), 1):
            yield FlatRow.of(number, item)
    else:
        yield from _of_csv(shown, text)


def _of_parquet(shown: str, data: bytes) -> Iterator[FlatRow]:
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        number = 0
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                yield FlatRow.of(number, row)
    except pa.ArrowException as error:
        raise SourceError(shown, f"is no readable Parquet file: {error}") from error


def _of_json(shown: str, text: str) -> Iterator[dict[str, Any]]:
    try:
        document = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        document = _json_lines(shown, text, error)
    if isinstance(document, dict):
        lists = [document[name] for name in _LISTS if isinstance(document.get(name), list)]
        document = lists[0] if lists else [document]
    for item in document:
        if not isinstance(item, dict):
            raise SourceError(shown, f"holds {str(item)[:40]!r} where a row belongs")
        estimates = item.pop(ESTIMATES, None)
        if not isinstance(estimates, list):
            yield item
            continue
        for estimate in estimates:
            yield {**item, **estimate}


def _json_lines(shown: str, text: str, error: ValueError) -> list[Any]:
    found = []
    for line in text.splitlines():
        if line.strip():
            try:
                found.append(json.loads(line, parse_float=Decimal))
            except ValueError:
                raise SourceError(shown, f"is neither JSON nor JSON lines: {error}") from error
    return found


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - a value of JSON or Arrow
    if isinstance(value, dict):
        for key, inner in value.items():
            name = str(key).strip().lower().replace(".", "_")
            yield from _flat(f"{prefix}_{name}" if prefix else name, inner)
    else:
        yield prefix, value


def _of_csv(shown: str, text: str) -> Iterator[FlatRow | RejectedRow]:
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip().lower().replace(".", "_") for name in next(reader, [])]
    twice = {name for name in header if header.count(name) > 1}
    if not header or twice:
        what = f"has two columns {', '.join(sorted(twice))}" if twice else "is empty"
        raise SourceError(shown, what)
    columns = frozenset(header)
    try:
        for number, cells in enumerate(reader, 1):
            if len(cells) == len(header):
                given = {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()}
                yield FlatRow(number, given, columns)
            elif cells:
                detail = f"has {len(cells)} cells, the header {len(header)}"
                yield rejected(TABLE, TORN_ROW, detail, shown, number, {"line": ",".join(cells)[:200]})
    except csv.Error as error:
        raise SourceError(shown, f"is no CSV: {error}") from error

"""Carbon exports of cloud providers, and of Cloud Carbon Footprint, as stated figures.

What belongs here: the options, finding out which export a file is, and which of two statements of one figure counts.
What must not be here: what a provider's columns mean (``shapes``), the shapes of files (``files``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ....contract import STATED_FIGURE
from ...errors import CONFLICTING_ROW, RefusedError, RejectedRow, SourceError
from ...format import (
    Assumption,
    Finding,
    Format,
    Item,
    LeftOut,
    Option,
    Options,
    Rows,
    Source,
    files_matching,
    rejected,
)
from .files import TABLE, FlatRow, flat_rows
from .shapes import OFFSETS, SHAPES, Cells, Figure, Shape

BATCH_ROWS = 10_000
_PATTERNS = ("*.csv", "*.json", "*.jsonl", "*.ndjson", "*.parquet")
_USAGE = ("line_item_usage_amount", "lineitem/usageamount", "usagequantity", "billedcost", "usage_amount")
"""Columns of cost and usage reports: what was bought, not what was emitted."""
_Key = tuple[Any, ...]


class _Held(NamedTuple):
    figure: Figure
    file: str
    row: int


class _Book:
    """The figures of an import, each key once."""

    def __init__(self) -> None:
        self._held: dict[_Key, _Held] = {}
        self._rows_n = 0

    def add(self, figures: list[Figure], file: str, row: int) -> Iterator[Item]:
        """Take the figures of a row; of two for one key the one that the provider worked out later counts."""
        is_new = False
        for figure in figures:
            key = tuple(figure.row[name] for name in STATED_FIGURE.key)
            before = self._held.get(key)
            after = _Held(figure, file, row)
            if before is None:
                self._held[key], is_new = after, True
            elif before.figure.refreshed != figure.refreshed:
                self._held[key] = max(before, after, key=lambda held: held.figure.refreshed)
            elif before.figure.row != figure.row:
                detail = f"{before.file} row {before.row} states {before.figure.row['value']} for the same"
                shown = {name: figure.row[name] for name in ("subject", "scope", "method", "start_ms", "value")}
                yield rejected(TABLE, CONFLICTING_ROW, detail, file, row, shown)
                return
        self._rows_n += is_new
        if not is_new:
            yield LeftOut(1)

    def rows(self) -> Iterator[Rows]:
        """Yield all figures in a fixed order."""
        ordered = [held.figure.row for _, held in sorted(self._held.items(), key=lambda item: tuple(map(str, item[0])))]
        for at in range(0, len(ordered), BATCH_ROWS):
            yield Rows(TABLE, ordered[at : at + BATCH_ROWS], read=0 if at else self._rows_n)


def _read(source: Source, options: Options) -> Iterator[Item]:
    book = _Book()
    names: set[str] = set()
    offsets = empty = 0
    for path in source.files:
        shown = source.shown(path)
        rows = list(flat_rows(source, path))
        columns = {name for row in rows if isinstance(row, FlatRow) for name in row.columns}
        shape = _shape_of(shown, columns, has_rows=bool(rows))
        names.add(shape.name)
        for row in rows:
            if isinstance(row, RejectedRow):
                yield row
                continue
            offsets += any(name in row.cells for name in OFFSETS)
            try:
                figures = list(shape.figures(Cells(row.cells), options))
            except RefusedError as error:
                yield rejected(TABLE, error.reason, str(error), shown, row.number, row.cells)
                continue
            except SourceError as error:
                raise SourceError(shown, str(error)) from error
            empty += not figures
            yield from book.add(figures, shown, row.number)
    yield from book.rows()
    yield from _said(names, offsets, empty)


def _shape_of(shown: str, columns: set[str], *, has_rows: bool) -> Shape:
    for shape in SHAPES:
        if not shape.missing(columns):
            return shape
    if not has_rows:
        raise SourceError(shown, "has no rows")
    if columns & set(_USAGE):
        msg = "is a report of cost or usage: it states no emissions, and none are made of it"
        raise SourceError(shown, msg)
    lacks = "\n".join(f"  {shape.name}: lacks {', '.join(shape.missing(columns))}" for shape in SHAPES)
    raise SourceError(shown, f"is none of the known exports:\n{lacks}\nIt has {', '.join(sorted(columns)[:20])}")


def _said(names: set[str], offsets: int, empty: int) -> Iterator[Item]:
    if "Azure Carbon Optimization" in names:
        yield Assumption("Azure tells neither method nor scope: the method is unspecified, the scope is --azure-scope")
    if "Cloud Carbon Footprint" in names:
        yield Assumption("Cloud Carbon Footprint counts by grid averages: its method is location_based")
    if "AWS Sustainability API" in names:
        yield Finding(
            "the AWS interface shows only the newest model version of a month; earlier ones are in Data Exports only"
        )
    if offsets:
        yield Finding(f"{offsets} rows state offsets; they are no emissions and were left out")
    if empty:
        yield Finding(f"{empty} rows state no figure (NULL); they were left out")


def _find(path: Path) -> list[Path]:
    return files_matching(path, *_PATTERNS, *(f"{pattern}.gz" for pattern in _PATTERNS))


FORMAT = Format(
    "cloud-export",
    "carbon exports: AWS (Data Exports, Sustainability API), Google Cloud, Azure, Cloud Carbon Footprint",
    _find,
    _read,
    (
        Option("month", "Azure: month of rows that name none, YYYY-MM"),
        Option("account", "Azure: whom a summary without items speaks of"),
        Option("azure_scope", "Azure: scope that was queried", choices=("scope1", "scope2", "scope3", "total")),
    ),
)

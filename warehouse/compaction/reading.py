"""The rows of one hour out of a landed file, as arrays and codes.

What belongs here: the way from Arrow columns to ``rows.Rows``. What must not be here: which files and row groups are
read (see ``plan``), and which row stays.

A file was judged when it was taken in, so a row here that breaks the contract and is not among the refused ones is an
error of ours, not of a stranger: it stops the hour rather than being passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collectors.contract import POWER_SAMPLE
from warehouse.hourfile import MS_PER_HOUR, ORIGIN_FIELDS

from .parts import CompactionError
from .plan import Planned, open_landed, readable
from .rows import LABEL_FIELDS, NO_UTIL, NO_VALUE, SERIES_FIELDS, Codes, Part, Rows

COLUMNS = [column.name for column in POWER_SAMPLE.columns]
TEXTS = [column.name for column in POWER_SAMPLE.columns if pa.types.is_string(column.type)]
_NULLABLE_TEXTS = {"parent", "gap_reason"}
_FLAG_UNKNOWN = 2
_MOST_CODES = 1 << 62

Mask = npt.NDArray[np.bool_]
# Of each column, its distinct values and the place of each row's value among them.
Pairs = dict[str, tuple[Sequence[Any], npt.NDArray[Any]]]


def read_source(planned: Planned, hosts: frozenset[str] | None, rows: Rows) -> None:
    """Add the rows of a source that belong to the hour and count.

    Args:
        planned: the source and its row groups.
        hosts: hosts whose rows count; ``None`` for all.
        rows: where they are added.

    Raises:
        CompactionError: if the file cannot be read, or a row breaks the contract and is not among the refused ones.
    """
    source = planned.source
    refused = np.fromiter(source.refused_rows, np.int64, len(source.refused_rows))
    with readable(source), open_landed(source.path, TEXTS) as file:
        for group in planned.groups:
            if hosts is not None and group.host is not None and group.host not in hosts:
                continue
            table = file.read_row_group(group.index, columns=COLUMNS, use_threads=False)
            is_mine = np.ones(table.num_rows, np.bool_)
            is_mine[
                refused[(refused >= group.first_row) & (refused < group.first_row + group.rows_n)] - group.first_row
            ] = False
            try:
                part = part_of(table, rows, is_mine, group.first_row, planned.number, hosts)
            except ValueError as error:
                msg = f"{source.path}: {error}; take this file in again so that its rows are judged anew"
                raise CompactionError(msg) from error
            rows.add(part)


def add_table(table: pa.Table, rows: Rows) -> None:
    """Add the rows of a table in the schema of an hour file, with the origin that they state.

    Raises:
        ValueError: if a row breaks the contract.
    """
    part = part_of(table, rows, np.ones(table.num_rows, np.bool_), 0, 0, None)
    if len(part.ms) != table.num_rows:
        msg = "rows outside the hour"
        raise ValueError(msg)
    part.source_file, part.source_row = (table.column(field.name).to_numpy() for field in ORIGIN_FIELDS)
    rows.add(part)


def part_of(
    table: pa.Table, rows: Rows, is_mine: Mask, first_row: int, number: int, hosts: frozenset[str] | None
) -> Part:
    """Return those rows of a table that belong to the hour.

    Args:
        table: columns of the contract.
        rows: the hour, and the codes that its rows share.
        is_mine: rows that may count.
        first_row: number of the first row in its file.
        number: index of the source.
        hosts: hosts whose rows count; ``None`` for all.

    Raises:
        ValueError: if one of the rows breaks the contract.
    """
    ts_ms = _filled(table.column("ts_ms"), NO_VALUE)
    is_mine = is_mine & (ts_ms >= rows.hour_ms) & (ts_ms < rows.hour_ms + MS_PER_HOUR)
    texts = {name: _codes(table.column(name)) for name in TEXTS}
    if hosts is not None:
        values, codes = texts["host"]
        is_mine &= np.array([value in hosts for value in values])[codes]
    chosen = None if is_mine.all() else np.flatnonzero(is_mine)
    is_estimate = _integers(table, "is_estimate", chosen, _FLAG_UNKNOWN)
    numbers = {name: _integers(table, name, chosen, NO_VALUE) for name in ("power_mw", "energy_mj", "session")}
    util_percent = _integers(table, "util_percent", chosen, NO_UTIL)
    if (is_estimate == _FLAG_UNKNOWN).any() or (numbers["session"] == NO_VALUE).any():
        msg = "a row has no session or does not say whether it is an estimate"
        raise ValueError(msg)
    places = np.arange(table.num_rows) if chosen is None else chosen
    pairs: Pairs = {name: (values, _only(codes, chosen)) for name, (values, codes) in texts.items()}
    pairs["is_estimate"] = ([False, True], is_estimate)
    return Part(
        series=_tuples(pairs, SERIES_FIELDS, rows.series),
        ms=_only(ts_ms, chosen) - rows.hour_ms,
        **numbers,
        util_percent=util_percent,
        label=_tuples(pairs, LABEL_FIELDS, rows.labels),
        source_file=number,
        source_row=places + first_row,
    )


def _only(values: npt.NDArray[Any], chosen: npt.NDArray[np.int64] | None) -> npt.NDArray[Any]:
    return values if chosen is None else values[chosen]


def _filled(column: pa.ChunkedArray, null: int) -> npt.NDArray[Any]:
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    values: npt.NDArray[Any] = (column.fill_null(null) if column.null_count else column).to_numpy()
    return values


def _integers(table: pa.Table, name: str, chosen: npt.NDArray[np.int64] | None, null: int) -> npt.NDArray[Any]:
    """Return the chosen values of a column with a number for NULL.

    Raises:
        ValueError: if a value is that number or below zero.
    """
    column = table.column(name)
    if column.null_count == len(column):
        return np.full(len(column) if chosen is None else len(chosen), null, np.int16)
    values = _only(_filled(column, null), chosen)
    is_null = (values == null) if null > 0 else (values < 0)
    if is_null.any():
        stated = _only(column.is_valid().to_numpy(), chosen)
        if (is_null & stated).any():
            msg = f"a value of {name} is out of its range"
            raise ValueError(msg)
    return values


def _codes(column: pa.ChunkedArray) -> tuple[list[str | None], npt.NDArray[np.int64]]:
    """Return the distinct texts of a column and the place of each row's text among them."""
    chunk = column.combine_chunks()
    if isinstance(chunk, pa.ChunkedArray):  # an empty or a very large column stays chunked
        chunk = pa.concat_arrays(chunk.chunks) if chunk.num_chunks else pa.array([], pa.string())
    if not pa.types.is_dictionary(chunk.type):
        chunk = chunk.dictionary_encode()
    values: list[str | None] = chunk.dictionary.to_pylist()
    indices = chunk.indices
    if indices.null_count:
        indices = indices.fill_null(len(values))
        values = [*values, None]
    return values, indices.to_numpy()


def _tuples(pairs: Pairs, names: tuple[str, ...], codes: Codes) -> npt.NDArray[Any]:
    """Return one code for several columns.

    Raises:
        ValueError: if a text that must be there is NULL.
    """
    mixed = np.zeros(len(pairs[names[0]][1]), np.int64)
    size = 1
    for name in names:
        values, places = pairs[name]
        if len(values) > 1:
            if size * len(values) > _MOST_CODES:
                mixed, size = _dense(mixed)
            mixed = mixed * len(values) + places
            size *= len(values)
    dense, count = _dense(mixed)
    if not count:
        return dense
    some = np.empty(count, np.int64)
    some[dense[::-1]] = np.arange(len(dense))[::-1]  # a row of each: the first
    found = [tuple(pairs[name][0][pairs[name][1][row]] for name in names) for row in some]
    for name, texts in zip(names, zip(*found, strict=True), strict=True):
        if None in texts and name not in _NULLABLE_TEXTS:
            msg = f"a row has no {name}"
            raise ValueError(msg)
    result: npt.NDArray[np.int64] = codes.of(found)[dense]
    return result


def _dense(values: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], int]:
    """Return numbers without gaps for the distinct values, and how many there are."""
    encoded = pc.dictionary_encode(pa.array(values))
    indices: npt.NDArray[np.int32] = encoded.indices.to_numpy()
    return indices, len(encoded.dictionary)

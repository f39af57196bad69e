"""Validation of rows against the landing contract.

What belongs here: types, required values, closed sets and ranges, checked a column at a time. What must not be here:
files and folders, and any rule that the contract does not state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from .refusal import LandingError

if TYPE_CHECKING:
    from ..contract import Column, LandingTable


def to_valid_table(spec: LandingTable, rows: Sequence[Mapping[str, Any]] | pa.Table) -> pa.Table:
    """Return the rows as an Arrow table of the contract's schema.

    Args:
        spec: landing table.
        rows: rows as mappings, or an Arrow table; columns that are left out are NULL.

    Raises:
        LandingError: for the first value found that breaks the contract.
    """
    names = {column.name for column in spec.columns}
    if isinstance(rows, pa.Table):
        _refuse_unknown(spec, rows.column_names, names, None)
        if len(set(rows.column_names)) != len(rows.column_names):
            raise LandingError(spec.name, None, None, rows.column_names, "columns with different names")
        arrays = [_cast(spec, column, rows) for column in spec.columns]
        count = rows.num_rows
    else:
        for index, row in enumerate(rows):
            if not row.keys() <= names:
                _refuse_unknown(spec, list(row), names, index)
        arrays = [_convert(spec, column, rows) for column in spec.columns]
        count = len(rows)
    for column, array in zip(spec.columns, arrays, strict=True):
        _check(spec, column, array)
    table = pa.Table.from_arrays(arrays, schema=spec.arrow_schema())
    if spec.end_column and count:
        _check_interval(spec, table)
    return table


def _refuse_unknown(spec: LandingTable, given: Sequence[str], names: set[str], row: int | None) -> None:
    for name in given:
        if name not in names:
            raise LandingError(spec.name, str(name), row, name, "a column of the contract: " + ", ".join(sorted(names)))


def _convert(spec: LandingTable, column: Column, rows: Sequence[Mapping[str, Any]]) -> pa.Array:
    values = [row.get(column.name) for row in rows]
    kinds = {type(value) for value in values}
    # Arrow would take True for 1.0 and cut 1.5 to 1.
    if pa.types.is_floating(column.type) and bool in kinds:
        _refuse_first(spec, column, values, lambda value: isinstance(value, bool))
    if pa.types.is_integer(column.type) and not kinds <= {int, type(None)}:
        _refuse_first(spec, column, values, lambda value: isinstance(value, float) and not value.is_integer())
    try:
        return pa.array(values, type=column.type)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        _refuse_first(spec, column, values, lambda value: not _fits(value, column))
        raise


def _fits(value: object, column: Column) -> bool:
    try:
        pa.array([value], type=column.type)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return False
    return True


def _refuse_first(spec: LandingTable, column: Column, values: list[Any], wrong: Callable[[object], bool]) -> None:
    for index, value in enumerate(values):
        if wrong(value):
            raise LandingError(spec.name, column.name, index, value, f"of type {column.type}")


def _cast(spec: LandingTable, column: Column, rows: pa.Table) -> pa.ChunkedArray:
    if column.name not in rows.column_names:
        return pa.nulls(rows.num_rows, column.type)
    array = rows.column(column.name)
    if array.type == column.type:
        return array
    numeric = pa.types.is_integer(array.type) and (
        pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    )
    text = pa.types.is_string(column.type) and (
        pa.types.is_large_string(array.type) or pa.types.is_dictionary(array.type)
    )
    if not (numeric or text or pa.types.is_float32(array.type) or pa.types.is_null(array.type)):
        raise LandingError(spec.name, column.name, None, str(array.type), f"of type {column.type}")
    try:
        return array.cast(column.type)
    except pa.ArrowException as error:
        raise LandingError(spec.name, column.name, None, str(error), f"of type {column.type}") from error


def _check(spec: LandingTable, column: Column, array: pa.Array | pa.ChunkedArray) -> None:
    if not column.nullable and array.null_count:
        _refuse(spec, column, array, pc.is_null(array), "given (the column is required)")
    if column.allowed:
        known = pc.is_in(array, value_set=pa.array(column.allowed))
        wrong = pc.and_(pc.is_valid(array), pc.invert(known))
        _refuse(spec, column, array, wrong, "one of " + ", ".join(column.allowed))
    if pa.types.is_floating(column.type):
        _refuse(spec, column, array, pc.invert(pc.is_finite(array)), "a finite number (leave out what is not known)")
    words = _range_in_words(column)
    if column.minimum is not None:
        _refuse(spec, column, array, pc.less(array, pa.scalar(column.minimum, column.type)), words)
    if column.maximum is not None:
        _refuse(spec, column, array, pc.greater(array, pa.scalar(column.maximum, column.type)), words)


def _range_in_words(column: Column) -> str:
    unit = f" {column.unit}" if column.unit else ""
    if column.maximum is None:
        return f"at least {column.minimum}{unit}"
    if column.minimum is None:
        return f"at most {column.maximum}{unit}"
    return f"{column.minimum} to {column.maximum}{unit}"


def _refuse(spec: LandingTable, column: Column, array: pa.Array, wrong: pa.Array, allowed: str) -> None:
    """Raise for the first row where ``wrong`` holds."""
    index = pc.index(wrong, pa.scalar(True)).as_py()
    if index >= 0:
        raise LandingError(spec.name, column.name, index, array[index].as_py(), allowed)


def _check_interval(spec: LandingTable, table: pa.Table) -> None:
    end = spec.column(spec.end_column or "")
    wrong = pc.less(table.column(end.name), table.column(spec.time_column))
    _refuse(spec, end, table.column(end.name), wrong, f"not before {spec.time_column}")

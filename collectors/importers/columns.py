"""Source columns become columns of a landing table.

What belongs here: constants, templates, renamed values, units, types and the ranges of the contract. What must not be
here: choosing or combining rows (see ``rows``), files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..contract import LABELS, Column
from .errors import (
    MISSING_VALUE,
    NON_POSITIVE_POWER,
    OUT_OF_RANGE,
    UNKNOWN_VALUE,
    UNPARSEABLE_NUMBER,
    UNREADABLE,
    Problem,
    WrongTypeError,
)
from .grammar import is_time
from .numbers import holds, multiply, none_of, product, to_float, to_number, to_text
from .spec import Scalar, TableSpec, Value
from .times import to_epoch_ms
from .units import factor

_LIMIT = pa.decimal256(20, 0)
_INT_LIMITS = {pa.int64(): (-(2**63), 2**63 - 1), pa.int32(): (-(2**31), 2**31 - 1), pa.uint8(): (0, 255)}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
Converted = tuple[pa.Array, list[Problem]]


@dataclass(frozen=True, slots=True)
class Converter:
    """Makes rows of one landing table from batches of source rows.

    Attributes:
        spec: entry of the mapping.
        marks: labels that every row gets where the landing table has labels.
        fixed: contract column -> its constant value, worked out once.
    """

    spec: TableSpec
    marks: dict[str, str]
    fixed: dict[str, pa.Scalar]

    @classmethod
    def of(cls, spec: TableSpec, marks: dict[str, str]) -> Converter:
        """Work out the constants.

        Args:
            spec: entry of the mapping.
            marks: labels that every row gets where the landing table has labels.

        Raises:
            MappingError: if a constant breaks the contract.
        """
        one = pa.RecordBatch.from_arrays([pa.array([1])], names=["#"])
        fixed = {}
        for column, value in spec.contract_columns():
            if value is None or value.constant is None:
                continue
            array, problems = _convert(spec, column, value, one)
            problems += _contract_problems(column, array)
            for problem in problems:
                if problem.mask[0].as_py():
                    value.where.fail(f"{value.constant!r} {problem.detail}")
            fixed[column.name] = array[0]
        return cls(spec, marks, fixed)

    def convert(self, batch: pa.RecordBatch, *, first: bool) -> tuple[pa.Table, list[Problem]]:
        """Return the landing rows of a batch, and which of them must not land.

        Args:
            batch: source rows.
            first: whether this is the first batch; if not one of its values can be read, the mapping is wrong.

        Returns:
            One landing row a source row, and the problems; rows with a problem hold nothing of use.

        Raises:
            MappingError: if a column has a type that cannot serve, or not one value can be read.
        """
        arrays: list[pa.Array] = []
        problems: list[Problem] = []
        for column, value in self.spec.contract_columns():
            if column.name == "labels":
                array, found = self._labels(batch)
            elif value is None:
                array, found = pa.nulls(batch.num_rows, column.type), []
            elif column.name in self.fixed:
                array, found = pa.repeat(self.fixed[column.name], batch.num_rows), []
            else:
                array, found = _convert(self.spec, column, value, batch)
                found += _contract_problems(column, array)
                if first:
                    _refuse_unreadable(self.spec, value, batch, found)
            arrays.append(array)
            columns = tuple(sorted(value.columns())) if value else ()
            problems += [replace(problem, target=column.name, columns=columns) for problem in found]
        table = pa.Table.from_arrays(arrays, names=[column.name for column in self.spec.landing.columns])
        problems += _row_problems(self.spec, table)
        return table, problems

    def _labels(self, batch: pa.RecordBatch) -> Converted:
        texts = {
            name: to_text(_source(self.spec, value, batch), self.spec.nulls).to_pylist()
            for name, value in self.spec.labels.items()
        }
        texts |= {name: [text] * batch.num_rows for name, text in self.marks.items()}
        names = sorted(texts)
        rows = [
            [(name, text) for name, text in zip(names, values, strict=True) if text is not None]
            for values in zip(*(texts[name] for name in names), strict=True)
        ]
        return pa.array(rows, LABELS), []


def _convert(spec: TableSpec, column: Column, value: Value, batch: pa.RecordBatch) -> Converted:
    """Return the values of one contract column; values with a problem are NULL."""
    try:
        if value.product:
            return _product(spec, column, value, batch)
        raw = _source(spec, value, batch)
        if value.time is not None and is_time(column):
            return to_epoch_ms(raw, value.time, spec.nulls, spec.csv.decimal)
        problems: list[Problem] = []
        if value.values is not None:
            raw, problems = _renamed(to_text(raw, spec.nulls), value)
        array, found = _typed(spec, column, value, raw)
    except WrongTypeError as error:
        value.where.fail(f"column {', '.join(sorted(value.columns()))} {error}")
    return array, problems + found


def _source(spec: TableSpec, value: Value, batch: pa.RecordBatch) -> pa.Array:
    """Return the values as the source has them, with defaults in place of missing ones."""
    if value.constant is not None:
        return pa.repeat(pa.scalar(_text(value.constant)), batch.num_rows)
    if value.template:
        pieces: list[Any] = []
        for before, name in value.template:
            pieces.append(pa.scalar(before))
            if name:
                pieces.append(to_text(batch.column(name), spec.nulls))
        raw = pc.binary_join_element_wise(*pieces, pa.scalar(""))
    else:
        raw = batch.column(value.column)
    if value.default is not None:
        raw = pc.fill_null(to_text(raw, spec.nulls), _text(value.default))
    return raw


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _renamed(text: pa.StringArray, value: Value) -> Converted:
    names = value.values or {}
    found = pc.index_in(text, value_set=pa.array(list(names), pa.string()))
    renamed = pa.array([name or None for name in names.values()], pa.string()).take(found)
    strange = pc.and_(pc.is_valid(text), pc.is_null(found))
    if value.otherwise is not None:
        return pc.if_else(strange, pa.scalar(value.otherwise or None, pa.string()), renamed), []
    return renamed, [Problem(strange, UNKNOWN_VALUE, f"is none of the values {', '.join(names)}")]


def _product(spec: TableSpec, column: Column, value: Value, batch: pa.RecordBatch) -> Converted:
    numbers, bad = [], none_of(batch.num_rows)
    for name in value.product or ():
        array, wrong = to_number(batch.column(name), spec.nulls, spec.csv.decimal)
        numbers.append(array)
        bad = pc.or_(bad, wrong)
    result = product(numbers[0], numbers[1])
    array, problems = _typed(spec, column, value, result)
    return array, [Problem(bad, UNPARSEABLE_NUMBER, "is no number"), *problems]


def _typed(spec: TableSpec, column: Column, value: Value, raw: pa.Array) -> Converted:
    """Return values in type and unit of the contract column."""
    if pa.types.is_string(column.type):
        return to_text(raw, spec.nulls), []
    if pa.types.is_boolean(column.type):
        return _truth(to_text(raw, spec.nulls))
    scale = factor(value.unit, column.unit) if value.unit and column.unit else None
    if pa.types.is_floating(column.type):
        array, bad = to_float(raw, spec.nulls, spec.csv.decimal)
        if scale:
            array = pc.divide(pc.multiply(array, float(scale.numerator)), float(scale.denominator))
        return array, [Problem(bad, UNPARSEABLE_NUMBER, "is no number")]
    numbers, bad = (raw, none_of(len(raw))) if value.product else to_number(raw, spec.nulls, spec.csv.decimal)
    if scale:
        numbers = multiply(numbers, scale)
    whole = pc.round(numbers, ndigits=0, round_mode="half_to_even")
    problems = [Problem(bad, UNPARSEABLE_NUMBER, "is no number")]
    if not scale and not value.product:
        broken = holds(pc.not_equal(whole, numbers))
        problems.append(Problem(broken, UNPARSEABLE_NUMBER, "is no whole number"))
    return _bounded(column, whole, problems)


def _truth(text: pa.StringArray) -> Converted:
    found = pc.index_in(pc.utf8_lower(text), value_set=pa.array(list(_TRUTH)))
    strange = pc.and_(pc.is_valid(text), pc.is_null(found))
    return pa.array(list(_TRUTH.values())).take(found), [
        Problem(strange, UNKNOWN_VALUE, f"is none of {', '.join(_TRUTH)}")
    ]


def _bounded(column: Column, whole: pa.Array, problems: list[Problem]) -> Converted:
    """Return whole decimals as integers of the column's type; numbers that do not fit are out of range."""
    low, high = (pa.scalar(Decimal(limit), _LIMIT) for limit in _INT_LIMITS[column.type])
    outside = pc.or_(holds(pc.less(whole, low)), holds(pc.greater(whole, high)))
    fitting = pc.if_else(outside, pa.scalar(None, whole.type), whole).cast(column.type)
    return fitting, [*problems, Problem(outside, OUT_OF_RANGE, "is out of range")]


def _contract_problems(column: Column, array: pa.Array) -> list[Problem]:
    """Return what the contract forbids: values outside the range or the closed set, and missing ones."""
    problems = []
    unit = f" {column.unit}" if column.unit else ""
    if column.allowed:
        known = pc.is_in(array, value_set=pa.array(column.allowed))
        strange = pc.and_(pc.is_valid(array), pc.invert(known))
        problems.append(Problem(strange, UNKNOWN_VALUE, f"is none of {', '.join(column.allowed)}"))
    if column.minimum is not None:
        low = holds(pc.less(array, pa.scalar(column.minimum, column.type)))
        if column.name == "power_mw":
            problems.append(Problem(low, NON_POSITIVE_POWER, "is a negative power"))
        else:
            problems.append(Problem(low, OUT_OF_RANGE, f"is below {column.minimum}{unit}"))
    if column.maximum is not None:
        high = holds(pc.greater(array, pa.scalar(column.maximum, column.type)))
        problems.append(Problem(high, OUT_OF_RANGE, f"is above {column.maximum}{unit}"))
    if not column.nullable:
        problems.append(Problem(pc.is_null(array), MISSING_VALUE, "is missing, but required"))
    return problems


def _row_problems(spec: TableSpec, table: pa.Table) -> list[Problem]:
    """Return what is wrong with a row as a whole."""
    table = table.combine_chunks()
    array = {name: table.column(name).combine_chunks() for name in table.column_names}
    problems = []
    end = spec.landing.end_column
    if end:
        wrong = holds(pc.less(array[end], array[spec.landing.time_column]))
        problems.append(Problem(wrong, OUT_OF_RANGE, "the interval ends before it starts", end))
    if spec.landing.name == "power_sample":
        off = pc.and_(pc.equal(array["power_mw"], 0), pc.equal(array["kind"], "node"))
        detail = "a running host cannot draw 0 W"
        problems.append(Problem(holds(off), NON_POSITIVE_POWER, detail, "power_mw", _read(spec, "power_mw")))
        nothing = pc.and_(pc.is_null(array["power_mw"]), pc.is_null(array["energy_mj"]))
        nothing = pc.and_(nothing, pc.is_null(array["gap_reason"]))
        problems.append(Problem(nothing, MISSING_VALUE, "neither power, energy nor a gap reason is given", "power_mw"))
    return problems


def _read(spec: TableSpec, target: str) -> tuple[str, ...]:
    return tuple(sorted(spec.targets[target].columns())) if target in spec.targets else ()


def _refuse_unreadable(spec: TableSpec, value: Value, batch: pa.RecordBatch, problems: list[Problem]) -> None:
    """Raise if values are given, but not one of them can be read."""
    found = [problem for problem in problems if problem.reason in UNREADABLE and pc.any(problem.mask).as_py()]
    if not found or value.column is None:
        return
    given = pc.is_valid(to_text(batch.column(value.column), spec.nulls))
    unread = none_of(batch.num_rows)
    for problem in found:
        unread = pc.or_(unread, problem.mask)
    if pc.any(pc.and_(given, pc.invert(unread))).as_py():
        return
    row = pc.index(found[0].mask, pa.scalar(True)).as_py()
    example = batch.column(value.column)[row].as_py()
    count = pc.sum(given).as_py()
    value.where.fail(f"column {value.column!r}: not one of {count} values can be read; {example!r} {found[0].detail}")

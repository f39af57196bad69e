"""Choosing and combining source rows: filters, joins, intervals into samples, requests into counters.

What belongs here: which rows there are. What must not be here: what their columns become (see ``columns``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from .errors import (
    JOIN_AMBIGUOUS,
    JOIN_MISSING,
    MISSING_VALUE,
    OUT_OF_RANGE,
    UNPARSEABLE_NUMBER,
    Problem,
    WrongTypeError,
)
from .numbers import holds, none_of, to_number, to_text
from .source import ROW
from .spec import Aggregate, Condition, Expand, Join, TableSpec, Value
from .times import to_epoch_ms

MAX_SAMPLES = 1_000_000
"""Samples that one interval may become; more is a unit error (5 s over 58 days)."""
_SEPARATOR = "\x1f"
_EPOCH = pa.int64()


def fulfils(spec: TableSpec, batch: pa.RecordBatch, condition: Condition) -> tuple[pa.BooleanArray, list[Problem]]:
    """Return for every row whether it fulfils a condition, and which rows could not be judged.

    Args:
        spec: entry of the mapping.
        batch: source rows.
        condition: the condition.

    Raises:
        MappingError: if a column has a type that cannot be compared so.
    """
    try:
        if condition.other is not None or condition.numbers:
            return _compare_numbers(spec, batch, condition)
        text = to_text(batch.column(condition.column), spec.nulls)
    except WrongTypeError as error:
        condition.where.fail(f"column {condition.column!r} {error}")
    return _compare_text(text, condition), []


def _compare_text(text: pa.StringArray, condition: Condition) -> pa.BooleanArray:
    if condition.op in ("present", "absent"):
        return pc.is_valid(text) if condition.op == "present" else pc.is_null(text)
    if condition.op.endswith("contains"):
        found = holds(pc.match_substring(text, condition.texts[0]))
    else:
        found = pc.and_(pc.is_in(text, value_set=pa.array(condition.texts, pa.string())), pc.is_valid(text))
    return pc.invert(found) if condition.op.startswith("not_") else found


def _compare_numbers(
    spec: TableSpec, batch: pa.RecordBatch, condition: Condition
) -> tuple[pa.BooleanArray, list[Problem]]:
    numbers, bad = to_number(batch.column(condition.column), spec.nulls, spec.csv.decimal)
    if condition.other is not None:
        other, bad_too = to_number(batch.column(condition.other), spec.nulls, spec.csv.decimal)
        bad = pc.or_(bad, bad_too)
    else:
        other = _decimal(condition.numbers[0])
    if condition.op.startswith("min"):
        found = holds(pc.greater_equal(numbers, other))
    elif condition.op.startswith("max"):
        found = holds(pc.less_equal(numbers, other))
    elif condition.op.startswith("below"):
        found = holds(pc.less(numbers, other))
    else:
        found = none_of(batch.num_rows)
        for value in condition.numbers:
            found = pc.or_(found, holds(pc.equal(numbers, _decimal(value))))
        found = pc.invert(found) if condition.op.startswith("not_") else found
    columns = tuple(sorted(condition.columns()))
    return pc.or_(found, bad), [Problem(bad, UNPARSEABLE_NUMBER, "is no number", "where", columns)]


def _decimal(value: Decimal) -> pa.Scalar:
    return pa.scalar(value, pa.decimal256(50, 30))


@dataclass(slots=True)
class Lookup:
    """The other file of a join, with its keys.

    Attributes:
        join: the join.
        keys: different keys.
        repeated: keys that several rows have.
        columns: new columns, one row a key.
    """

    join: Join
    keys: pa.StringArray
    repeated: pa.StringArray
    columns: dict[str, pa.Array]

    @classmethod
    def of(cls, spec: TableSpec, join: Join, other: pa.RecordBatch) -> Lookup:
        """Prepare the other file.

        Args:
            spec: entry of the mapping.
            join: the join.
            other: all rows of the other file.

        Raises:
            MappingError: if a condition on it cannot be judged.
        """
        for condition in join.conditions:
            keep, problems = fulfils(spec, other, condition)
            if any(pc.any(problem.mask).as_py() for problem in problems):
                condition.where.fail(f"{join.file}: {condition.column!r} holds values that are no numbers")
            other = other.filter(keep)
        key = _key(spec, other, list(join.on.values()))
        other, key = other.filter(pc.is_valid(key)), key.drop_null()
        if join.pick:
            order = _order(spec, join, other)
            other, key = other.take(order), key.take(order)
        coded = key.dictionary_encode()
        counts = pc.value_counts(key)
        repeated = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        first = pc.index_in(coded.dictionary, value_set=key)
        columns = {name: other.column(there).take(first) for name, there in join.columns.items()}
        return cls(join, coded.dictionary, repeated.slice(0, 0) if join.pick else repeated, columns)

    def add(self, spec: TableSpec, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[Problem]]:
        """Return a batch with the new columns, and the rows without exactly one match.

        Args:
            spec: entry of the mapping.
            batch: source rows.
        """
        on = list(self.join.on)
        key = _key(spec, batch, on)
        found = pc.index_in(key, value_set=self.keys)
        missing = pc.or_(pc.is_null(found), pc.is_null(key))
        twofold = pc.and_(pc.is_valid(key), pc.is_in(key, value_set=self.repeated))
        for name, column in self.columns.items():
            batch = batch.append_column(name, column.take(found))
        problems = [Problem(twofold, JOIN_AMBIGUOUS, f"has several rows in {self.join.file}", "join", tuple(on))]
        if not self.join.optional:
            problems.append(Problem(missing, JOIN_MISSING, f"has no row in {self.join.file}", "join", tuple(on)))
        return batch, problems


def _key(spec: TableSpec, batch: pa.RecordBatch, names: list[str]) -> pa.StringArray:
    parts = [to_text(batch.column(name), spec.nulls) for name in names]
    return parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, _SEPARATOR)


def _order(spec: TableSpec, join: Join, other: pa.RecordBatch) -> pa.Array:
    """Return the order that puts the row to be picked before the others of its key."""
    numbers, bad = to_number(other.column(join.order_by), spec.nulls, spec.csv.decimal)
    if pc.any(bad).as_py():
        join.where.at("order_by").fail(f"{join.file}: {join.order_by!r} holds values that are no numbers")
    rows = pa.RecordBatch.from_arrays([numbers, other.column(ROW)], names=["by", "row"])
    direction = "ascending" if join.pick == "first" else "descending"
    return pc.sort_indices(rows, sort_keys=[("by", direction), ("row", direction)])


def expand(spec: TableSpec, plan: Expand, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[Problem]]:
    """Return the interval rows with a list of moments in ``sample_time``, and the rows that have none.

    Args:
        spec: entry of the mapping.
        plan: the expansion.
        batch: interval rows.

    Raises:
        MappingError: if a column has a type that is no time.
    """
    start, start_problems = moments(spec, plan.start, batch)
    end, end_problems = moments(spec, plan.end, batch)
    lists: list[list[int] | None] = []
    for first, last in zip(start.to_pylist(), end.to_pylist(), strict=True):
        if first is None or last is None or not 0 <= last - first <= MAX_SAMPLES * plan.every_ms:
            lists.append(None)
        else:
            lists.append([*range(first, last, plan.every_ms), last])
    times = pa.array(lists, pa.list_(pa.int64()))
    known = pc.and_(pc.is_valid(start), pc.is_valid(end))
    odd = pc.and_(known, pc.is_null(times))
    names = (str(plan.start.column), str(plan.end.column))
    detail = f"is no interval of at most {MAX_SAMPLES} samples"
    problems = [*start_problems, *end_problems, Problem(odd, OUT_OF_RANGE, detail, "expand", names)]
    missing = pc.or_(pc.is_null(start), pc.is_null(end))
    problems.append(Problem(missing, MISSING_VALUE, "is missing, but required", "expand", names))
    return batch.append_column("sample_time", times), problems


def explode(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return one row for every moment in ``sample_time``.

    Args:
        batch: result of ``expand`` without the rows that have a problem.
    """
    times = batch.column("sample_time")
    rows = batch.drop_columns(["sample_time"]).take(pc.list_parent_indices(times))
    return rows.append_column("sample_time", times.flatten())


def moments(spec: TableSpec, value: Value, batch: pa.RecordBatch) -> tuple[pa.Array, list[Problem]]:
    """Return a time column as epoch milliseconds, and the rows where it cannot be read.

    Raises:
        MappingError: if the column has a type that is no time.
    """
    if value.time is None or value.column is None:
        value.where.fail("must be a column with time = { ... }")
    try:
        array, problems = to_epoch_ms(batch.column(value.column), value.time, spec.nulls, spec.csv.decimal)
    except WrongTypeError as error:
        value.where.fail(f"column {value.column!r} {error}")
    named = [Problem(p.mask, p.reason, p.detail, str(value.where.key), (value.column,)) for p in problems]
    return array, named


@dataclass(slots=True)
class Buckets:
    """Counts and sums by time and key, collected batch by batch.

    Attributes:
        plan: the aggregation.
        parts: sums of the batches so far.
    """

    plan: Aggregate
    parts: list[pa.Table] = field(default_factory=list)

    def prepare(self, spec: TableSpec, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[Problem]]:
        """Return bucket, keys and numbers of a batch, and the rows where one of them is missing.

        Args:
            spec: entry of the mapping.
            batch: source rows.

        Raises:
            MappingError: if a column has a type that cannot serve.
        """
        plan = self.plan
        times, problems = moments(spec, plan.time, batch)
        name = str(plan.time.column)
        problems.append(Problem(pc.is_null(times), MISSING_VALUE, "is missing, but required", "aggregate", (name,)))
        bucket = pc.multiply(pc.divide(times, plan.every_ms), plan.every_ms)
        columns = {"bucket_start": bucket} | {key: to_text(batch.column(key), spec.nulls) for key in plan.by}
        for name in plan.sums:
            try:
                numbers, bad = to_number(batch.column(name), spec.nulls, spec.csv.decimal)
            except WrongTypeError as error:
                plan.where.at("sums").fail(f"column {name!r} {error}")
            problems.append(Problem(bad, UNPARSEABLE_NUMBER, "is no number", "aggregate", (name,)))
            missing = "is missing, but required"
            problems.append(Problem(pc.is_null(numbers), MISSING_VALUE, missing, "aggregate", (name,)))
            columns[name] = numbers
        return pa.RecordBatch.from_pydict(columns), problems

    def add(self, prepared: pa.RecordBatch) -> None:
        """Take in a prepared batch without the rows that have a problem."""
        rows = pa.Table.from_batches([prepared])
        rows = rows.append_column("bucket_count", pa.repeat(pa.scalar(1, _EPOCH), rows.num_rows))
        self.parts.append(self._sum(rows))

    def result(self) -> pa.RecordBatch:
        """Return one row a bucket and key, in order of time and key."""
        if not self.parts:
            names = ["bucket_start", *self.plan.by, *self.plan.sums, "bucket_count"]
            table = pa.table({name: pa.array([], _EPOCH) for name in names})
        else:
            table = self._sum(pa.concat_tables(self.parts))
        keys = ["bucket_start", *self.plan.by]
        table = table.take(pc.sort_indices(table, sort_keys=[(key, "ascending") for key in keys]))
        table = table.append_column("bucket_end", pc.add(table.column("bucket_start"), self.plan.every_ms))
        table = table.append_column(ROW, pa.nulls(table.num_rows, _EPOCH)).combine_chunks()
        arrays = [column.combine_chunks() for column in table.columns]
        return pa.RecordBatch.from_arrays(arrays, names=table.column_names)

    def _sum(self, rows: pa.Table) -> pa.Table:
        keys = ["bucket_start", *self.plan.by]
        values = [*self.plan.sums, "bucket_count"]
        sums = rows.group_by(keys, use_threads=False).aggregate([(name, "sum") for name in values])
        sums = sums.rename_columns({f"{name}_sum": name for name in values})
        for index, name in enumerate(sums.column_names):
            if name in self.plan.sums:
                sums = sums.set_column(index, name, sums.column(name).cast(pa.decimal256(50, 30)))
        return sums


def refuse_overlap(join: Join, names: set[str]) -> None:
    """Refuse a join whose new columns hide columns that are there already.

    Raises:
        MappingError: if a name occurs twice.
    """
    twice = sorted(set(join.columns) & names)
    if twice:
        join.where.at("columns").fail(f'{", ".join(twice)} is a column already; give it another name: new = "old"')

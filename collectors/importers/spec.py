"""The parts of a mapping as plain data, after every check that needs no source file.

What belongs here: dataclasses without behaviour. What must not be here: reading of TOML (see ``mapping``), rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ..contract import Column, LandingTable
from .errors import Where

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Assumption:
    """A value that is not in the data, with the reason why it is taken.

    Attributes:
        value: the value.
        reason: sentence that says where it comes from.
    """

    value: Scalar
    reason: str


@dataclass(frozen=True, slots=True)
class TimeSpec:
    """How a time is written in the source.

    Attributes:
        unit: unit of a number counted from ``epoch_ms``, or ``None`` for text and Parquet timestamps.
        epoch_ms: moment from which numbers count [epoch ms, UTC].
        format: strptime format of a text, or ``None`` for ISO 8601.
        zone: IANA name or offset for texts without one, or ``None`` if none is declared.
        assumed: names of the constants behind epoch and zone.
    """

    unit: str | None = None
    epoch_ms: int = 0
    format: str | None = None
    zone: str | None = None
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """Where the values of a target column come from, and how they are read. Exactly one of the first four is set.

    Attributes:
        where: place in the mapping.
        column: source column.
        constant: fixed value.
        template: alternating literal text and column name, ``(("smc-", "job"), ("", "node"))``.
        product: two source columns to multiply.
        unit: unit of a number.
        time: how a time is written.
        values: renaming of source values; an empty text stands for NULL.
        otherwise: what a value outside ``values`` becomes; ``None`` refuses it.
        default: what a missing value becomes; ``None`` leaves it missing.
        assumption: ``(name, value, reason)`` if the value is not in the data.
    """

    where: Where
    column: str | None = None
    constant: Scalar | None = None
    template: tuple[tuple[str, str | None], ...] = ()
    product: tuple[str, str] | None = None
    unit: str | None = None
    time: TimeSpec | None = None
    values: dict[str, str] | None = None
    otherwise: str | None = None
    default: Scalar | None = None
    assumption: tuple[str, Scalar, str] | None = None

    def columns(self) -> set[str]:
        """Return the source columns that are read."""
        names = {name for _, name in self.template if name} | set(self.product or ())
        return names | ({self.column} if self.column else set())


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition on a row. A missing value fulfils only ``absent``, ``not_equals`` and ``not_in``.

    Attributes:
        where: place in the mapping.
        column: source column.
        op: ``equals``, ``not_equals``, ``in``, ``not_in``, ``present``, ``absent``, ``min``, ``max``, ``below``,
            ``min_column``, ``max_column``, ``below_column``, ``contains`` or ``not_contains``.
        texts: values to compare with as text.
        numbers: values to compare with as numbers.
        other: column to compare with.
    """

    where: Where
    column: str
    op: str
    texts: tuple[str, ...] = ()
    numbers: tuple[Decimal, ...] = ()
    other: str | None = None

    def columns(self) -> set[str]:
        """Return the source columns that are read."""
        return {self.column} | ({self.other} if self.other else set())


@dataclass(frozen=True, slots=True)
class Join:
    """Columns of another file, found by a key that must match exactly one of its rows.

    Attributes:
        where: place in the mapping.
        file: file beside the source.
        on: key column here -> key column there.
        columns: new column -> column there.
        conditions: which rows of the other file count.
        pick: ``first`` or ``last`` by ``order_by`` where several rows share a key; ``None`` refuses such keys.
        order_by: number or epoch column by which ``pick`` chooses.
        optional: whether a row without a match stays, with missing values.
    """

    where: Where
    file: str
    on: dict[str, str]
    columns: dict[str, str]
    conditions: tuple[Condition, ...] = ()
    pick: str | None = None
    order_by: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Expand:
    """An interval becomes samples at its start, every so often after it, and at its end, in column ``sample_time``.

    Attributes:
        start: first moment.
        end: last moment.
        every_ms: distance of the samples [ms].
    """

    start: Value
    end: Value
    every_ms: int


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Rows are counted and summed by time; gives ``bucket_start``, ``bucket_end`` [epoch ms] and ``bucket_count``.

    Attributes:
        where: place in the mapping.
        time: moment of a row.
        every_ms: length of a bucket, counted from the epoch [ms].
        by: columns that tell buckets of the same time apart.
        sums: columns to add up.
    """

    where: Where
    time: Value
    every_ms: int
    by: tuple[str, ...]
    sums: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How a CSV file is written.

    Attributes:
        delimiter: character between two cells.
        encoding: encoding of the text.
        decimal: decimal mark of numbers.
        skip_rows: lines before the header.
    """

    delimiter: str = ","
    encoding: str = "utf8"
    decimal: str = "."
    skip_rows: int = 0


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One ``[[table]]`` entry: rows of one source become rows of one landing table.

    Attributes:
        where: place in the mapping.
        landing: landing table of the contract.
        file: file or pattern below the imported folder; ``None`` takes the file that is imported.
        targets: contract column -> where its values come from.
        labels: label -> where its value comes from.
        conditions: which rows count.
        joins: columns of other files.
        expand: set if intervals become samples.
        aggregate: set if rows are counted by time.
        nulls: texts that stand for a missing value.
        csv: delimiter, encoding, decimal mark and lines to skip of a CSV file.
    """

    where: Where
    landing: LandingTable
    file: str | None
    targets: dict[str, Value]
    labels: dict[str, Value] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    joins: tuple[Join, ...] = ()
    expand: Expand | None = None
    aggregate: Aggregate | None = None
    nulls: tuple[str, ...] = ("",)
    csv: CsvOptions = CsvOptions()

    def contract_columns(self) -> list[tuple[Column, Value | None]]:
        """Return the contract's columns in order, each with its source or ``None`` where it stays NULL."""
        return [(column, self.targets.get(column.name)) for column in self.landing.columns]


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file.

    Attributes:
        name: short name, safe in a file name.
        title: one line that says what it reads.
        path: where it was read from.
        content: its bytes.
        constants: values that are not in the data.
        assumptions: other assumptions in words.
        tables: entries in order.
    """

    name: str
    title: str
    path: Path
    content: bytes
    constants: dict[str, Assumption]
    assumptions: dict[str, str]
    tables: tuple[TableSpec, ...]

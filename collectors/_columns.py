"""What a column and a table of the landing contract are.

What belongs here: the two types, and columns of the usual kinds. What must not be here: any table (see ``contract``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

LABELS = pa.map_(pa.string(), pa.string())

# The largest plausible reading of one device: a 64-node switch estimate in the public MLPerf power set is 59,570 W;
# 10 MW is a whole data hall and is surely a unit error (a reading in microwatts or milliwatts of milliwatts).
MAX_POWER_MW = 10_000_000_000
# 2000-01-01 and 2100-01-01 UTC in epoch milliseconds: outside, a stamp is a unit error (seconds, microseconds).
MIN_TIME_MS = 946_684_800_000
MAX_TIME_MS = 4_102_444_800_000


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a landing table.

    Attributes:
        name: column name; a physical quantity carries its unit as suffix.
        type: Arrow type as written to Parquet.
        unit: unit of the value, or ``None`` for identifiers, flags and counts without unit.
        description: one sentence that a reader of the data dictionary understands.
        nullable: whether NULL ("not known") is allowed.
        minimum: smallest accepted value, in the column's unit.
        maximum: largest accepted value, in the column's unit.
        allowed: closed set of values, or empty for a free value.
        is_later: whether it was added to the table later: a file that lacks it is read as if it held NULL there.
    """

    name: str
    type: pa.DataType
    unit: str | None
    description: str
    nullable: bool = False
    minimum: int | float | None = None
    maximum: int | float | None = None
    allowed: tuple[str, ...] = ()
    is_later: bool = False


@dataclass(frozen=True, slots=True)
class LandingTable:
    """One landing table: its columns, natural key and time columns.

    Attributes:
        name: table name, also the folder under the landing root and the table in the ``raw`` schema.
        description: what one row states.
        columns: columns in the order in which they are written.
        key: columns that identify a row; two rows with the same key and other values are in conflict.
        time_column: epoch milliseconds (UTC) of the row, by which it is also put into its hour folder.
        end_column: epoch milliseconds at which the row's interval ends, if the row describes an interval.
        folder_column: epoch milliseconds by which a row is put into its hour folder, where that is not the time column:
            what is fetched at once lands as one file, however long the time that it speaks of.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time_column: str
    end_column: str | None = None
    folder_column: str | None = None
    _by_name: dict[str, Column] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the columns by name and check that key and time columns exist."""
        self._by_name.update({column.name: column for column in self.columns})
        for name in (*self.key, self.time_column, self.folder_time):
            if name not in self._by_name:
                msg = f"landing table {self.name}: no column {name}"
                raise ValueError(msg)

    @property
    def folder_time(self) -> str:
        """Return the column by whose time a row is put into its hour folder."""
        return self.folder_column or self.time_column

    def column(self, name: str) -> Column:
        """Return the column of that name.

        Raises:
            KeyError: if the table has no such column.
        """
        return self._by_name[name]

    def arrow_schema(self) -> pa.Schema:
        """Return the Arrow schema of a file of this table, without file metadata."""
        return pa.schema(
            [
                pa.field(
                    column.name,
                    column.type,
                    nullable=column.nullable,
                    metadata={"unit": column.unit} if column.unit else None,
                )
                for column in self.columns
            ]
        )


def time_of(name: str, description: str, *, nullable: bool = False) -> Column:
    """Return a column of moments [epoch ms]."""
    return Column(name, pa.int64(), "ms", description, nullable, MIN_TIME_MS, MAX_TIME_MS)


def text(name: str, description: str, *, nullable: bool = True, allowed: tuple[str, ...] = ()) -> Column:
    """Return a column of texts, of a closed set or free."""
    return Column(name, pa.string(), None, description, nullable, allowed=allowed)


def count(name: str, description: str, *, nullable: bool = False) -> Column:
    """Return a column of counts."""
    return Column(name, pa.int64(), None, description, nullable, minimum=0)

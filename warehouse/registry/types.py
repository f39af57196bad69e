"""What a table and a column of the warehouse are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a warehouse table.

    Attributes:
        name: column name; a physical quantity carries its unit as suffix.
        type: DuckDB type.
        description: one sentence for the data dictionary.
        unit: unit of the value, or ``None``.
        nullable: whether NULL ("not known") may occur.
        minimum: smallest value that may occur, in the column's unit.
        maximum: largest value that may occur, in the column's unit.
    """

    name: str
    type: str
    description: str
    unit: str | None = None
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the warehouse.

    Attributes:
        schema: layer: ref, raw, core, mart or audit.
        name: table name; with the schema it is the asset name and the folder in the lake.
        description: what one row states.
        grain: the grain in words.
        key: columns that identify a row.
        columns: columns in order.
        partition: column by which the table is recomputed, a day or the first day of a month, or ``None``.
        laid_by: column by whose month the files lie apart, where that is not the partition.
        sorted_by: columns by which the rows of a file are sorted, whatever the order in which they are written.
        published: whether the table goes into the published database.
        bookkeeping: columns that say when or by whom a row was written, not what it states; two runs over the same
            input may differ in them.
    """

    schema: str
    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition: str | None = None
    laid_by: str | None = None
    sorted_by: tuple[str, ...] = ()
    published: bool = False
    bookkeeping: tuple[str, ...] = ()

    @property
    def qualified(self) -> str:
        """Return ``schema.name``."""
        return f"{self.schema}.{self.name}"

    @property
    def layout(self) -> str | None:
        """Return by what the lake lays the files of the table apart: by month, so that they stay few (``tidy``)."""
        column = self.laid_by or self.partition
        return f"year({column}), month({column})" if column else None

    @property
    def column_names(self) -> tuple[str, ...]:
        """Return the column names in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """Return the column of that name.

        Raises:
            KeyError: if the table has no such column.
        """
        for column in self.columns:
            if column.name == name:
                return column
        msg = f"{self.qualified} has no column {name}"
        raise KeyError(msg)

    def ddl(self, catalog: str) -> str:
        """Return the CREATE TABLE statement for a table of this shape in ``catalog``."""
        columns = ", ".join(
            f'"{column.name}" {column.type}{"" if column.nullable else " NOT NULL"}' for column in self.columns
        )
        return f"CREATE TABLE IF NOT EXISTS {catalog}.{self.qualified} ({columns})"

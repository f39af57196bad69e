"""Rows of a factor table, each value checked as it is taken: the error names file, line, column and value.

What belongs here: turning text into checked values. What must not be here: reading of files (see ``factors``).
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass

VERIFIED = frozenset(
    {
        "source_file",
        "source_text",
        "secondary_text",
        "tool_run",
        "derived",
        "memory",
        "engineering_judgement",
    }
)
"""How a row was verified: read in the file, read in the text, quoted by another text, produced by a tool's run,
computed by us, from memory (check before use), or our judgement (replace by a measurement)."""


class FactorDataError(ValueError):
    """A factor table holds a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a factor comes from; one row of ``source.csv``. ``published`` is a year; empty strings are not known."""

    source_id: str
    title: str
    publisher: str
    published: str
    url: str
    licence: str
    attribution: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a factor table. ``NA`` is a value (Namibia), never a missing one; only empty text is missing."""

    file: str
    line: int
    values: dict[str, str]

    def error(self, column: str, problem: str) -> FactorDataError:
        """Give the error to raise about one value of this row."""
        value = self.values.get(column)
        return FactorDataError(f"{self.file}, line {self.line}, column {column}: {problem}, found {value!r}")

    def optional_text(self, column: str) -> str:
        """Give the text of a column, perhaps empty."""
        if column not in self.values:
            raise self.error(column, "the column is missing")
        return self.values[column].strip()

    def text(self, column: str) -> str:
        """Give the text of a column that must not be empty."""
        value = self.optional_text(column)
        if not value:
            raise self.error(column, "a text is needed")
        return value

    def choice(self, column: str, allowed: frozenset[str]) -> str:
        """Give the text of a column with a closed set of values."""
        value = self.text(column)
        if value not in allowed:
            raise self.error(column, f"must be one of {', '.join(sorted(allowed))}")
        return value

    def names(self, column: str) -> tuple[str, ...]:
        """Give the texts of a column separated by semicolons."""
        return tuple(name.strip() for name in self.optional_text(column).split(";") if name.strip())

    def number(self, column: str, low: float = 0.0, high: float = math.inf) -> float:
        """Give a finite number of a column within [low, high]; not negative unless said otherwise."""
        try:
            value = float(self.text(column))
        except ValueError as error:
            if isinstance(error, FactorDataError):
                raise
            raise self.error(column, "a number is needed") from error
        if not math.isfinite(value) or not low <= value <= high:
            raise self.error(column, f"a finite number in [{low:g}, {high:g}] is needed")
        return value

    def optional_number(self, column: str, low: float = 0.0, high: float = math.inf) -> float | None:
        """Give a number as ``number`` does, or None where the text is empty (not known)."""
        return self.number(column, low, high) if self.optional_text(column) else None

    def integer(self, column: str, low: int = 0, high: int = 9_999) -> int:
        """Give a whole number of a column within [low, high]."""
        value = self.number(column, low, high)
        if value != int(value):
            raise self.error(column, "a whole number is needed")
        return int(value)

    def year(self, column: str = "year") -> int:
        """Give a calendar year of a column."""
        return self.integer(column, 1990, 2100)

    def optional_year(self, column: str) -> int | None:
        """Give a calendar year of a column, or None where the text is empty (not known)."""
        return self.year(column) if self.optional_text(column) else None

    def interval(self, low: str, central: str, high: str) -> tuple[float, float, float]:
        """Give low, central and high of three columns, in order."""
        values = (self.number(low), self.number(central), self.number(high))
        if not values[0] <= values[1] <= values[2]:
            raise self.error(central, f"low <= central <= high is needed, with {low}={values[0]}, {high}={values[2]}")
        return values

    def source_id(self, sources: dict[str, Source], column: str = "source_id") -> str:
        """Give the source of a row, which must stand in ``source.csv``."""
        value = self.text(column)
        if value not in sources:
            raise self.error(column, "not a source of source.csv")
        return value


def rows(file: str, text: str) -> Iterator[Row]:
    """Give the rows of a factor table.

    Args:
        file: name of the table, for errors.
        text: its content, comma-separated with a header.

    Raises:
        FactorDataError: if the table is empty, or a row has more or fewer values than the header.
    """
    reader = csv.reader(io.StringIO(text))
    header = next(reader, None)
    if not header:
        msg = f"{file}: the table has no header"
        raise FactorDataError(msg)
    for values in reader:
        if len(values) != len(header):
            problem = f"{len(header)} values are needed, found {len(values)}"
            msg = f"{file}, line {reader.line_num}, column {header[0]}: {problem}: {values!r}"
            raise FactorDataError(msg)
        yield Row(file, reader.line_num, dict(zip(header, values, strict=True)))

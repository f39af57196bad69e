"""What can go wrong in an import: a mapping or file that does not fit, and rows that cannot be taken.

What belongs here: the errors of a mapping, of a source and of a row, the closed list of reasons for which a row is
refused, and the record of such a row. What must not be here: the checks themselves.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import pyarrow as pa

REJECTED_FOLDER = "_rejected"
"""Folder of the landing root where refused rows are left, as JSON lines, for the quarantine."""
NON_POSITIVE_POWER = "non_positive_power"
OUT_OF_RANGE = "out_of_range"
UNPARSEABLE_NUMBER = "unparseable_number"
UNPARSEABLE_TIME = "unparseable_time"
AMBIGUOUS_TIME = "ambiguous_time"
NONEXISTENT_TIME = "nonexistent_time"
UNKNOWN_VALUE = "unknown_value"
MISSING_VALUE = "missing_value"
JOIN_MISSING = "join_missing"
JOIN_AMBIGUOUS = "join_ambiguous"
TORN_ROW = "torn_row"
CONFLICTING_ROW = "conflicting_row"

REASONS = (
    NON_POSITIVE_POWER,
    OUT_OF_RANGE,
    UNPARSEABLE_NUMBER,
    UNPARSEABLE_TIME,
    AMBIGUOUS_TIME,
    NONEXISTENT_TIME,
    UNKNOWN_VALUE,
    MISSING_VALUE,
    JOIN_MISSING,
    JOIN_AMBIGUOUS,
    TORN_ROW,
    CONFLICTING_ROW,
)
"""Closed list of reasons for which a source row is refused."""

UNREADABLE = (UNPARSEABLE_NUMBER, UNPARSEABLE_TIME, UNKNOWN_VALUE)
"""Reasons that speak of the mapping, not of the row, when no row at all can be read."""


class MappingError(ValueError):
    """A mapping that is wrong in itself or does not fit its source; nothing has been landed.

    Attributes:
        mapping: mapping file or name.
        table: entry of the mapping, for example ``table 2 (power_sample)``, or ``None``.
        key: key of the entry, for example ``columns.power_mw.unit``, or ``None``.
    """

    def __init__(self, mapping: str, table: str | None, key: str | None, message: str) -> None:
        """Say what is wrong and where.

        Args:
            mapping: mapping file or name.
            table: entry of the mapping, or ``None`` if it is none of them.
            key: key of the entry, or ``None`` if it is none of them.
            message: what is wrong, with the value and what is allowed.
        """
        self.mapping, self.table, self.key = mapping, table, key
        place = ", ".join(part for part in (f"mapping {mapping}", table, f"key {key}" if key else None) if part)
        super().__init__(f"{place}: {message}")


class SourceError(ValueError):
    """A source that cannot be imported as a whole, or an option that does not fit it; nothing has been landed.

    Attributes:
        source: file or folder, or ``None`` where an option is wrong.
    """

    def __init__(self, source: str | None, message: str) -> None:
        """Say what is wrong and where.

        Args:
            source: file or folder, or ``None`` where an option is wrong.
            message: what is wrong and what to do, to be read after the name of the file.
        """
        self.source = source
        super().__init__(f"{source}: {message}" if source else message)


class RefusedError(ValueError):
    """A row, or a value in it, that cannot be taken.

    Attributes:
        reason: one of ``REASONS``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Say why.

        Args:
            reason: one of ``REASONS``.
            detail: which column or field, which value, what is wrong with it.
        """
        self.reason = reason
        super().__init__(detail)


class WrongTypeError(TypeError):
    """A column whose type cannot serve where it is used."""


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a mapping, carried along so that every error can name it.

    Attributes:
        mapping: mapping file or name.
        table: entry of the mapping, or ``None``.
        key: key inside the entry, dots between levels.
    """

    mapping: str
    table: str | None = None
    key: str | None = None

    def at(self, key: object) -> Where:
        """Return the place one level deeper."""
        return Where(self.mapping, self.table, f"{self.key}.{key}" if self.key else str(key))

    def fail(self, message: str) -> NoReturn:
        """Raise the error that names this place.

        Args:
            message: what is wrong, with the value and what is allowed.

        Raises:
            MappingError: always.
        """
        raise MappingError(self.mapping, self.table, self.key, message)


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows of a batch that cannot be taken, all for one reason.

    Attributes:
        mask: true where a row is refused, one value a row of the batch, never NULL.
        reason: one of ``REASONS``.
        detail: what is wrong with the value, to be read after it.
        target: column that was to be made, or the step at which the row fell out.
        columns: source columns whose values are to be shown.
    """

    mask: pa.BooleanArray
    reason: str
    detail: str
    target: str = ""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A source row that did not land.

    Attributes:
        table: landing table for which it was read.
        reason: one of ``REASONS``.
        detail: which column, which value, what is wrong with it.
        file: name of the source file, relative to the imported folder.
        row: number of the row in that file, from 1, the header not counted; ``None`` after an aggregation.
        values: the columns that the mapping reads of this row.
    """

    table: str
    reason: str
    detail: str
    file: str
    row: int | None
    values: dict[str, Any] = field(hash=False)

    def to_json(self) -> str:
        """Return the row as one line of JSON, keys in a fixed order."""
        record = {
            "table": self.table,
            "reason": self.reason,
            "detail": self.detail,
            "file": self.file,
            "row": self.row,
            "values": self.values,
        }
        return json.dumps(record, ensure_ascii=False, default=str)

"""Why a row or a landed file is refused, and how much a file may ask for.

What belongs here: the closed set of reasons, the errors, and the limits. What must not be here: checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FileReason(StrEnum):
    """Why a landed file is refused; a closed set."""

    EMPTY_FILE = "empty_file"
    TRUNCATED = "truncated"
    NOT_PARQUET = "not_parquet"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    WRONG_SCHEMA = "wrong_schema"
    UNKNOWN_TABLE = "unknown_table"
    UNKNOWN_VERSION = "unknown_version"
    METADATA_MISMATCH = "metadata_mismatch"
    TOO_LARGE = "too_large"
    NOT_A_REGULAR_FILE = "not_a_regular_file"
    UNSAFE_NAME = "unsafe_name"
    UNREADABLE = "unreadable"


REASONS = tuple(FileReason)
"""All reasons, in the order of ``FileReason``."""


class UnreadableFile(ValueError):  # noqa: N818 - the name that ingest and its users know
    """A landed file that is refused.

    Attributes:
        reason: which check it failed.
        detail: what was found, for people.
    """

    def __init__(self, reason: FileReason, detail: str) -> None:
        """Say why a file is refused.

        Args:
            reason: which check it failed.
            detail: what was found, for people.
        """
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason.value}: {detail}")


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How much one landed file may ask for.

    Attributes:
        file_bytes: size of the file [bytes].
        footer_bytes: size of the footer [bytes].
        rows: rows in the file.
        columns: leaf columns in the file.
        row_groups: row groups in the file.
        pages: pages in one column chunk.
        decoded_bytes: all columns in memory [bytes].
        cell_bytes: one text value [bytes].
    """

    file_bytes: int = 256 << 20
    footer_bytes: int = 16 << 20
    rows: int = 5_000_000
    columns: int = 64
    row_groups: int = 1_024
    pages: int = 20_000
    decoded_bytes: int = 1 << 30
    cell_bytes: int = 64 << 10


class LandingError(ValueError):
    """A row that breaks the contract.

    Attributes:
        table: landing table.
        column: offending column, or ``None`` if the row as a whole is wrong.
        row: index of the row in what was handed over, or ``None``.
        value: offending value.
        allowed: what the contract allows, in words.
    """

    def __init__(self, table: str, column: str | None, row: int | None, value: object, allowed: str) -> None:
        """Say which value breaks which rule.

        Args:
            table: landing table.
            column: offending column, or ``None``.
            row: index of the row, or ``None``.
            value: offending value.
            allowed: what the contract allows, in words.
        """
        self.table, self.column, self.row, self.value, self.allowed = table, column, row, value, allowed
        place = table + (f".{column}" if column else "") + (f", row {row}" if row is not None else "")
        super().__init__(f"{place}: {value!r:.200} is not allowed; must be {allowed}")

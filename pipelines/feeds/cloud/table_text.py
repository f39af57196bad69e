"""Text of a published table as rows and numbers; nothing is guessed.

What belongs here: decoding, the header, blanks, numbers. What must not be here: what a column means.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.feeds.cloud.publication import Mark, Publication, Reading
from pipelines.feeds.feed import FeedError

NOT_THE_FORMAT, UNKNOWN_SHAPE = "not_the_format", "unknown_shape"
"""Reasons of ``pipelines.feeds.reasons``."""
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "-"})
"""Texts that say "not published", in lower case; in these tables NA is a marker, not Namibia."""
YEARS = (2010, 2100)
"""First and last year that a table can be about: no provider published such figures before 2010."""
_COMMA = re.compile(r"-?\d+,\d+")
_UNNAMED = re.compile(r"unnamed: \d+")


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its line in the file, from 1 with the header, and the values by column, without outer blanks."""

    number: int
    values: dict[str, str]


def header_and_lines(reading: Reading) -> tuple[tuple[str, ...], list[Line]]:
    """Give the named columns and the rows; rows of another length are marked and left out.

    Args:
        reading: the publication; gets the marks.

    Returns:
        The columns with a name, and the rows.

    Raises:
        FeedError: if the content is no text table.
    """
    publication = reading.publication
    try:
        rows = list(csv.reader(io.StringIO(_text(publication), newline="")))
    except csv.Error as error:
        problem = f"{publication.name}: {error}; deliver the publisher's file as it came"
        raise FeedError(NOT_THE_FORMAT, problem) from error
    header = [name.strip() for name in rows[0]]
    lines = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            detail = f"{len(header)} values are needed, found {len(row)}"
            values = (("row", ",".join(row)[:500]),)
            reading.marks.append(Mark("torn_row", detail, None, publication.name, number, values))
            continue
        lines.append((number, [cell.strip() for cell in row]))
    unnamed = {index for index, name in enumerate(header) if not name or _UNNAMED.fullmatch(name.lower())}
    empty = {index for index in unnamed if not any(row[index] for _, row in lines)}
    for index in sorted(empty):
        detail = f"column {index + 1} ({header[index]!r}) has no name and no value"
        reading.marks.append(Mark("unnamed_column", detail, None, publication.name))
    kept = [index for index in range(len(header)) if index not in empty]
    named = [Line(number, {header[index]: row[index] for index in kept}) for number, row in lines]
    return tuple(header[index] for index in kept), named


def refuse_header(reading: Reading, found: Sequence[str], problem: str) -> None:
    """Mark the whole table: its columns are not known."""
    values = (("header", ",".join(found)[:2_000]),)
    reading.marks.append(Mark("unknown_header", problem, None, reading.publication.name, 1, values))


def number(text: str) -> float | str | None:
    """Give the number of a cell, None where it is not published, or the name of the fault.

    Args:
        text: the cell, without outer blanks.
    """
    if text.lower() in MISSING:
        return None
    if _COMMA.fullmatch(text):
        return "decimal_comma"
    try:
        value = float(text)
    except ValueError:
        return "unparseable_number"
    # float() also reads "1_000" and "infinity", which no publisher writes on purpose.
    return value if math.isfinite(value) and "_" not in text else "unparseable_number"


def year_of(text: str) -> int | None:
    """Give a year, or None where the text is none that can be."""
    return int(text) if re.fullmatch(r"\d{4}", text) and YEARS[0] <= int(text) <= YEARS[1] else None


def _text(publication: Publication) -> str:
    """Decode a table; a byte-order mark is dropped."""
    try:
        text = publication.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"{publication.name}: byte {error.start} is not UTF-8; deliver the publisher's file as it came"
        raise FeedError(NOT_THE_FORMAT, problem) from error
    first = text.lstrip()[:1]
    if not first or first in "<{" or "\0" in text:
        what = "is empty" if not first else "is no CSV table (an HTML or JSON page?)"
        problem = f"{publication.name} {what}; deliver the publisher's file as it came"
        raise FeedError(NOT_THE_FORMAT, problem)
    return text.lstrip("\r\n")

"""The rows of a drop as values: intensities converted, or computed from generation.

What belongs here: what the columns mean. What must not be here: reading of files and of the description, judging.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from models.generation import FUELS
from models.zones import zones
from pipelines.feeds.drop_description import G_PER_KWH_OF, Description, Generation, TimeRule
from pipelines.feeds.drop_rows import DropRow
from pipelines.feeds.drop_time import NoSpan, Span, moments, spans, zone_of
from pipelines.feeds.feed import Asked, FeedError, Refusal, Value
from pipelines.feeds.mix import Generated, Mixed, Spoilt, fuels_of, mixed, wanted_sets
from pipelines.feeds.stamps import HOUR_MS, utc_ms
from pipelines.feeds.strict_json import shown

FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
"""What a column of flags may hold, in lower case."""
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class RowsRead:
    """What the rows of a file give.

    Attributes:
        values: values, not yet judged.
        refusals: what was refused.
        ranges: first start and last end that a zone has in the file [epoch ms UTC].
        clipped: negative generation taken as zero, see ``drop.Drop``.
    """

    values: list[Value]
    refusals: tuple[Refusal, ...]
    ranges: Mapping[str, tuple[int, int]]
    clipped: Mapping[str, tuple[int, float]]


class _BadCellError(ValueError):
    """A cell cannot be used, for a reason."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


def read_rows(stated: Description, file: str, columns: Sequence[str], rows: Sequence[DropRow]) -> RowsRead:
    """Give the values of all rows.

    Args:
        stated: the description.
        file: name of the file, for errors.
        columns: its columns.
        rows: its rows, in order.

    Raises:
        FeedError: if a column is missing or not spoken of, or a zone is not known.
    """
    if stated.time is None:
        msg = f"{stated.name}: a file of rows needs [time]"
        raise FeedError(reason="not_configured", message=msg)
    _account(stated, file, columns)
    by_zone: dict[str, list[DropRow]] = defaultdict(list)
    for row in rows:
        by_zone[_zone(stated, file, row)].append(row)
    found = Mixed()
    ranges: dict[str, tuple[int, int]] = {}
    for zone, own in by_zone.items():
        timed = _timed(stated.time, stated.name, own, found)
        if timed:
            ranges[zone] = (min(span.start_ms for _, span in timed), max(span.end_ms for _, span in timed))
            read = _generated if stated.generation else _intensities
            read(stated, zone, ranges[zone], timed, found)
    return RowsRead(found.values, found.refusals(), ranges, found.clipped)


def _account(stated: Description, file: str, columns: Sequence[str]) -> None:
    """Refuse a file with a column that is missing, or that the description does not speak of.

    A new column of a fuel would otherwise be left out of the mix without a word.
    """
    named = [stated.zone_column, stated.estimated_column, stated.updated_column]
    named += [stated.time.column] if stated.time else []
    named += [stated.intensity.column] if stated.intensity else []
    named += list(stated.generation.columns) if stated.generation else []
    missing = [column for column in named if column and column not in columns]
    if missing:
        text = f"{file}: {stated.name} names the column {missing[0]!r}, the file has {shown(', '.join(columns))}"
        raise FeedError(reason="unknown_shape", message=text)
    for column in columns:
        if column not in named and not any(fnmatchcase(column, pattern) for pattern in stated.ignored):
            text = f"{file}: {stated.name} does not speak of the column {column!r}: use it, or list it under `ignored`"
            raise FeedError(reason="unknown_shape", message=text)
    if stated.generation:
        known = FUELS if stated.generation.system == "fuel" else fuels_of(stated.generation.system)
        for column, code in stated.generation.columns.items():
            if code not in known:
                text = f"{stated.name}, [generation.columns], {column}: one of {', '.join(sorted(known))} is needed"
                raise FeedError(reason="not_configured", message=f"{text}, found {code!r}")


def _zone(stated: Description, file: str, row: DropRow) -> str:
    zone = row.cells[stated.zone_column] if stated.zone_column else stated.zone
    if zone not in zones():
        where = (
            f"{file}, line {row.line}, column {stated.zone_column}" if stated.zone_column else f"{stated.name}, zone"
        )
        text = f"{where}: a zone of models/data/zone.csv is needed, found {shown(zone)}"
        raise FeedError(reason="wrong_zone", message=text)
    return zone


def _timed(rule: TimeRule, name: str, rows: Sequence[DropRow], found: Mixed) -> list[tuple[DropRow, Span]]:
    """Give the rows with their intervals; rows without one are refused."""
    labels = [row.cells[rule.column] for row in rows]
    timed = []
    for row, span in zip(rows, spans(moments(labels, rule, zone_of(rule, name)), rule), strict=True):
        if isinstance(span, NoSpan):
            found.refuse(span.reason, f"line {row.line}, column {rule.column}: {span.detail}", None)
        else:
            timed.append((row, span))
    return timed


def _number(stated: Description, row: DropRow, column: str) -> float | None:
    """Give the number of a cell, None for a blank."""
    text = row.cells[column].strip()
    if text in stated.blank_texts:
        return 0.0 if stated.blank == "zero" else None
    if not _NUMBER.fullmatch(text):
        raise _BadCellError(reason="bad_value", text=f"column {column}: a number is needed")
    return float(text)


def _marks(stated: Description, row: DropRow) -> tuple[bool, int | None]:
    """Give whether a row is estimated, and when it was changed last [epoch ms UTC]."""
    is_estimate, updated_ms = stated.is_estimate, None
    if stated.estimated_column:
        flag = FLAGS.get(row.cells[stated.estimated_column].strip().lower())
        if flag is None:
            text = f"column {stated.estimated_column}: one of {', '.join(FLAGS)} is needed"
            raise _BadCellError(reason="bad_value", text=text)
        is_estimate = flag
    if stated.updated_column and row.cells[stated.updated_column].strip():
        try:
            updated_ms = utc_ms(row.cells[stated.updated_column].strip())
        except ValueError:
            text = f"column {stated.updated_column}: a time in UTC is needed"
            raise _BadCellError(reason="bad_time", text=text) from None
    return is_estimate, updated_ms


def _intensities(
    stated: Description, zone: str, _range: tuple[int, int], timed: Sequence[tuple[DropRow, Span]], found: Mixed
) -> None:
    """Add the values of a column of intensities."""
    rule = stated.intensity
    if rule is None:
        return
    factor = G_PER_KWH_OF[rule.unit]
    for row, span in timed:
        try:
            number = _number(stated, row, rule.column)
            is_estimate, updated_ms = _marks(stated, row)
        except _BadCellError as error:
            found.refuse(error.reason, str(error), span.start_ms)
            continue
        if number is None:
            found.refuse("no_value", f"column {rule.column} is blank", span.start_ms)
            continue
        found.values.append(
            Value(
                zone=zone,
                start_ms=span.start_ms,
                end_ms=span.end_ms,
                gco2e_per_kwh=number * factor,
                kind=stated.kind,
                basis=rule.basis,
                flow=stated.flow,
                factor_set=rule.factor_set,
                is_estimate=is_estimate,
                updated_ms=updated_ms,
            )
        )


def _generated(
    stated: Description, zone: str, range_ms: tuple[int, int], timed: Sequence[tuple[DropRow, Span]], found: Mixed
) -> None:
    """Add the intensities of a table of generation."""
    rule = stated.generation
    if rule is None:
        return
    generated: list[Generated] = []
    spoilt: list[Spoilt] = []
    marks: dict[int, tuple[bool, int | None]] = {}
    for row, span in timed:
        try:
            generated += _row_generated(stated, rule, row, span)
            marks[span.start_ms] = _marks(stated, row)
        except _BadCellError as error:
            spoilt.append(Spoilt(error.reason, str(error), span.start_ms, span.end_ms))
    sets = wanted_sets(rule.factor_sets, stated.name)
    one = mixed(generated, spoilt, sets, Asked(zone, *range_ms), fuels_of(rule.system))
    for value in one.values:
        is_estimate, updated_ms = marks[value.start_ms]
        found.values.append(replace(value, is_estimate=is_estimate, updated_ms=updated_ms))
    for (reason, text), (count, first_ms) in one.refused.items():
        found.refuse(reason, text, first_ms, count)
    for code, (count, mwh) in one.clipped.items():
        before_n, before_mwh = found.clipped.get(code, (0, 0.0))
        found.clipped[code] = (before_n + count, before_mwh + mwh)


def _row_generated(stated: Description, rule: Generation, row: DropRow, span: Span) -> list[Generated]:
    """Give what the fuels of one row generated; several columns of one code add up."""
    by_code: dict[str, float | None] = {}
    for column, code in rule.columns.items():
        number = _number(stated, row, column)
        before = by_code.get(code, 0.0)
        by_code[code] = None if number is None or before is None else before + number
    hours = (span.end_ms - span.start_ms) / HOUR_MS if rule.unit == "MW" else 1.0
    return [
        Generated(code, span.start_ms, span.end_ms, None if number is None else number * hours)
        for code, number in by_code.items()
    ]

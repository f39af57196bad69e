"""Times of a source as milliseconds since the epoch, a column at a time.

What belongs here: numbers with a unit, texts with a format, Parquet timestamps, zones and their changes of clock. What
must not be here: any guess. A time without a zone is refused, and so is one that a change of clock made twofold or
impossible.

Parts of a millisecond are cut off, so that no time moves into the next minute or hour.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from .errors import (
    AMBIGUOUS_TIME,
    NONEXISTENT_TIME,
    OUT_OF_RANGE,
    UNPARSEABLE_TIME,
    Problem,
    Where,
    WrongTypeError,
)
from .numbers import holds, multiply, to_number, to_text
from .spec import TimeSpec
from .units import factor

_NANO = pa.timestamp("ns")
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$"
_OFFSET = r"[0-9](Z|[+-][0-9]{2}:?[0-9]{2})$"
_FIXED = re.compile(r"^[+-][0-9]{2}:[0-9]{2}$")
_YEARS = range(1700, 2200)
_NO_TEXT = pa.scalar(None, pa.string())
_NS_PER_MS = 1_000_000
# Arrow knows the changes of clock of a zone up to 2037 and takes winter time for ever after.
_END_OF_RULES = datetime(2038, 1, 1)  # noqa: DTZ001 - a local time
# Directives that a regular expression reads; formats with others are read value by value, which is slower.
_DIRECTIVES = {
    "Y": r"(?P<Y>[0-9]{4})",
    "m": r"(?P<m>[0-9]{1,2})",
    "d": r"(?P<d>[0-9]{1,2})",
    "H": r"(?P<H>[0-9]{1,2})",
    "M": r"(?P<M>[0-9]{1,2})",
    "S": r"(?P<S>[0-9]{1,2})",
    "f": r"(?P<f>[0-9]{1,9})",
}


def check_zone(where: Where, zone: str) -> None:
    """Check that a zone is known.

    Raises:
        MappingError: if it is neither an IANA name nor an offset such as +08:00.
    """
    if _FIXED.match(zone):
        return
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        where.fail(f"unknown zone {zone!r}; use an IANA name such as Europe/Berlin, UTC, or +08:00")


def check_format(where: Where, form: str, zone: str | None) -> None:
    """Check that a strptime format can be read and that its times have a zone.

    Raises:
        MappingError: if it is no format, or neither it nor the mapping gives a zone.
    """
    sample = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    try:
        back = datetime.strptime(sample.strftime(form), form)  # noqa: DTZ007 - only its date counts
    except ValueError as error:
        where.fail(f"{form!r} is no time format: {error}")
    if back.date() != sample.date():
        where.fail(f"{form!r} gives no date; it needs day, month and year")
    if zone is None and "%z" not in form:
        where.fail(f'{form!r} has no zone; declare one: zone = "UTC" or zone = "Europe/Berlin"')


def to_epoch_ms(
    array: pa.Array, spec: TimeSpec, nulls: tuple[str, ...] = ("",), decimal: str = "."
) -> tuple[pa.Array, list[Problem]]:
    """Return times as milliseconds since the epoch, and what could not be read; such rows are NULL.

    Args:
        array: values of a source column.
        spec: how the times are written.
        nulls: texts that stand for a missing value.
        decimal: decimal mark of numbers written as text.

    Raises:
        WrongTypeError: if the type of the column does not go with the spec.
    """
    if pa.types.is_timestamp(array.type):
        return _from_timestamps(array, spec)
    if spec.unit is not None:
        return _from_numbers(array, spec, spec.unit, nulls, decimal)
    kind = array.type
    textual = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
    if not (textual or pa.types.is_null(kind)):
        msg = f'holds {array.type}, not texts; for numbers say time = {{ unit = "ms" }}'
        raise WrongTypeError(msg)
    return _from_texts(to_text(array, nulls), spec)


def _from_numbers(
    array: pa.Array, spec: TimeSpec, unit: str, nulls: tuple[str, ...], decimal: str
) -> tuple[pa.Array, list[Problem]]:
    numbers, bad = to_number(array, nulls, decimal)
    whole = pc.floor(multiply(numbers, factor(unit, "ms")))
    limit = pa.scalar(Decimal(2**53), pa.decimal256(20, 0))
    huge = holds(pc.greater(pc.abs(whole), limit))
    moments = pc.if_else(huge, pa.scalar(None, whole.type), whole).cast(pa.int64())
    detail = f"is no number of {unit}"
    return pc.add(moments, spec.epoch_ms), [Problem(pc.or_(bad, huge), UNPARSEABLE_TIME, detail)]


def _from_timestamps(array: pa.Array, spec: TimeSpec) -> tuple[pa.Array, list[Problem]]:
    if spec.unit is not None or spec.format is not None:
        msg = f"holds {array.type}; leave unit and format out"
        raise WrongTypeError(msg)
    if array.type.tz is not None:
        return _floor_ms(array), []
    if spec.zone is None:
        msg = f'holds {array.type} without a zone; declare one: zone = "UTC" or zone = "Europe/Berlin"'
        raise WrongTypeError(msg)
    return _localise(array, spec.zone)


def _from_texts(text: pa.StringArray, spec: TimeSpec) -> tuple[pa.Array, list[Problem]]:
    given = pc.is_valid(text)
    iso = text if spec.format is None else _reformat(text, spec.format)
    offset = holds(pc.match_substring_regex(iso, _OFFSET))
    aware = _cast(pc.if_else(offset, iso, _NO_TEXT), pa.timestamp("ns", "UTC"))
    local = pc.if_else(offset, _NO_TEXT, iso)
    if spec.zone is None:
        moments, zoneless = _floor_ms(aware), pc.is_valid(local)
        detail = 'has no zone, and the mapping declares none; write zone = "UTC" or zone = "Europe/Berlin"'
        problems = [Problem(zoneless, UNPARSEABLE_TIME, detail)]
    else:
        naive = _cast(local, _NANO)
        moments, problems = _localise(naive, spec.zone)
        moments = pc.coalesce(_floor_ms(aware), moments)
    known = [given, pc.is_null(moments), *(pc.invert(problem.mask) for problem in problems)]
    unread = known[0]
    for mask in known[1:]:
        unread = pc.and_(unread, mask)
    expected = "ISO 8601" if spec.format is None else f"of format {spec.format!r}"
    return moments, [*problems, Problem(unread, UNPARSEABLE_TIME, f"is no time {expected}")]


def _localise(naive: pa.Array, zone: str) -> tuple[pa.Array, list[Problem]]:
    """Return local times as epoch milliseconds; times inside a change of clock are problems."""
    if zone == "UTC":
        return _floor_ms(naive), []
    far = holds(pc.greater_equal(naive, pa.scalar(_END_OF_RULES, naive.type)))
    far = pc.and_(far, not _FIXED.match(zone))
    naive = pc.if_else(far, pa.scalar(None, naive.type), naive)
    beyond = Problem(far, OUT_OF_RANGE, "lies after 2037, where the rules of local time end; give it in UTC")
    early = pc.assume_timezone(naive, zone, ambiguous="earliest", nonexistent="earliest")
    late = pc.assume_timezone(naive, zone, ambiguous="latest", nonexistent="latest")
    unclear = holds(pc.not_equal(early, late))
    if not pc.any(unclear).as_py():
        return _floor_ms(early), [beyond]
    same = holds(pc.equal(pc.local_timestamp(early), naive))
    twice, never = pc.and_(unclear, same), pc.and_(unclear, pc.invert(same))
    moments = pc.if_else(unclear, pa.scalar(None, pa.int64()), _floor_ms(early))
    return moments, [
        beyond,
        Problem(twice, AMBIGUOUS_TIME, f"happens twice in {zone}, the clock was set back"),
        Problem(never, NONEXISTENT_TIME, f"does not exist in {zone}, the clock was set forward"),
    ]


def _floor_ms(array: pa.Array) -> pa.Array:
    """Return timestamps of any unit as epoch milliseconds, rounded down."""
    unit = array.type.unit
    counts = array.cast(pa.int64())
    if unit in ("s", "ms"):
        return pc.multiply_checked(counts, 1000 if unit == "s" else 1)
    per_ms = 1000 if unit == "us" else _NS_PER_MS
    remainder = pc.subtract(counts, pc.multiply(pc.divide(counts, per_ms), per_ms))
    borrow = pc.less(remainder, 0).cast(pa.int64())
    return pc.subtract(pc.divide(counts, per_ms), borrow)


def _cast(text: pa.StringArray, kind: pa.DataType) -> pa.Array:
    """Return ISO texts as timestamps; what is none becomes NULL."""
    good = holds(pc.match_substring_regex(text, _ISO))
    if not pc.any(pc.and_(pc.is_valid(text), pc.invert(good))).as_py():
        try:
            return text.cast(kind)
        except pa.ArrowInvalid:
            pass
    return _each(text, _iso).cast(kind)


def _reformat(text: pa.StringArray, form: str) -> pa.StringArray:
    """Return texts of a format as ISO texts; what does not match becomes NULL."""
    pattern = _pattern(form)
    if pattern is None:
        return _each(text, lambda value: _canonical(datetime.strptime(value, form)))  # noqa: DTZ007
    found = pc.extract_regex(text, pattern)
    parts = {name: pc.struct_field(found, name) for name in re.findall(r"P<(\w)>", pattern)}
    two = {name: pc.utf8_lpad(parts[name], 2, "0") for name in "mdHMS" if name in parts}
    date = pc.binary_join_element_wise(parts["Y"], two["m"], two["d"], "-")
    clock = pc.binary_join_element_wise(*(two.get(name, pa.scalar("00")) for name in "HMS"), ":")
    if "f" in parts:
        clock = pc.binary_join_element_wise(clock, parts["f"], ".")
    return pc.binary_join_element_wise(date, clock, "T")


def _pattern(form: str) -> str | None:
    """Return a regular expression for a format of plain numbers, ``None`` if it has other directives."""
    names = re.findall(r"%(.)", form)
    if set(names) - set(_DIRECTIVES) or len(set(names)) != len(names) or not {"Y", "m", "d"} <= set(names):
        return None
    pieces = re.split(r"%(.)", form)
    return "^" + "".join(_DIRECTIVES[p] if i % 2 else re.escape(p) for i, p in enumerate(pieces)) + "$"


def _each(text: pa.StringArray, read: Callable[[str], str]) -> pa.StringArray:
    """Return what ``read`` makes of every different text; what it refuses becomes NULL."""
    coded = text.dictionary_encode()
    results: list[str | None] = []
    for value in coded.dictionary.to_pylist():
        try:
            results.append(read(value))
        except ValueError:
            results.append(None)
    return pa.array(results, pa.string()).take(coded.indices)


def _iso(text: str) -> str:
    return _canonical(datetime.fromisoformat(text))


def _canonical(moment: datetime) -> str:
    """Return ISO text that Arrow reads.

    Raises:
        ValueError: if the year does not fit into a timestamp of nanoseconds.
    """
    if moment.year not in _YEARS:
        msg = f"year {moment.year}"
        raise ValueError(msg)
    return moment.isoformat(timespec="microseconds")

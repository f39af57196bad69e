"""Times as providers write them, in UTC, to epoch milliseconds and back.

What belongs here: strict reading of ISO 8601 times with a zone, calendar years and months. What must not be here: local
time (``drop_time``), or which end of an interval a label is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

HOUR_MS = 3_600_000
"""Milliseconds of one hour [ms]."""
FIRST_YEAR, LAST_YEAR = 1990, 2199
"""Years in which a time of a provider may lie. Our bound against nonsense."""
_HALF_MS = timedelta(microseconds=500)
_ZONED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z", re.ASCII)


def ms_of(moment: datetime) -> int:
    """Give an aware moment as epoch milliseconds, without going through a float."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def iso_of(moment_ms: int) -> str:
    """Give epoch milliseconds as ISO text in UTC, to the second."""
    return datetime.fromtimestamp(moment_ms // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_ms(text: object) -> int:
    """Give an ISO time with ``Z`` as epoch milliseconds.

    Raises:
        ValueError: if it is none, or no such day or hour exists.
    """
    if not isinstance(text, str) or not _UTC.fullmatch(text):
        msg = f"a time such as 2025-01-31T23:00Z is needed, found {str(text)[:40]!r}"
        raise ValueError(msg)
    return ms_of(datetime.fromisoformat(f"{text[:-1]}+00:00"))


def zoned_ms(text: object) -> int:
    """Give an ISO time with a zone (``Z`` or an offset) as epoch milliseconds, to the nearest one.

    Raises:
        ValueError: if it is none, or does not lie within 1990 to 2199.
    """
    if isinstance(text, str) and _ZONED.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        else:
            if FIRST_YEAR <= moment.year <= LAST_YEAR:
                return ms_of(moment + _HALF_MS)
    msg = f"a time such as 2026-01-31T12:00:00Z is needed, found {str(text)[:40]!r}"
    raise ValueError(msg)


def year_ms(year: int) -> tuple[int, int]:
    """Give start and end of a calendar year in UTC [epoch ms]."""
    return ms_of(datetime(year, 1, 1, tzinfo=UTC)), ms_of(datetime(year + 1, 1, 1, tzinfo=UTC))


def month_ms(year: int, month: int) -> tuple[int, int]:
    """Give start and end of a calendar month in UTC [epoch ms]."""
    following = (year + 1, 1) if month == 12 else (year, month + 1)
    return ms_of(datetime(year, month, 1, tzinfo=UTC)), ms_of(datetime(*following, 1, tzinfo=UTC))

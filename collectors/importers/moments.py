"""One time of a source as milliseconds since the epoch, for importers that read row by row.

What belongs here: texts in ISO 8601 or a stated form, and zones. What must not be here: any guess. A local time without
a stated zone, or one that a change of clock made twofold or impossible, is refused. Whole columns: see ``times``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from .errors import AMBIGUOUS_TIME, NONEXISTENT_TIME, UNPARSEABLE_TIME, RefusedError, SourceError

_OFFSET = re.compile(r"^([+-])(\d{2}):(\d{2})$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class MomentError(RefusedError):
    """A text that is no time; its reason is ``unparseable_time``, ``ambiguous_time`` or ``nonexistent_time``."""


def zone_of(name: str) -> tzinfo:
    """Return a zone.

    Args:
        name: an IANA name such as ``Europe/Berlin``, ``UTC``, or an offset such as ``+08:00``.

    Raises:
        SourceError: if there is no such zone.
    """
    if match := _OFFSET.match(name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        msg = f"unknown zone {name!r}; use an IANA name such as Europe/Berlin, UTC, or an offset such as +08:00"
        raise SourceError(None, msg) from None


def moment_ms(text: str, zone: tzinfo | None, form: str | None = None) -> int:
    """Return a time [epoch ms, UTC]; parts of a millisecond are cut off.

    Args:
        text: the time as written.
        zone: zone of a time that states none, or ``None`` if there must be one in the text.
        form: ``strptime`` form; by default ISO 8601.

    Raises:
        MomentError: if it is no time, has no zone, or does not exist or occurs twice in its zone.
    """
    try:
        moment = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007
    except ValueError as error:
        raise MomentError(UNPARSEABLE_TIME, f"{text!r} is no time: {error}") from error
    if moment.tzinfo is None:
        if zone is None:
            raise MomentError(UNPARSEABLE_TIME, f"{text!r} has no zone")
        moment = _localised(moment, zone, text)
    return (moment - _EPOCH) // _MS


def _localised(moment: datetime, zone: tzinfo, text: str) -> datetime:
    first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    # The two differ in a skipped hour as well as in a repeated one; only a time in a skipped one does not return.
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise MomentError(NONEXISTENT_TIME, f"{text!r} does not exist in {zone}: the clock was set forward")
    raise MomentError(AMBIGUOUS_TIME, f"{text!r} occurs twice in {zone}: the clock was set back")

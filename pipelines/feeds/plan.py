"""What to ask a feed for next: what it was never asked for, what had no value yet, and what it may have revised.

What belongs here: this rule, as a pure function of what was asked before. What must not be here: asking (``sync``).

Grid data are revised for months without a flag. So each day is asked for again some days after its end, and, where a
value of it changed, the same number of days after that change: a provider that touched a day once may touch it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

MS_PER_DAY = 86_400_000
REVISIT_DAYS = (2, 7, 31, 92)
"""Ages at which a day is asked for again [days].

Reference: Electricity Maps' wiki on refetching (48 hours, a week, a month, three months); docs/feeds/README.md.
"""

WHOLE_AGAIN_DAYS = 7
"""How often a feed of months or years is asked for all of them [days]. Our choice: each release revises them."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Pull:
    """One question that was answered.

    Attributes:
        start_ms: start of the range [epoch ms].
        end_ms: its end, exclusive [epoch ms].
        fetched_ms: when it was answered [epoch ms].
        is_complete: whether every interval of the range that was over had a value.
    """

    start_ms: int
    end_ms: int
    fetched_ms: int
    is_complete: bool


def due(
    pulls: Iterable[Pull],
    *,
    since_ms: int,
    until_ms: int,
    now_ms: int,
    changes: Iterable[tuple[int, int]] = (),
) -> list[Range]:
    """Return the ranges to ask for now, in order and apart from each other.

    Args:
        pulls: questions that were answered, in any order.
        since_ms: first moment that is wanted [epoch ms].
        until_ms: end of what can have a value by now [epoch ms].
        now_ms: the time [epoch ms].
        changes: start of an interval of which a value changed, and when that was seen [epoch ms].
    """
    known = list(pulls)
    wanted = _without([(since_ms, until_ms)] if since_ms < until_ms else [], _spans(known))
    seen: dict[int, int] = {}
    for at_ms, changed_ms in changes:
        day = at_ms // MS_PER_DAY
        seen[day] = max(seen.get(day, 0), changed_ms)
    for day, touching in _by_day(known).items():
        span = max(day * MS_PER_DAY, since_ms), min((day + 1) * MS_PER_DAY, until_ms)
        if span[0] < span[1] and _is_due_again(span, touching, (day + 1) * MS_PER_DAY, seen.get(day), now_ms):
            wanted.append(span)
    return _joined(wanted)


def _by_day(pulls: Iterable[Pull]) -> dict[int, list[Pull]]:
    """Return the answers that touch each day, so that years of hourly questions are looked through once."""
    touching: dict[int, list[Pull]] = {}
    for pull in pulls:
        for day in range(pull.start_ms // MS_PER_DAY, -(-pull.end_ms // MS_PER_DAY)):
            touching.setdefault(day, []).append(pull)
    return touching


def due_whole(pulls: Iterable[Pull], *, since_ms: int, until_ms: int, now_ms: int) -> list[Range]:
    """Return the range to ask a feed of months or years for: all of it once in a while, from the start of a year on.

    Args:
        pulls: questions that were answered, in any order.
        since_ms: first moment that is wanted [epoch ms].
        until_ms: end of what can have a value by now [epoch ms].
        now_ms: the time [epoch ms].
    """
    start_ms = _year_start(since_ms)
    last = max((pull.fetched_ms for pull in pulls if pull.start_ms <= start_ms), default=None)
    if start_ms >= until_ms or (last is not None and now_ms < last + WHOLE_AGAIN_DAYS * MS_PER_DAY):
        return []
    return [(start_ms, until_ms)]


def _year_start(at_ms: int) -> int:
    year = datetime.fromtimestamp(at_ms / 1000, UTC).year
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1000


def _is_due_again(span: Range, touching: Sequence[Pull], day_end_ms: int, changed_ms: int | None, now_ms: int) -> bool:
    """Tell whether a day that was asked for before is to be asked for again."""
    young = now_ms < day_end_ms + REVISIT_DAYS[0] * MS_PER_DAY
    if young and _lacks(span, touching):
        return True
    # The moment since which all of the day was asked for: a later question for a part of it says nothing of the rest.
    oldest = _covered_since(span, touching)
    if oldest is None:
        return False
    anchors = [day_end_ms, *([changed_ms] if changed_ms is not None else [])]
    moments = [anchor + age * MS_PER_DAY for anchor in anchors for age in REVISIT_DAYS]
    return any(oldest < moment <= now_ms for moment in moments)


def _lacks(span: Range, pulls: Sequence[Pull]) -> bool:
    """Tell whether the newest answer for some part of a range lacked a value."""
    left = [span]
    for pull in sorted(pulls, key=lambda pull: -pull.fetched_ms):
        rest = _without(left, [(pull.start_ms, pull.end_ms)])
        if rest != left and not pull.is_complete:
            return True
        left = rest
    return False


def _covered_since(span: Range, pulls: Sequence[Pull]) -> int | None:
    """Return when the oldest of the newest answers that cover a range was fetched; ``None`` if they leave a hole."""
    left = [span]
    for pull in sorted(pulls, key=lambda pull: -pull.fetched_ms):
        left = _without(left, [(pull.start_ms, pull.end_ms)])
        if not left:
            return pull.fetched_ms
    return None


def _spans(pulls: Iterable[Pull]) -> list[Range]:
    return [(pull.start_ms, pull.end_ms) for pull in pulls]


def _without(ranges: Iterable[Range], holes: Iterable[Range]) -> list[Range]:
    """Return what is left of some ranges."""
    left = list(ranges)
    for start, end in holes:
        left = [
            piece
            for low, high in left
            for piece in ((low, min(high, start)), (max(low, end), high))
            if piece[0] < piece[1]
        ]
    return left


def _joined(ranges: Iterable[Range]) -> list[Range]:
    """Return ranges in order, those that touch or overlap as one."""
    joined: list[Range] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def parts(ranges: Iterable[Range], longest_ms: int) -> list[Range]:
    """Return ranges cut into parts of at most a length.

    Args:
        ranges: the ranges [epoch ms].
        longest_ms: longest part [ms], a whole number of days where it is more than one: cuts lie at midnights.
    """
    found: list[Range] = []
    for start, end in ranges:
        edges = [start]
        while edges[-1] < end:
            step = edges[-1] + longest_ms
            midnight = step // MS_PER_DAY * MS_PER_DAY
            edges.append(min(end, midnight if midnight > edges[-1] else step))
        found += pairwise(edges)
    return found

"""Which ranges are due: each rule of the planner as a property, against a simulation that knows nothing of its code."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipelines.feeds.plan import MS_PER_DAY, Pull, due, due_whole, parts

HOUR_MS = 3_600_000
FIRST_DAY = 20_000  # 2024-10-04
SINCE_MS = FIRST_DAY * MS_PER_DAY
AGES = (2, 7, 31, 92)
Range = tuple[int, int]
hours = st.integers(min_value=0, max_value=40 * 24)


def hour(count: int) -> int:
    return SINCE_MS + count * HOUR_MS


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    first, last = sorted((draw(hours), draw(hours)))
    assume(first < last)
    return hour(first), hour(last)


@st.composite
def pulls(draw: st.DrawFn) -> Pull:
    start_ms, end_ms = draw(ranges())
    return Pull(start_ms, end_ms, end_ms + HOUR_MS * draw(st.integers(0, 24 * 120)), draw(st.booleans()))


def covered(found: list[Range], at_ms: int) -> bool:
    return any(start <= at_ms < end for start, end in found)


@given(known=st.lists(pulls(), max_size=6), until=hours, changes=st.lists(st.tuples(hours, hours), max_size=3))
@settings(max_examples=150, deadline=None)
def test_ranges_are_sorted_apart_and_within_bounds_and_leave_out_nothing(
    known: list[Pull], until: int, changes: list[tuple[int, int]]
) -> None:
    seen = [(hour(at), hour(at + age)) for at, age in changes]
    found = due(known, since_ms=SINCE_MS, until_ms=hour(until), now_ms=hour(until), changes=seen)
    assert all(SINCE_MS <= start < end <= hour(until) for start, end in found)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(found))
    for at_ms in range(SINCE_MS, hour(until), HOUR_MS):
        was_asked = any(pull.start_ms <= at_ms < pull.end_ms for pull in known)
        assert was_asked or covered(found, at_ms)


@given(known=st.lists(pulls(), max_size=5), order=st.randoms(use_true_random=False), until=hours)
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_answers_does_not_matter(known: list[Pull], order: object, until: int) -> None:
    shuffled = list(known)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    bounds = {"since_ms": SINCE_MS, "until_ms": hour(until), "now_ms": hour(until) + 3 * MS_PER_DAY}
    assert due(known, **bounds) == due(shuffled, **bounds)


def test_nothing_is_due_before_the_first_moment_that_is_wanted() -> None:
    assert due([], since_ms=SINCE_MS, until_ms=SINCE_MS, now_ms=SINCE_MS) == []
    assert due([], since_ms=SINCE_MS, until_ms=SINCE_MS - MS_PER_DAY, now_ms=SINCE_MS) == []


def test_what_is_complete_and_young_is_not_asked_twice() -> None:
    end_ms = SINCE_MS + MS_PER_DAY
    pull = Pull(SINCE_MS, end_ms, end_ms + HOUR_MS, is_complete=True)
    for age_h in range(1, 48):
        assert due([pull], since_ms=SINCE_MS, until_ms=end_ms, now_ms=end_ms + age_h * HOUR_MS) == []
    assert due([pull], since_ms=SINCE_MS, until_ms=end_ms, now_ms=end_ms + 2 * MS_PER_DAY) == [(SINCE_MS, end_ms)]


def test_a_young_day_without_all_its_values_is_asked_for_again_whole() -> None:
    noon_ms = SINCE_MS + 12 * HOUR_MS
    pull = Pull(SINCE_MS, noon_ms, noon_ms + HOUR_MS, is_complete=False)
    until_ms = noon_ms + HOUR_MS
    found = due([pull], since_ms=SINCE_MS, until_ms=until_ms, now_ms=until_ms)
    assert found == [(SINCE_MS, until_ms)]


# ---- day by day ----


@dataclass
class Provider:
    """A simulated feed that is asked once a day at noon; it notes when each day was asked for.

    Attributes:
        revised: days (number of the day) whose values are others from a moment on, by day of that moment.
        down: days on which it answers nothing.
        lacking: days on which it answers without the values of the day before.
    """

    revised: dict[int, int] = field(default_factory=dict)
    down: frozenset[int] = frozenset()
    lacking: frozenset[int] = frozenset()
    answers: list[Pull] = field(default_factory=list)
    changes: list[tuple[int, int]] = field(default_factory=list)
    asked: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))

    def live(self, days_n: int) -> None:
        for today in range(FIRST_DAY + 1, FIRST_DAY + days_n):
            now_ms, until_ms = today * MS_PER_DAY + MS_PER_DAY // 2, today * MS_PER_DAY
            span = {"since_ms": SINCE_MS, "until_ms": until_ms, "now_ms": now_ms, "changes": self.changes}
            for start_ms, end_ms in parts(due(self.answers, **span), MS_PER_DAY):
                self.answer(start_ms, end_ms, today, now_ms)
            if today not in self.down:
                again = due(self.answers, **{**span, "changes": self.changes})
                assert again == ([(until_ms - MS_PER_DAY, until_ms)] if today in self.lacking else [])

    def answer(self, start_ms: int, end_ms: int, today: int, now_ms: int) -> None:
        assert end_ms - start_ms == MS_PER_DAY
        day = start_ms // MS_PER_DAY
        self.asked[day].append(today)
        if today in self.down:
            return
        is_complete = not (today in self.lacking and day == today - 1)
        before = [pull.fetched_ms for pull in self.answers if pull.start_ms == start_ms]
        self.answers.append(Pull(start_ms, end_ms, now_ms, is_complete))
        if day in self.revised and before and max(before) < self.revised[day] * MS_PER_DAY <= now_ms:
            self.changes.append((start_ms, now_ms))


def test_every_day_is_asked_for_once_and_again_at_four_ages_and_never_more() -> None:
    provider = Provider()
    provider.live(200)
    for day in range(FIRST_DAY, FIRST_DAY + 199):
        end = day + 1
        # The day is over at its end; it is asked for at noon of the next one, and at noon after each age is reached.
        wanted = [end, *(end + age for age in AGES)]
        assert provider.asked[day] == [at for at in wanted if at < FIRST_DAY + 200]


@given(day=st.integers(0, 60), after=st.integers(2, 130))
@example(day=3, after=2)
@example(day=3, after=93)
@settings(max_examples=8, deadline=None)
def test_a_change_starts_the_clock_again(day: int, after: int) -> None:
    changed, end = FIRST_DAY + day, FIRST_DAY + day + 1
    provider = Provider(revised={changed: end + after})
    provider.live(240)
    regular = {end, *(end + age for age in AGES)}
    seen = min((at for at in regular if at >= end + after), default=None)
    # The change is seen at the first regular visit after it; later visits count from there too.
    wanted = sorted(regular | ({seen + age for age in AGES} if seen else set()))
    assert provider.asked[changed] == [at for at in wanted if at < FIRST_DAY + 240]
    other = FIRST_DAY + day + 1
    assert provider.asked[other] == [at + 1 for at in sorted(regular) if at + 1 < FIRST_DAY + 240]


@given(down=st.sets(st.integers(1, 59), max_size=20))
@settings(max_examples=20, deadline=None)
def test_what_got_no_answer_is_asked_for_at_every_sync_until_it_does(down: set[int]) -> None:
    out = frozenset(FIRST_DAY + offset for offset in down)
    provider = Provider(down=out)
    provider.live(60)
    for day in range(FIRST_DAY, FIRST_DAY + 58):
        first = next((at for at in range(day + 1, FIRST_DAY + 60) if at not in out), FIRST_DAY + 60)
        asked = provider.asked[day]
        assert asked[: first - day] == list(range(day + 1, min(first, FIRST_DAY + 59) + 1))


def test_a_day_without_its_values_is_asked_for_again_the_next_day() -> None:
    provider = Provider(lacking=frozenset({FIRST_DAY + 10}))
    provider.live(20)
    lacked = FIRST_DAY + 9
    assert provider.asked[lacked][:3] == [lacked + 1, lacked + 2, lacked + 3]  # lacking, complete, two days old
    assert provider.asked[lacked + 1][:2] == [lacked + 2, lacked + 4]


def test_a_long_pause_makes_one_question_of_all_that_it_missed() -> None:
    provider = Provider()
    provider.live(10)
    before = {day: len(asked) for day, asked in provider.asked.items()}
    now_ms = (FIRST_DAY + 150) * MS_PER_DAY
    found = due(provider.answers, since_ms=SINCE_MS, until_ms=now_ms, now_ms=now_ms)
    assert found == [(SINCE_MS, now_ms)]
    assert set(before.values()) <= {1, 2, 3}


# ---- cutting ----


@given(spans=st.lists(ranges(), min_size=1, max_size=3), longest_h=st.sampled_from([1, 5, 24, 48, 240, 336]))
@settings(max_examples=150, deadline=None)
def test_parts_cover_exactly_and_are_cut_at_midnights(spans: list[Range], longest_h: int) -> None:
    longest_ms = longest_h * HOUR_MS
    found = parts(spans, longest_ms)
    assert all(0 < end - start <= longest_ms for start, end in found)
    rest = iter(found)
    for start_ms, end_ms in spans:
        at_ms = start_ms
        while at_ms < end_ms:
            part = next(rest)
            assert part[0] == at_ms
            at_ms = part[1]
            # Parts of a day and more end at midnight, shorter ones never lie across one.
            assert at_ms in (end_ms, part[0] + longest_ms) or at_ms % MS_PER_DAY == 0
            assert longest_h < 24 or at_ms == end_ms or at_ms % MS_PER_DAY == 0
            assert longest_h >= 24 or (at_ms - 1) // MS_PER_DAY == part[0] // MS_PER_DAY
        assert at_ms == end_ms
    assert next(rest, None) is None


# ---- months and years ----


def year_start_ms(year: int) -> int:
    return round(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000)


def test_months_and_years_are_asked_for_whole_once_a_week() -> None:
    start_ms = year_start_ms(2024)
    now_ms = SINCE_MS + 200 * MS_PER_DAY
    bounds = {"since_ms": SINCE_MS, "until_ms": now_ms}
    assert due_whole([], **bounds, now_ms=now_ms) == [(start_ms, now_ms)]
    done = Pull(start_ms, now_ms, now_ms, is_complete=False)
    for age in range(7):
        assert due_whole([done], **bounds, now_ms=now_ms + age * MS_PER_DAY) == []
    assert due_whole([done], **bounds, now_ms=now_ms + 7 * MS_PER_DAY) == [(start_ms, now_ms)]
    # An earlier first day is wanted now: what was asked before does not reach back to it.
    earlier = {"since_ms": SINCE_MS - 400 * MS_PER_DAY, "until_ms": now_ms}
    assert due_whole([done], **earlier, now_ms=now_ms) == [(year_start_ms(2023), now_ms)]

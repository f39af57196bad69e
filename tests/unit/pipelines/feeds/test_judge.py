"""What may go in does not depend on who says it: zone, range, step, time, number, and one number an interval."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.feeds.feed import Asked, Refusal, Value
from pipelines.feeds.judge import CLOCK_SKEW_MS, MAX_GCO2E_PER_KWH, Tally, gaps, judge

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 1_709_596_800_000  # 2024-03-05T00:00Z
ASKED = Asked("GB", DAY_MS, DAY_MS + 24 * HOUR_MS)
NOW_MS = ASKED.end_ms + HOUR_MS
STEPS_S = (900, 1800, 3600)


def value(hour: float, number: Any = 100.0, minutes: float = 60, **other: Any) -> Value:
    start_ms = DAY_MS + round(hour * HOUR_MS)
    made = Value(
        "GB",
        start_ms,
        start_ms + round(minutes * MINUTE_MS),
        number,
        "average",
        "operational",
        "consumption",
        "x",
        False,
    )
    return replace(made, **other)


def judged(*values: Value, **other: Any) -> tuple[list[Value], dict[str, int]]:
    parsed = judge(values, ASKED, **({"steps_s": STEPS_S, "now_ms": NOW_MS} | other))
    return list(parsed.values), {refusal.reason: refusal.values_n for refusal in parsed.refusals}


def test_good_values_come_out_in_order() -> None:
    assert judged(value(3), value(1), value(2)) == ([value(1), value(2), value(3)], {})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (value(1, zone="FR"), "wrong_zone"),
        (value(-1), "outside_range"),
        (value(24), "outside_range"),
        (value(23.5), "bad_interval"),
        (value(1, minutes=0), "bad_interval"),
        (value(1, minutes=-60), "bad_interval"),
        (value(1, minutes=17), "bad_interval"),
        (value(1, minutes=120), "bad_interval"),
        (value(1.25), "bad_interval"),
        (value(1, start_ms=1.0), "bad_time"),
        (value(1, start_ms=True), "bad_time"),
        (value(1, updated_ms=NOW_MS + CLOCK_SKEW_MS + 1), "bad_time"),
        (value(1, math.nan), "bad_value"),
        (value(1, math.inf), "bad_value"),
        (value(1, -0.001), "bad_value"),
        (value(1, MAX_GCO2E_PER_KWH + 0.1), "bad_value"),
        (value(1, True), "bad_value"),
        (value(1, "100"), "bad_value"),
        (value(1, None), "bad_value"),
        (value(1, 10**400), "bad_value"),
    ],
)
def test_a_bad_value_is_refused_alone_and_by_name(bad: Value, reason: str) -> None:
    assert judged(bad, value(5)) == ([value(5)], {reason: 1})


def test_an_interval_that_is_not_over_is_a_forecast() -> None:
    now_ms = value(5).end_ms - CLOCK_SKEW_MS
    assert judged(value(5), value(6), now_ms=now_ms) == ([value(5)], {"bad_time": 1})
    assert judged(value(5), now_ms=now_ms - 1) == ([], {"bad_time": 1})


def test_bounds_themselves_are_good() -> None:
    edges = [value(0, 0), value(1, MAX_GCO2E_PER_KWH), value(23, 5, updated_ms=NOW_MS + CLOCK_SKEW_MS)]
    assert judged(*edges) == (edges, {})


def test_equal_duplicates_are_one_value_and_the_more_careful_one() -> None:
    twice = [value(1, updated_ms=5), value(1, is_estimate=True), value(1, updated_ms=7)]
    assert judged(*twice) == ([value(1, is_estimate=True, updated_ms=7)], {})


def test_of_conflicting_duplicates_none_is_taken() -> None:
    assert judged(value(1, 100), value(1, 101), value(1, 100), value(2)) == ([value(2)], {"conflicting": 3})


def test_series_do_not_conflict_with_each_other() -> None:
    two = [value(1, 100), value(1, 300, kind="marginal")]
    assert judged(*two) == (two, {})


def test_overlapping_intervals_are_all_refused() -> None:
    # 01:00-02:00 overlaps 01:30-02:00, which itself only touches 02:00-03:00
    assert judged(value(1), value(1.5, minutes=30), value(2)) == ([value(2)], {"bad_interval": 2})
    # 01:00-02:00 holds two half hours that do not overlap each other
    assert judged(value(1), value(1, 90, 30), value(1.5, 80, 30)) == ([], {"bad_interval": 3})


def test_what_overlaps_a_conflicting_interval_is_refused_with_it() -> None:
    assert judged(value(1, 100), value(1, 101), value(1.5, 90, 30)) == ([], {"bad_interval": 3})


def test_a_series_may_change_its_step_at_a_boundary() -> None:
    changing = [value(1), value(2, minutes=30), value(2.5, minutes=15), value(2.75, minutes=15), value(3)]
    assert judged(*changing) == (changing, {})


def test_a_refusal_counts_and_names_the_first_place() -> None:
    parsed = judge([value(1, -1), value(2, -2), value(3, -3)], ASKED, steps_s=STEPS_S, now_ms=NOW_MS)
    (refusal,) = parsed.refusals
    assert (refusal.reason, refusal.values_n) == ("bad_value", 3)
    assert refusal.detail.startswith("first: GB 2024-03-05T01:00:00Z to 2024-03-05T02:00:00Z: -1")


def test_what_the_client_refused_is_counted_with_it() -> None:
    tally = Tally([Refusal("no_value", "data[0]", 1)])
    tally.add("no_value", "data[1]")
    parsed = judge([], ASKED, steps_s=STEPS_S, now_ms=NOW_MS, refusals=tally.refusals())
    assert [(refusal.reason, refusal.values_n) for refusal in parsed.refusals] == [("no_value", 2)]


def test_alignment_can_be_stated_for_local_hours() -> None:
    quarter = value(1.25)
    assert judged(quarter, align_s=900) == ([quarter], {})


quarters = st.builds(
    lambda place, length, number: value(place / 4, number, length),
    st.integers(-8, 104),
    st.sampled_from([0, -15, 7, 15, 30, 60]),
    st.sampled_from([math.nan, -1.0, 0.0, 100.0, 200.0, 5000.0]),
)


@given(st.lists(quarters, max_size=40))
def test_whatever_comes_in_what_goes_out_is_sound(values: list[Value]) -> None:
    parsed = judge(values, ASKED, steps_s=STEPS_S, now_ms=NOW_MS)
    taken = parsed.values
    assert set(taken) <= set(values)
    for before, after in pairwise(taken):
        assert before.end_ms <= after.start_ms
    for one in taken:
        assert ASKED.start_ms <= one.start_ms < one.end_ms <= ASKED.end_ms
        assert 0 <= one.gco2e_per_kwh <= MAX_GCO2E_PER_KWH
    # Every value is taken, folded into an equal one, or counted.
    folded_n = sum(values.count(one) - 1 for one in taken)
    assert len(values) == len(taken) + folded_n + sum(refusal.values_n for refusal in parsed.refusals)


@given(st.lists(quarters, max_size=30), st.randoms(use_true_random=False))
def test_order_does_not_matter(values: list[Value], random: Any) -> None:
    shuffled = random.sample(values, len(values))
    first, second = (judge(some, ASKED, steps_s=STEPS_S, now_ms=NOW_MS) for some in (values, shuffled))
    assert first.values == second.values
    assert {r.reason: r.values_n for r in first.refusals} == {r.reason: r.values_n for r in second.refusals}


def test_gaps_are_the_pieces_without_a_value() -> None:
    day = Asked("GB", DAY_MS, DAY_MS + 4 * HOUR_MS)
    assert gaps([], day) == ((day.start_ms, day.end_ms),)
    assert gaps([value(hour) for hour in range(4)], day) == ()
    found = gaps([value(3), value(1, minutes=30)], day)
    hours = [((start - DAY_MS) / HOUR_MS, (end - DAY_MS) / HOUR_MS) for start, end in found]
    assert hours == [(0, 1), (1.5, 3)]


@given(st.sets(st.integers(0, 95)))
def test_values_and_gaps_together_are_the_range(places: set[int]) -> None:
    pieces = gaps([value(place / 4, minutes=15) for place in places], ASKED)
    missing = {
        place for start, end in pieces for place in range((start - DAY_MS) // 900_000, (end - DAY_MS) // 900_000)
    }
    assert missing == set(range(96)) - places
    assert all(before[1] < after[0] for before, after in pairwise(pieces))

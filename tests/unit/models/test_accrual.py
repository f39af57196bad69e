"""The life of one asset: every gram is charged once, whatever happens to the asset, in each of the three ledgers."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.embodied.accrual import Asset, LifeRevision, accrual_spans, acquisition, balance, write_offs
from models.estimate import Estimate

HOUR_MS = 3_600_000
YEAR_H = 8760


def kg(central: float, low: float = 0.8, high: float = 1.5) -> Estimate:
    return Estimate(low * central, central, high * central, "kgCO2e", "T2")


def asset(total: float, life_h: float = 5 * YEAR_H, start_h: int | None = 0, **changes: object) -> Asset:
    values = {
        "total": kg(total),
        "life_h": (life_h,) * 3,
        "in_service_ms": None if start_h is None else start_h * HOUR_MS,
    }
    return Asset(**(values | changes))  # type: ignore[arg-type]


def accrued(one: Asset, start_h: float, end_h: float) -> float:
    """Integrate the spans over [start, end): central [kg]."""
    start_ms, end_ms = start_h * HOUR_MS, end_h * HOUR_MS
    return sum(
        span.gco2e_per_s[1] / 1e6 * max(min(end_ms, span.end_ms) - max(start_ms, span.start_ms), 0)
        for span in accrual_spans(one)
    )


def test_the_example_of_the_sci_specification() -> None:
    # 1,000 kg over four years of 365 days: 28.5388 g an hour.
    (span,) = accrual_spans(asset(1000, 4 * YEAR_H))
    assert span.gco2e_per_s[1] * 3600 == pytest.approx(28.5388, rel=1e-5)


def test_nothing_before_service_and_nothing_past_the_end_of_life() -> None:
    one = asset(100, 10, start_h=5)
    assert accrued(one, -100, 5) == 0
    assert accrued(one, 15, 1000) == 0
    assert accrued(one, -100, 1000) == pytest.approx(100, rel=1e-12)
    assert balance(one, 1000 * HOUR_MS).remaining_kgco2e == pytest.approx((0, 0, 0), abs=1e-9)


def test_a_revised_life_spreads_what_remains_and_leaves_what_was() -> None:
    # 600 kg over 60 h: 10 kg an hour; at 30 h the life becomes 90 h: 300 kg over 60 h, 5 kg an hour.
    one = asset(600, 60, revisions=(LifeRevision(30 * HOUR_MS, 90),))
    assert accrued(one, 0, 30) == pytest.approx(300, rel=1e-12)
    assert accrued(one, 30, 31) == pytest.approx(5, rel=1e-12)
    assert accrued(one, 30, 90) == pytest.approx(300, rel=1e-12)
    assert [span.end_ms // HOUR_MS for span in accrual_spans(one)] == [30, 90]


def test_a_life_shortened_below_the_age_writes_off_the_rest() -> None:
    one = asset(600, 60, revisions=(LifeRevision(30 * HOUR_MS, 20),))
    ((at_ms, amounts),) = write_offs(one)
    assert at_ms == 30 * HOUR_MS
    assert amounts == pytest.approx((0.8 * 300, 300, 1.5 * 300), rel=1e-12)
    assert accrued(one, 30, 60) == 0


def test_early_retirement_writes_off_the_rest_and_a_replacement_is_a_new_asset() -> None:
    old = asset(164, 43_800, retired_ms=21_900 * HOUR_MS)
    ((at_ms, amounts),) = write_offs(old)
    assert (at_ms, amounts[1]) == (21_900 * HOUR_MS, pytest.approx(82, rel=1e-12))
    new = asset(164, 43_800, start_h=21_900)
    assert accrued(old, 0, 1e6) + amounts[1] + accrued(new, 0, 1e6) == pytest.approx(2 * 164, rel=1e-12)


def test_bought_and_not_yet_running_accrues_nothing_and_keeps_its_whole_balance() -> None:
    one = asset(100, start_h=None, purchased_ms=0)
    assert accrual_spans(one) == []
    assert balance(one, 10**12).remaining_kgco2e == pytest.approx((80, 100, 150))
    scrapped = asset(100, start_h=None, purchased_ms=0, retired_ms=HOUR_MS)
    assert write_offs(scrapped) == [(HOUR_MS, pytest.approx((80, 100, 150)))]


def test_retired_after_its_life_writes_off_nothing() -> None:
    assert write_offs(asset(100, 10, retired_ms=50 * HOUR_MS)) == []


def test_low_and_high_have_lives_of_their_own() -> None:
    one = Asset(kg(100), (7 * YEAR_H, 5 * YEAR_H, 3 * YEAR_H), in_service_ms=0)
    spans = accrual_spans(one)
    assert [span.end_ms / HOUR_MS / YEAR_H for span in spans] == [3, 5, 7]
    assert spans[0].gco2e_per_s == pytest.approx(
        [1000 * total / (years * YEAR_H * 3600) for total, years in ((80, 7), (100, 5), (150, 3))], rel=1e-12
    )
    assert spans[2].gco2e_per_s[1:] == (0, 0)


def test_the_whole_enters_the_inventory_in_the_year_of_purchase() -> None:
    one = asset(100, start_h=10, purchased_ms=3 * HOUR_MS)
    assert acquisition(one) == (3 * HOUR_MS, one.total)
    assert acquisition(asset(100, start_h=10)) == (10 * HOUR_MS, one.total)
    assert acquisition(asset(100, start_h=None)) is None


HOURS = st.integers(0, 5_000)


@st.composite
def lives(draw: st.DrawFn) -> Asset:
    """Draw an asset with any sequence of life events that can happen."""
    central = draw(st.floats(0, 1e7, allow_subnormal=False))
    life_h = draw(st.integers(1, 3_000))
    start_h = draw(st.none() | HOURS)
    bought_h = draw(st.none() | st.integers(-100, start_h if start_h is not None else 5_000))
    earliest = max(hour for hour in (start_h, bought_h, 0) if hour is not None)
    retired_h = draw(st.none() | st.integers(earliest, 9_000))
    revisions = draw(
        st.lists(st.builds(LifeRevision, HOURS.map(lambda h: h * HOUR_MS), st.integers(1, 4_000)), max_size=4)
    )
    return Asset(
        kg(central, draw(st.floats(0, 1)), draw(st.floats(1, 3))),
        (life_h * draw(st.floats(1, 2)), life_h, life_h * draw(st.floats(0.5, 1))),
        None if bought_h is None else bought_h * HOUR_MS,
        None if start_h is None else start_h * HOUR_MS,
        None if retired_h is None else retired_h * HOUR_MS,
        tuple(revisions),
    )


@given(lives(), st.integers(-1_000, 20_000))
def test_accrued_and_written_off_and_remaining_are_the_total_at_every_moment(one: Asset, at_h: int) -> None:
    at_ms = at_h * HOUR_MS
    totals = (one.total.low, one.total.central, one.total.high)
    now = balance(one, at_ms)
    parts = zip(now.accrued_kgco2e, now.written_off_kgco2e, now.remaining_kgco2e, totals, strict=True)
    for from_spans, (grown, lost, left, total) in zip(_from_spans(one, at_ms), parts, strict=True):
        assert min(grown, lost, left) >= 0
        assert grown + lost + left == pytest.approx(total, rel=1e-12, abs=1e-12)
        # The spans that SQL applies and the balance are two ways to the same figure.
        assert from_spans == pytest.approx(grown, rel=1e-9, abs=1e-9 * total + 1e-300)


def _from_spans(one: Asset, at_ms: int) -> list[float]:
    columns = [Fraction(0)] * 3
    for span in accrual_spans(one):
        lasted_ms = max(min(at_ms, span.end_ms) - span.start_ms, 0)
        columns = [
            total + Fraction(rate) * lasted_ms / 10**6 for total, rate in zip(columns, span.gco2e_per_s, strict=True)
        ]
    return [float(total) for total in columns]


@given(lives())
def test_spans_are_in_order_do_not_overlap_and_end_with_the_service(one: Asset) -> None:
    spans = accrual_spans(one)
    assert all(span.start_ms < span.end_ms for span in spans)
    assert all(a.end_ms <= b.start_ms for a, b in pairwise(spans))
    if spans and one.retired_ms is not None:
        assert spans[-1].end_ms <= one.retired_ms
    if one.in_service_ms is None:
        assert spans == []


@given(lives())
def test_in_the_end_nothing_remains_of_an_asset_that_went_into_service(one: Asset) -> None:
    if one.in_service_ms is not None:
        left = balance(one, 10**12).remaining_kgco2e
        assert left == pytest.approx((0, 0, 0), abs=1e-9 * (one.total.high + 1e-9))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"life_h": (1.0, 0.0, 1.0)}, r"life_h \(central\) must be a finite number in \(0"),
        ({"life_h": (1.0, 1.0, float("nan"))}, r"life_h \(high\)"),
        ({"revisions": (LifeRevision(0, -5),)}, "life_h of a revision"),
        ({"purchased_ms": 5, "in_service_ms": 4}, r"in_service_ms \(4\) must not be before purchased_ms \(5\)"),
        ({"in_service_ms": 5, "retired_ms": 4}, r"retired_ms \(4\) must not be before in_service_ms \(5\)"),
    ],
)
def test_an_impossible_life_is_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Asset(**({"total": kg(1), "life_h": (1.0, 1.0, 1.0)} | changes))  # type: ignore[arg-type]

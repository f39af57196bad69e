"""The trapezoid that importers report: against exact fractions, with edges, holes and coverage."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.importers.formats.shared.integral import GAP_LIMIT_MS, integrate

READINGS = st.lists(
    st.tuples(st.integers(0, 300_000), st.integers(0, 10_000_000)), min_size=2, max_size=30, unique_by=lambda r: r[0]
)


def _exact_j(readings: list[tuple[int, int]], start_ms: int, end_ms: int) -> Fraction:
    """Energy as the integral of the broken line, by its values at every corner and edge."""
    total = Fraction(0)
    for (t0, w0), (t1, w1) in pairwise(readings):
        if t1 - t0 > GAP_LIMIT_MS:
            continue
        a, b = max(t0, start_ms), min(t1, end_ms)
        if a < b:
            at_a, at_b = (w0 + Fraction((w1 - w0) * (t - t0), t1 - t0) for t in (a, b))
            total += (at_a + at_b) / 2 * (b - a)
    return total / 1_000_000


@given(READINGS, st.integers(0, 300_000), st.integers(1, 300_000))
def test_it_is_the_area_under_the_broken_line(readings: list[tuple[int, int]], start_ms: int, length_ms: int) -> None:
    readings = sorted(readings)
    got = integrate(readings, start_ms, start_ms + length_ms)
    assert got.energy_j == pytest.approx(float(_exact_j(readings, start_ms, start_ms + length_ms)), rel=1e-12, abs=1e-9)
    assert 0 <= got.covered_ms <= length_ms


@given(READINGS, st.integers(0, 300_000))
def test_two_parts_are_the_whole(readings: list[tuple[int, int]], cut_ms: int) -> None:
    readings = sorted(readings)
    whole = integrate(readings, 0, 300_000)
    parts = [integrate(readings, 0, cut_ms), integrate(readings, cut_ms, 300_000)]
    assert sum(part.energy_j for part in parts) == pytest.approx(whole.energy_j, rel=1e-12, abs=1e-9)
    assert sum(part.covered_ms for part in parts) == whole.covered_ms


def test_a_hole_longer_than_30_s_is_no_energy_and_no_coverage() -> None:
    readings = [(0, 100_000), (30_000, 100_000), (60_001, 100_000), (61_001, 100_000)]
    assert integrate(readings, 0, 61_001) == (100 * 30 + 100, 31_000)


def test_nothing_is_said_beyond_the_readings() -> None:
    assert integrate([(10_000, 50_000), (20_000, 50_000)], 0, 100_000) == (500, 10_000)
    assert integrate([(10_000, 50_000)], 0, 100_000) == (0, 0)
    assert integrate([], 0, 100_000) == (0, 0)

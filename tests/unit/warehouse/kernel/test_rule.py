"""The rule for one interval, case by case, and the bounds of its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.fleets import RAPL_RANGE_MJ
from warehouse.hourfile import FLAG_IMPLAUSIBLE, FLAG_RESET, FLAG_WRAP
from warehouse.kernel import Rules
from warehouse.kernel.intervals import COUNTER, GAP, NONE, NOTHING, TRAPEZOID, Intervals, judge, limit_mj
from warehouse.kernel.rules import MAX_MS, MAX_PLAUSIBLE_MW

RULES = Rules(300_000, 86_400_000, 3_600_000, 1000, {"rapl": 10_000}, {"cpu": 750_000}, {"rapl": RAPL_RANGE_MJ})
DAY_MS = 86_400_000


def interval(length_ms: int, energy: tuple[int, int] = (NONE, NONE), **changes: Any) -> Intervals:
    values = {
        "series": 0,
        "from_ms": 10**12,
        "to_ms": 10**12 + length_ms,
        "from_power_mw": NONE,
        "to_power_mw": NONE,
        "from_energy_mj": energy[0],
        "to_energy_mj": energy[1],
        "same_session": True,
        "is_estimate": False,
        "max_power_mw": 750_000,
        "max_gap_ms": 10_000,
        "range_mj": RAPL_RANGE_MJ,
    } | changes
    return Intervals(**{name: np.array([value]) for name, value in values.items()})


def told(length_ms: int, energy: tuple[int, int] = (NONE, NONE), **changes: Any) -> tuple[int, int, int]:
    verdict = judge(interval(length_ms, energy, **changes), RULES)
    return int(verdict.rule[0]), int(verdict.counter_mj[0]), int(verdict.flags[0])


POWERS = {"from_power_mw": 0, "to_power_mw": 5}


@pytest.mark.parametrize(
    ("length_ms", "energy", "changes", "wanted"),
    [
        (1000, (100, 400_100), {}, (COUNTER, 400_000, 0)),
        (1000, (100, 100), {}, (COUNTER, 0, 0)),
        # 750 W over one second, and one more for the stamps
        (1000, (0, 1_500_000), {}, (COUNTER, 1_500_000, 0)),
        (1000, (0, 1_500_001), {}, (GAP, 0, FLAG_IMPLAUSIBLE)),
        (1000, (0, 1_500_001), POWERS, (TRAPEZOID, 0, FLAG_IMPLAUSIBLE)),
        (DAY_MS, (0, 10**9), {}, (COUNTER, 10**9, 0)),
        (DAY_MS + 1, (0, 10**9), {}, (NOTHING, 0, 0)),
        (1000, (500, 600), {"same_session": False}, (GAP, 0, FLAG_RESET)),
        (1000, (10**9, 5), POWERS, (TRAPEZOID, 0, FLAG_RESET)),
        (1000, (RAPL_RANGE_MJ, 7), {}, (COUNTER, 7, FLAG_WRAP)),
        (1000, (RAPL_RANGE_MJ - 10, 7), {"range_mj": NONE}, (GAP, 0, FLAG_RESET)),
        (1000, (RAPL_RANGE_MJ + 1, 7), {}, (GAP, 0, FLAG_RESET)),
        (1000, (RAPL_RANGE_MJ - 10, 7), {"same_session": False}, (GAP, 0, FLAG_RESET)),
        # after 348,524 ms a socket may have wrapped twice
        (348_524, (RAPL_RANGE_MJ, 7), {}, (COUNTER, 7, FLAG_WRAP)),
        (348_525, (RAPL_RANGE_MJ, 7), {}, (GAP, 0, FLAG_RESET)),
        (1000, (NONE, 7), POWERS, (TRAPEZOID, 0, 0)),
        (10_000, (NONE, NONE), POWERS, (TRAPEZOID, 0, 0)),
        (10_001, (NONE, NONE), POWERS, (GAP, 0, 0)),
        (3_600_000, (NONE, NONE), {}, (GAP, 0, 0)),
        (3_600_001, (5, 1), {}, (NOTHING, 0, 0)),
        (1000, (NONE, NONE), {"from_power_mw": 5}, (GAP, 0, 0)),
    ],
)
def test_each_interval_is_judged_by_the_first_rule_that_holds(
    length_ms: int, energy: tuple[int, int], changes: dict[str, Any], wanted: tuple[int, int, int]
) -> None:
    assert told(length_ms, energy, **changes) == wanted


def test_a_silence_of_months_overflows_nothing() -> None:
    assert told(10**10, (0, 2**62)) == (NOTHING, 0, 0)
    huge = told(DAY_MS, (0, 10**18), max_power_mw=MAX_PLAUSIBLE_MW)
    assert huge == (NOTHING, 0, 0)


@pytest.mark.parametrize("length_ms", [1, 999, 3_600_000, MAX_MS])
@pytest.mark.parametrize("power_mw", [1, 999, 2_100_000, 10**12 + 7, MAX_PLAUSIBLE_MW])
def test_the_bound_is_exact_in_whole_numbers(length_ms: int, power_mw: int) -> None:
    found = limit_mj(np.array([power_mw]), np.array([length_ms]), 1000)
    assert int(found[0]) == power_mw * (length_ms + 1000) // 1000


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"slot_ms": 7000}, "slot_ms"),
        ({"slot_ms": 0}, "slot_ms"),
        ({"reach_ms": -1}, "reach_ms"),
        ({"absent_ms": MAX_MS + 1}, "absent_ms"),
        ({"max_gap_ms": {"rapl": MAX_MS + 1}}, "rapl"),
        ({"max_power_mw": {"cpu": 0}}, "cpu"),
        ({"max_power_mw": {"cpu": MAX_PLAUSIBLE_MW + 1}}, "cpu"),
        ({"counter_range_mj": {"rapl": 0}}, "rapl"),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Rules(**(RULES.to_dict() | changes))


def test_rules_come_back_from_plain_values() -> None:
    assert Rules(**RULES.to_dict()) == RULES

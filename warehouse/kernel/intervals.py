"""The rule: what an interval between two neighbouring readings of a series says about energy.

What belongs here: intervals as columns, and the decision for each of them, in whole numbers. What must not be here:
cuts (``grid``, ``sums``), files (``hour``).

Energy is exact: a counter difference in millijoules, a trapezoid in half microjoules ((mW + mW) x ms).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from warehouse.hourfile import FLAG_IMPLAUSIBLE, FLAG_RESET, FLAG_WRAP
from warehouse.kernel.rules import MAX_MS, Rules

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NONE = -1  # a power, counter or range that is not known

NOTHING, COUNTER, TRAPEZOID, GAP = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals between neighbouring readings, one array each; every array has one entry an interval.

    Attributes:
        series: row of the interval's series in the caller's table of series.
        from_ms: time of the first reading [epoch ms].
        to_ms: time of the second reading, later than the first [epoch ms].
        from_power_mw: power at the first reading [mW], or NONE.
        to_power_mw: power at the second reading [mW], or NONE.
        from_energy_mj: counter at the first reading [mJ], or NONE.
        to_energy_mj: counter at the second reading [mJ], or NONE.
        same_session: both counters are of one session.
        is_estimate: one of the readings is modelled.
        max_power_mw: largest plausible power of the device [mW].
        max_gap_ms: longest interval for a trapezoid [ms].
        range_mj: largest value of the counter [mJ], or NONE.
    """

    series: npt.NDArray[np.intp]
    from_ms: Ints
    to_ms: Ints
    from_power_mw: Ints
    to_power_mw: Ints
    from_energy_mj: Ints
    to_energy_mj: Ints
    same_session: Bools
    is_estimate: Bools
    max_power_mw: Ints
    max_gap_ms: Ints
    range_mj: Ints


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rule says about intervals, one array each.

    Attributes:
        rule: NOTHING, COUNTER, TRAPEZOID or GAP.
        counter_mj: energy where the rule is COUNTER, else 0 [mJ].
        flags: FLAG_RESET, FLAG_WRAP and FLAG_IMPLAUSIBLE of ``warehouse.hourfile``; 0 where the rule is NOTHING.
    """

    rule: npt.NDArray[np.int8]
    counter_mj: Ints
    flags: npt.NDArray[np.int16]


def limit_mj(max_power_mw: Ints, length_ms: Ints, jitter_ms: int) -> Ints:
    """Return the most that a counter can have risen in intervals, rounded down [mJ].

    Args:
        max_power_mw: largest plausible power [mW].
        length_ms: length of the interval [ms].
        jitter_ms: allowance for the stamps [ms].
    """
    time_ms = np.minimum(length_ms, MAX_MS) + jitter_ms
    # Watts and the rest apart, so that no product leaves 64 bits.
    watts, rest = np.divmod(max_power_mw, 1000)
    limit: Ints = watts * time_ms + rest * time_ms // 1000
    return limit


def unwrap_mj(rise_mj: Ints, range_mj: Ints) -> Ints:
    """Return the rise of counters that passed their range once [mJ], from the plain differences and the ranges."""
    return rise_mj + range_mj


def may_bridge(length_ms: Ints, max_gap_ms: Ints) -> Bools:
    """Tell which intervals are short enough for a trapezoid."""
    return length_ms <= max_gap_ms


def judge(intervals: Intervals, rules: Rules) -> Verdict:
    """Decide each interval: difference of counters, else trapezoid, else gap, else nothing.

    Args:
        intervals: the intervals.
        rules: the parameters.
    """
    length = intervals.to_ms - intervals.from_ms
    limit = limit_mj(intervals.max_power_mw, length, rules.jitter_ms)
    rise = intervals.to_energy_mj - intervals.from_energy_mj
    both = (intervals.from_energy_mj >= 0) & (intervals.to_energy_mj >= 0)
    one_session = both & intervals.same_session
    in_reach = one_session & (length <= rules.reach_ms)
    rises = rise >= 0
    range_mj = intervals.range_mj
    unwrapped = unwrap_mj(rise, range_mj)
    wraps = (
        (in_reach & ~rises & (range_mj > limit))  # else more than one wrap is possible; also false if not known
        & (intervals.from_energy_mj <= range_mj)
        & (unwrapped <= limit)
    )
    is_counter = (in_reach & rises & (rise <= limit)) | wraps
    has_power = (intervals.from_power_mw >= 0) & (intervals.to_power_mw >= 0)
    rule = np.where(length <= rules.absent_ms, np.int8(GAP), np.int8(NOTHING))
    rule[has_power & may_bridge(length, intervals.max_gap_ms)] = TRAPEZOID
    rule[is_counter] = COUNTER
    flags = FLAG_WRAP * wraps + FLAG_RESET * (both & ~wraps & ~(intervals.same_session & rises))
    flags += FLAG_IMPLAUSIBLE * (one_session & rises & (rise > limit))
    counter_mj = np.where(is_counter, np.where(wraps, unwrapped, rise), 0)
    return Verdict(rule, counter_mj, np.where(rule == NOTHING, 0, flags).astype(np.int16))

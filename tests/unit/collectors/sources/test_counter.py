"""The counter: energy is what the device used, or it is not counted; never more."""

from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.sources import MonotoneCounter

S = 1_000_000_000
RANGE_MJ = 262_143_328


def _total_mj(steps) -> int:
    """Sum of differences inside sessions: what any reader of the samples may count."""
    pairs = itertools.pairwise(steps)
    return sum(b.energy_mj - a.energy_mj for a, b in pairs if a.session == b.session)


def test_one_failed_read_never_creates_energy():
    # CodeCarbon 3.3.2 reports 262,543.5 J for these 400 J (research, reliability 3).
    counter = MonotoneCounter(RANGE_MJ, 300.0)
    steps = [counter.update(1_000_000 + 100_000 * i, i * S) for i in (0, 1, 3, 4)]  # the read at 2 s failed
    assert _total_mj(steps) == 400_000
    assert [step.gap_reason for step in steps] == [None] * 4


def test_a_plausible_drop_with_known_range_is_a_wrap():
    counter = MonotoneCounter(RANGE_MJ, 300.0)
    steps = [counter.update(raw, i * S) for i, raw in enumerate((RANGE_MJ - 50_000, 50_000, 150_000))]
    assert _total_mj(steps) == 200_000
    assert [step.session for step in steps] == [0, 0, 0]


def test_a_drop_without_range_is_a_reset_and_its_interval_is_not_counted():
    counter = MonotoneCounter(None, 700.0)
    steps = [counter.update(raw, i * S) for i, raw in enumerate((9_000_000, 9_500_000, 100, 600_100))]
    assert [(step.session, step.gap_reason) for step in steps] == [
        (0, None),
        (0, None),
        (1, "counter_reset"),
        (1, None),
    ]
    assert _total_mj(steps) == 500_000 + 600_000


def test_a_drop_that_would_need_too_much_power_is_a_reset():
    counter = MonotoneCounter(RANGE_MJ, 300.0)
    steps = [counter.update(raw, i * S) for i, raw in enumerate((100_000_000, 5_000, 105_000))]
    assert steps[1].gap_reason == "counter_reset"
    assert _total_mj(steps) == 100_000


def test_a_drop_of_a_device_without_limit_is_never_called_a_wrap():
    counter = MonotoneCounter(RANGE_MJ, None)
    steps = [counter.update(raw, i * S) for i, raw in enumerate((RANGE_MJ - 10, 10))]
    assert (steps[1].session, steps[1].gap_reason) == (1, "counter_reset")


def test_a_jump_above_plausible_power_is_not_counted():
    counter = MonotoneCounter(None, 300.0)
    limit = 1.5 * 300 * 2 * 1000  # one second and one second of jitter
    assert counter.update(0, 0).gap_reason is None
    assert counter.update(int(limit), S).gap_reason is None
    assert counter.update(int(2 * limit) + 1, 2 * S).gap_reason == "counter_reset"


def test_a_silence_in_which_the_counter_may_have_gone_round_is_not_counted():
    counter = MonotoneCounter(RANGE_MJ, 300.0)
    counter.update(1000, 0)
    wrap_s = RANGE_MJ / 1000 / (1.5 * 300)
    step = counter.update(2000, int((wrap_s + 1) * S))
    assert (step.session, step.gap_reason) == (1, "dropped")


def test_microjoules_lose_nothing_over_many_wraps():
    range_uj = 262_143_328_850
    counter = MonotoneCounter(range_uj, 300.0, per_mj=1000)
    true_uj, steps = 5, []
    for i in range(3000):
        steps.append(counter.update(true_uj % range_uj, i * 300 * S))
        true_uj += 299_999_999 * 300
    assert _total_mj(steps) == (true_uj - 299_999_999 * 300) // 1000
    assert steps[-1].session == 0


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), range_mj=st.sampled_from([None, 50_000_000, RANGE_MJ]))
def test_counted_energy_is_never_above_the_truth_whatever_fails(seed, range_mj):
    """Random powers, failed reads and resets; a simulated device is the oracle."""
    rng = random.Random(seed)
    counter = MonotoneCounter(range_mj, 400.0)
    raw = rng.randrange(range_mj or 10**9)
    true_mj, steps, truth = 0, [], []
    for second in range(60):
        if rng.random() > 0.2:
            steps.append(counter.update(raw, second * S))
            truth.append(true_mj)
        used = rng.randrange(400_000)
        true_mj += used
        raw = rng.randrange(1000) if rng.random() < 0.05 else raw + used
        if range_mj:
            raw %= range_mj
    counted = [b.energy_mj - a.energy_mj for a, b in itertools.pairwise(steps) if a.session == b.session]
    assert all(mj >= 0 for mj in counted)
    for (a, b), (start, end) in zip(itertools.pairwise(steps), itertools.pairwise(truth), strict=True):
        if a.session == b.session and b.energy_mj - a.energy_mj > end - start:
            # Only a reset close below the wrap, which implies no more than plausible power, can hide.
            assert range_mj is not None

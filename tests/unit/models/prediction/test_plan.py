"""Time, devices and feasibility of a training plan, with the arithmetic shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.prediction.inputs import InfeasibleError, InputError
from models.prediction.plan import TrainingPlan, schedule
from models.prediction.tables import find_device

A100 = find_device("A100")
# 0.4 of 312 TFLOP/s: 1.248e14 FLOP/s, 4.4928e17 FLOP an hour
STATED = TrainingPlan(30e9, 30e9, A100, tokens_n=600e9, devices_n=512, utilisation_fraction=0.4)


def test_days_by_hand() -> None:
    # 6 x 30e9 x 600e9 = 1.08e23; / 4.4928e17 = 240,385 h; / 512 / 24 = 19.563 days
    timed = schedule(STATED)
    assert timed.device_hours.central == pytest.approx(240_385, rel=1e-5)
    assert timed.days is not None
    assert timed.days.central == pytest.approx(19.563, rel=1e-4)


def test_devices_follow_from_days() -> None:
    timed = schedule(replace(STATED, devices_n=None, days=10))
    # 240,385 h / 240 h = 1,001.6
    assert timed.devices_n is not None
    assert timed.devices_n.central == pytest.approx(1_001.6, rel=1e-4)


def test_the_seed_plan_of_100b_in_60_days_is_refused_with_the_numbers() -> None:
    # 20 tokens a parameter: 6 x 100e9 x 2e12 = 1.2e24; at 142.4 TFLOP/s 2,340,824 h, on 1,200 devices 81.3 days
    plan = TrainingPlan(100e9, 100e9, A100, 2e12, 1_200, 60, utilisation_fraction=142.4 / 312)
    with pytest.raises(InfeasibleError) as refused:
        schedule(plan)
    text = str(refused.value)
    assert "need 2,340,824 device-hours" in text
    assert "have 1,728,000" in text
    assert "81.3 days, on 1,626 devices, or with 1.48e+12 tokens" in text


def test_a_plan_that_fits_says_what_is_left_over() -> None:
    # 512 x 30 x 24 = 368,640 h held, 240,385 needed
    assert schedule(replace(STATED, days=30)).unused_device_hours == pytest.approx(368_640 - 240_385, abs=1)


def test_a_reservation_says_which_tokens_fit() -> None:
    # 368,640 h x 4.4928e17 / (6 x 30e9) = 9.2013e11 tokens
    timed = schedule(replace(STATED, tokens_n=None, days=30))
    assert timed.is_reservation
    assert timed.device_hours.low == timed.device_hours.high == 368_640
    assert timed.tokens.central == pytest.approx(9.2013e11, rel=1e-4)


def test_forecast_utilisation_gives_days_an_interval() -> None:
    timed = schedule(replace(STATED, utilisation_fraction=None))
    assert timed.days is not None
    assert timed.days.low < timed.days.central < timed.days.high
    assert timed.days.high / timed.days.low == pytest.approx(timed.utilisation.high / timed.utilisation.low)


def test_eight_bit_products_count_against_the_16_bit_peak() -> None:
    h100 = TrainingPlan(37e9, 37e9, find_device("H100"), 14.8e12, 2048, precision="8bit", utilisation_fraction=0.346)
    # DeepSeek-V3: 6 x 37e9 x 14.8e12 / (0.346 x 989.4e12 x 3600) = 2.666e6 h; published 2.664e6
    assert schedule(h100).device_hours.central == pytest.approx(2.664e6, rel=0.002)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"devices_n": 0}, r"devices_n = 0 is outside \[1, 1e\+07\] devices"),
        ({"days": -3}, "days = -3 is outside"),
        ({"tokens_n": 0}, "tokens_n = 0 is outside"),
        ({"utilisation_fraction": 40}, "not a percentage"),
        ({"active_parameters_n": 31e9}, "active_parameters_n = 3.1e\\+10 is more than parameters_n"),
        ({"tokens_n": None}, "nothing says how long the run is"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change: dict[str, float], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        schedule(replace(STATED, **change))  # type: ignore[arg-type]


def test_a_precision_without_a_known_peak_is_refused() -> None:
    with pytest.raises(InputError, match="V100 SXM2 16GB has a known peak for fp32, 16bit only"):
        schedule(replace(STATED, device=find_device("V100"), precision="tf32"))


def test_devices_are_found_in_any_spelling_and_never_guessed() -> None:
    assert find_device("NVIDIA A100-SXM4-80GB") is A100
    assert find_device("tpuV3").name == "TPU v3"
    with pytest.raises(InputError, match="device = 'A1000' is not known; known: V100"):
        find_device("A1000")

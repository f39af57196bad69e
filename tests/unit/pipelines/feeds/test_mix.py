"""Intensities from generation: common steps, completeness, clipping, and what is refused."""

from __future__ import annotations

import random

import pytest

from pipelines.feeds.feed import Asked, FeedError
from pipelines.feeds.mix import Generated, Mixed, Spoilt, fuels_of, mixed, wanted_sets
from tests.support.feed_server import HOUR_MS, millis

START_MS = millis("2024-03-05T00:00:00Z")
ASKED = Asked("FI", START_MS, START_MS + 4 * HOUR_MS)
QUARTER_MS = HOUR_MS // 4


def of(code: str, start_h: float, length_h: float, mwh: float | None) -> Generated:
    return Generated(code, START_MS + int(start_h * HOUR_MS), START_MS + int((start_h + length_h) * HOUR_MS), mwh)


def mix(*generated: Generated, spoilt: tuple[Spoilt, ...] = (), sets: tuple[str, ...] = ("eia_published",)) -> Mixed:
    return mixed(generated, spoilt, wanted_sets(sets, "test"), ASKED, fuels_of("entsoe"))


def reasons(found: Mixed) -> list[tuple[str, int]]:
    return [(refusal.reason, refusal.values_n) for refusal in found.refusals()]


def test_quarter_hours_beside_hours_give_hours() -> None:
    quarters = [of("B04", number / 4, 0.25, mwh) for number, mwh in enumerate((10, 20, 30, 40))]
    found = mix(*quarters, of("B14", 0, 1, 300))
    # (100 x 490 + 300 x 12) / 400 = (49,000 + 3,600) / 400 = 131.5
    assert [(value.start_ms, value.end_ms, value.gco2e_per_kwh) for value in found.values] == [
        (START_MS, START_MS + HOUR_MS, pytest.approx(131.5))
    ]


def test_every_factor_set_has_the_same_carbon_free_share() -> None:
    found = mix(
        of("B04", 0, 1, 100), of("B14", 0, 1, 250), of("B01", 0, 1, 50), sets=("ipcc_ar5", "electricity_maps_default")
    )
    # 250 of 400 MWh are nuclear; biomass (B01) does not count.
    assert {value.carbon_free_fraction for value in found.values} == {0.625}
    assert len(found.values) == 3


def test_a_step_may_change_from_half_hours_to_quarter_hours() -> None:
    parts = [of("B04", start, 0.5, 5) for start in (0, 0.5)] + [of("B04", 1 + n / 4, 0.25, 5) for n in range(4)]
    lengths = [(value.end_ms - value.start_ms) // 60_000 for value in mix(*parts).values]
    assert lengths == [30, 30, 15, 15, 15, 15]


def test_an_interval_without_one_of_the_fuels_is_refused_by_name() -> None:
    found = mix(of("B04", 0, 1, 100), of("B05", 0, 1, 100), of("B04", 1, 1, 100), of("B05", 2, 1, None))
    assert len(found.values) == 1
    assert reasons(found) == [("no_value", 1), ("no_value", 1)]
    assert "no value of B05, so the mix is incomplete; first at 2024-03-05T01:00:00Z" in found.refusals()[0].detail


def test_a_missing_quarter_spoils_its_hour_only() -> None:
    quarters = [of("B04", number / 4, 0.25, 10) for number in (0, 1, 3, 4, 5, 6, 7)]
    found = mix(*quarters, of("B14", 0, 1, 10), of("B14", 1, 1, 10))
    assert [value.start_ms for value in found.values] == [START_MS + HOUR_MS]


def test_storage_may_be_missing_and_never_counts() -> None:
    found = mix(of("B04", 0, 1, 100), of("B10", 0, 1, 5_000), of("B25", 1, 1, 70), of("B04", 1, 1, 100))
    assert [value.gco2e_per_kwh for value in found.values] == [490, 490]
    assert not found.refused


def test_one_code_below_zero_does_not_lower_another_one_of_the_same_fuel() -> None:
    found = mix(of("B02", 0, 1, 100), of("B05", 0, 1, -5), of("B14", 0, 1, 100))
    # lignite counts in full: (100 x 820 + 100 x 12) / 200 = 416, not (95 x 820 + 100 x 12) / 195 = 405.6
    assert found.values[0].gco2e_per_kwh == pytest.approx(416)
    assert found.clipped == {"B05": (1, -5)}


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (of("B05", 0, 1, 101), "conflicting"),
        (of("B05", 0.25, 0.25, 1), "conflicting"),
        (of("B99", 0, 1, 1), "unknown_fuel"),
        (of("B14", 0, 1, -999), "bad_value"),
        (of("B14", 0, 1, 2e6), "bad_value"),
    ],
)
def test_what_cannot_be_is_refused(second: Generated, reason: str) -> None:
    found = mix(of("B05", 0, 1, 100), second)
    assert not found.values
    assert reasons(found) == [(reason, 1)]


def test_an_unknown_code_that_generated_nothing_is_harmless() -> None:
    assert mix(of("B05", 0, 1, 100), of("B99", 0, 1, 0)).values[0].gco2e_per_kwh == 820


def test_a_set_without_a_factor_is_refused_and_the_others_remain() -> None:
    found = mix(of("B06", 0, 1, 100), sets=("ipcc_ar5", "eia_published"))
    assert [(value.factor_set, value.gco2e_per_kwh) for value in found.values] == [("eia_published", 650)]
    assert [detail.partition(";")[0] for detail in (one.detail for one in found.refusals())] == [
        "factor set ipcc_ar5 (lifecycle) has no factor for oil",
        "factor set ipcc_ar5 (operational) has no factor for oil",
    ]


def test_what_cannot_be_read_spoils_its_range_or_everything() -> None:
    hours = [of("B04", number, 1, 100) for number in range(4)]
    bounded = Spoilt("bad_value", "quantity", START_MS + HOUR_MS, START_MS + 2 * HOUR_MS)
    assert len(mix(*hours, spoilt=(bounded,)).values) == 3
    everything = mix(*hours, spoilt=(Spoilt("bad_time", "somewhere"),))
    assert (everything.values, reasons(everything)) == ([], [("bad_time", 4)])


def test_nothing_generated_has_no_value() -> None:
    assert reasons(mix(of("B04", 0, 1, 0))) == [("no_value", 1)]


def test_the_order_of_an_answer_does_not_show_in_the_last_digit() -> None:
    rng = random.Random(5)
    codes = [f"B{number:02}" for number in (2, 4, 5, 6, 7, 8, 14, 16)]
    parts = [of(code, number / 4, 0.25, rng.uniform(0, 99)) for code in codes for number in range(16)]
    first = mix(*parts).values
    for _ in range(5):
        rng.shuffle(parts)
        assert mix(*parts).values == first


def test_an_unknown_factor_set_is_named_with_the_known_ones() -> None:
    with pytest.raises(FeedError, match=r"no factor set 'ipcc_ar6'; known are .*ipcc_ar5") as raised:
        wanted_sets(("ipcc_ar6",), "eia")
    assert raised.value.reason == "not_configured"
    assert {one.name for one in wanted_sets((), "eia")} == {"electricity_maps_default"}

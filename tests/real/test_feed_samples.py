"""Recorded and documented answers of NESO, Electricity Maps and WattTime give the values that stand in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.feeds.electricity_maps import ElectricityMaps
from pipelines.feeds.feed import Asked, Feed, FeedError, Page, Parsed, Settings
from pipelines.feeds.neso import Neso
from pipelines.feeds.watttime import WattTime
from tests.support.feed_server import HALF_HOUR_MS, HOUR_MS, millis

pytestmark = pytest.mark.real
LATER_MS = millis("2024-12-31T00:00Z")
NESO = Neso(Settings(), {}, now_ms=lambda: 0)
MAPS = ElectricityMaps(Settings(), {}, now_ms=lambda: 0)
WATT = WattTime(Settings(names={"US-CAL-CISO": "CAISO_NORTH", "US-NW-PSCO": "PSCO"}), {}, now_ms=lambda: 0)


@pytest.fixture
def samples(shared_data: Path) -> Path:
    return shared_data / "feeds"


def parsed(feed: Feed, path: Path, zone: str, start: str, end: str, fetched: str | None = None) -> Parsed:
    fetched_ms = millis(fetched) if fetched else LATER_MS
    page = Page(f"https://x/{path.name}", 200, {}, path.read_bytes(), fetched_ms)
    return feed.parse([page], Asked(zone, millis(start), millis(end)))


def figures(found: Parsed) -> dict[int, float]:
    return {value.start_ms: value.gco2e_per_kwh for value in found.values}


def reasons(found: Parsed) -> dict[str, int]:
    return {refusal.reason: refusal.values_n for refusal in found.refusals}


def test_a_day_of_germany_as_electricity_maps_recorded_it(samples: Path) -> None:
    path = samples / "api_samples/electricitymaps/carbon_intensity_history.json"
    found = parsed(MAPS, path, "DE", "2024-03-05T20:00Z", "2024-03-06T20:00Z")
    # The 24 figures of the file add up to 14,399: a mean of 599.9583 g/kWh. The first is 599, the last 689.
    assert sum(figures(found).values()) == 14_399
    assert sorted(figures(found)) == [millis("2024-03-05T20:00Z") + hour * HOUR_MS for hour in range(24)]
    assert (found.values[0].gco2e_per_kwh, found.values[-1].gco2e_per_kwh) == (599, 689)
    assert sum(value.is_estimate for value in found.values) == 2
    assert {(value.basis, value.kind, value.flow) for value in found.values} == {
        ("lifecycle", "average", "consumption")
    }
    assert found.refusals == ()


def test_two_hours_of_it_are_what_was_asked_for(samples: Path) -> None:
    path = samples / "api_samples/electricitymaps/carbon_intensity_history.json"
    found = parsed(MAPS, path, "DE", "2024-03-05T22:00Z", "2024-03-06T00:00Z")
    assert list(figures(found).values()) == [599, 606]


def test_an_hour_that_is_not_over_yet_is_a_forecast(samples: Path) -> None:
    path = samples / "api_samples/electricitymaps/carbon_intensity_history.json"
    found = parsed(MAPS, path, "DE", "2024-03-05T20:00Z", "2024-03-06T20:00Z", fetched="2024-03-06T18:50Z")
    # At 18:50 the hours from 18:00 and 19:00 are not over.
    assert (len(found.values), reasons(found)) == (22, {"bad_time": 2})


@pytest.mark.parametrize(
    ("name", "zone", "start", "values"),
    [
        ("constructed/past_range.json", "DE", "2024-03-05T20:00Z", [599, 607]),
        ("constructed/past.json", "DE", "2019-05-21T00:00Z", [322]),
        ("latest_carbon_intensity.json", "US-CAR-DUK", "2024-03-06T19:00Z", [216]),
    ],
)
def test_the_other_shapes_of_electricity_maps(
    samples: Path, name: str, zone: str, start: str, values: list[float]
) -> None:
    path = samples / "api_samples/electricitymaps" / name
    found = parsed(MAPS, path, zone, start, f"{start[:10]}T23:00Z")
    assert (list(figures(found).values()), found.refusals) == (values, ())


def test_a_null_intensity_is_no_value(samples: Path) -> None:
    path = samples / "api_samples/electricitymaps/constructed/null_intensity_point.json"
    found = parsed(MAPS, path, "JP-KN", "2024-09-30T00:00Z", "2024-10-01T00:00Z")
    assert (found.values, reasons(found)) == ((), {"no_value": 1})


@pytest.mark.parametrize(
    ("feed", "name", "reason"),
    [
        (MAPS, "electricitymaps/constructed/error_401.json", "unknown_shape"),
        (MAPS, "electricitymaps/constructed/error_404.json", "unknown_shape"),
        (MAPS, "electricitymaps/constructed/forecast.json", "unknown_shape"),
        (MAPS, "electricitymaps/co2signal_v1_ok.json", "unknown_shape"),
        (MAPS, "electricitymaps/co2signal_v1_no_data.json", "unknown_shape"),
        (MAPS, "electricitymaps/latest_carbon_intensity.json", "wrong_zone"),
        (MAPS, "electricitymaps/latest_power_breakdown.json", "unknown_shape"),
        (MAPS, "electricitymaps/power_breakdown_history.json", "unknown_shape"),
        (MAPS, "electricitymaps/zones.json", "unknown_shape"),
        (MAPS, "neso/intensity.json", "unknown_shape"),
        (WATT, "watttime/403_forbidden_response.html", "not_the_format"),
        (WATT, "watttime/coordinates_not_found_response.json", "unknown_shape"),
        (WATT, "watttime/forecasted_emissions_response.json", "unknown_shape"),
        (WATT, "watttime/grid_region_response.json", "unknown_shape"),
        (WATT, "watttime/invalid_scope_response.json", "unknown_shape"),
        (WATT, "watttime/realtime_emissions_response.json", "wrong_unit"),
        (NESO, "neso/error_400.json", "unknown_shape"),
        (NESO, "neso/error_500.json", "unknown_shape"),
        (NESO, "neso/factors.json", "unknown_shape"),
    ],
)
def test_every_other_document_gives_nothing_and_says_why(samples: Path, feed: Any, name: str, reason: str) -> None:
    zone = {"neso": "GB", "electricity_maps": "DE", "watttime": "US-CAL-CISO"}[feed.source]
    found = (0, [""])
    try:
        answer = parsed(feed, samples / "api_samples" / name, zone, "2024-03-05T00:00Z", "2024-03-07T00:00Z")
        found = (len(answer.values), list(reasons(answer)))
    except FeedError as error:
        found = (0, [error.reason])
    assert found == (0, [reason])


def test_the_documented_history_of_watttime(samples: Path) -> None:
    path = samples / "api_samples/watttime/historical_emissions_response.json"
    found = parsed(WATT, path, "US-CAL-CISO", "2022-07-15T00:00Z", "2022-07-15T00:10Z")
    # 870 and 860 lb/MWh x 453.59237 g/lb / 1000 = 394.6253619 and 390.0894382 g/kWh
    assert list(figures(found).values()) == pytest.approx([394.6253619, 390.0894382], abs=1e-9)
    assert [value.updated_ms for value in found.values] == [millis("2023-10-01T00:00Z"), millis("2023-10-01T00:05Z")]
    assert all(value.is_estimate and value.factor_set == "watttime_2023-03-01" for value in found.values)


def test_the_documented_half_hour_of_neso(samples: Path) -> None:
    path = samples / "api_samples/neso/intensity.json"
    found = parsed(NESO, path, "GB", "2018-01-20T12:00Z", "2018-01-20T12:30Z")
    assert figures(found) == {millis("2018-01-20T12:00Z"): 263}


def test_the_two_british_snapshots_disagree_as_they_were_found_to(samples: Path) -> None:
    folder = samples / "gb_neso"
    first = parsed(NESO, folder / "national_pt24h_asof_2023-03-14T1401Z.json", "GB", "2023-03-13T14:00Z",
                   "2023-03-14T14:00Z", fetched="2023-03-14T14:01Z")  # fmt: skip
    second = parsed(NESO, folder / "national_pt24h_asof_2023-03-15T0201Z.json", "GB", "2023-03-14T02:00Z",
                    "2023-03-15T02:00Z", fetched="2023-03-15T02:01Z")  # fmt: skip
    # 48 half hours each, the last one not settled.
    for found in (first, second):
        assert (len(found.values), reasons(found)) == (47, {"no_value": 1})
        assert all(value.end_ms - value.start_ms == HALF_HOUR_MS for value in found.values)
    before, after = figures(first), figures(second)
    common = before.keys() & after.keys()
    assert (len(common), sum(before[at_ms] != after[at_ms] for at_ms in common)) == (23, 19)

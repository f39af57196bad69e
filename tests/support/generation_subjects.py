"""The clients of generation and of yearly values, for the hostile catalogue."""

from __future__ import annotations

from pipelines.feeds.eia import Eia
from pipelines.feeds.electricity_maps_yearly import ElectricityMapsYearly
from pipelines.feeds.ember import Ember
from pipelines.feeds.entsoe import Entsoe
from pipelines.feeds.feed import Asked, Settings
from tests.support.feed_server import HOUR_MS, TOKEN, figure, millis
from tests.support.generation_services import EIA_FACTORS, ENTSOE_FACTORS, weighted
from tests.support.hostile import Subject

START_MS = millis("2024-03-05T00:00:00Z")
NOW_MS = millis("2024-03-08T00:00:00Z")
YEARS = (2019, 2020, 2021, 2022, 2023)
Right = dict[tuple[object, ...], float]


def _hourly(zone: str, basis: str, factor_set: str, asked: Asked, factors: list[int]) -> Right:
    starts = range(asked.start_ms, asked.end_ms, HOUR_MS)
    series = (zone, "average", basis, "production", factor_set)
    return {(*series, at_ms, at_ms + HOUR_MS): weighted(at_ms, factors) for at_ms in starts}


def _eia() -> Subject:
    asked = Asked("US-CAL-CISO", START_MS, START_MS + 6 * HOUR_MS)
    factors = list(EIA_FACTORS.values())
    settings = ("eia_published",)
    return Subject(
        "eia",
        lambda url: Eia(Settings(url=url, factor_sets=settings), {"EIA_API_KEY": TOKEN}, now_ms=lambda: NOW_MS),
        asked,
        _hourly("US-CAL-CISO", "lifecycle", "eia_published", asked, factors),
        "json",
        # A little below zero is what form 930 does publish: nobody can tell that it is wrong.
        undetectable=frozenset({"response.data.*.value: -1"}),
    )


def _entsoe() -> Subject:
    asked = Asked("FI", START_MS, START_MS + 6 * HOUR_MS)
    both: Right = {}
    for place, basis in enumerate(("lifecycle", "operational")):
        factors = [pair[place] for pair in ENTSOE_FACTORS.values()]
        both |= _hourly("FI", basis, "electricity_maps_default", asked, factors)
    return Subject(
        "entsoe",
        lambda url: Entsoe(Settings(url=url), {"ENTSOE_API_TOKEN": TOKEN}, now_ms=lambda: NOW_MS),
        asked,
        both,
        "xml",
        # One fuel a little below zero is what ENTSO-E does publish, and a whole series that is not there cannot be
        # seen in one answer: nobody can tell that these are wrong.
        undetectable=frozenset({"TimeSeries/Period/Point/quantity: number '-1'", "TimeSeries: missing"}),
    )


def _yearly(zone: str, flow: str, factor_set: str, years: tuple[int, ...]) -> Right:
    spans = [(millis(f"{year}-01-01T00:00:00Z"), millis(f"{year + 1}-01-01T00:00:00Z")) for year in years]
    return {(zone, "average", "lifecycle", flow, factor_set, *span): float(figure(span[0])) for span in spans}


def _ember() -> Subject:
    asked = Asked("DE", millis("2019-01-01T00:00:00Z"), millis("2024-01-01T00:00:00Z"))
    settings = ("yearly",)
    return Subject(
        "ember",
        lambda url: Ember(Settings(url=url, signals=settings), {"EMBER_API_KEY": TOKEN}, now_ms=lambda: NOW_MS),
        asked,
        _yearly("DE", "production", "ember_yearly", YEARS),
        "json",
    )


def _electricity_maps_yearly() -> Subject:
    asked = Asked("DE", millis("2023-01-01T00:00:00Z"), millis("2024-01-01T00:00:00Z"))
    return Subject(
        "electricity_maps_yearly",
        lambda url: ElectricityMapsYearly(Settings(url=f"{url}/{{year}}.json"), {}, now_ms=lambda: NOW_MS),
        asked,
        _yearly("DE", "consumption", "electricity_maps_yearly", (2023,)),
        "json",
    )


GENERATION_SUBJECTS = (_eia(), _entsoe(), _ember(), _electricity_maps_yearly())

"""The clients that the hostile catalogue is run against; a new client joins with one ``Subject`` here."""

from __future__ import annotations

from pipelines.feeds.electricity_maps import ElectricityMaps
from pipelines.feeds.feed import Asked, Settings
from pipelines.feeds.neso import Neso
from pipelines.feeds.watttime import WattTime
from tests.support.feed_server import FIVE_MINUTES_MS, HALF_HOUR_MS, HOUR_MS, PASSWORD, TOKEN, USER, figure, millis
from tests.support.generation_subjects import GENERATION_SUBJECTS
from tests.support.hostile import Subject

START_MS = millis("2024-03-05T00:00:00Z")
NOW_MS = millis("2024-03-08T00:00:00Z")
Series = tuple[str, str, str, str, str]
Right = dict[tuple[object, ...], float]


def right(series: Series, asked: Asked, step_ms: int, number: int, factor: float = 1.0) -> Right:
    """Return the right figures of a series: those of the server, times a factor for its unit."""
    starts = range(asked.start_ms, asked.end_ms, step_ms)
    return {(*series, at_ms, at_ms + step_ms): figure(at_ms, number) * factor for at_ms in starts}


def _neso() -> Subject:
    asked = Asked("GB", START_MS, START_MS + 6 * HOUR_MS)
    series = ("GB", "average", "operational", "consumption", "neso")
    return Subject(
        "neso",
        lambda url: Neso(Settings(url=url), {}, now_ms=lambda: NOW_MS),
        asked,
        right(series, asked, HALF_HOUR_MS, 0),
        "json",
    )


def _electricity_maps() -> Subject:
    asked = Asked("DE", START_MS, START_MS + 8 * HOUR_MS)
    both = {}
    for number, basis in enumerate(("lifecycle", "operational")):
        both |= right(("DE", "average", basis, "consumption", "electricity_maps"), asked, HOUR_MS, number)
    environ = {"ELECTRICITY_MAPS_TOKEN": TOKEN}
    return Subject(
        "electricity_maps",
        lambda url: ElectricityMaps(Settings(url=url), environ, now_ms=lambda: NOW_MS),
        asked,
        both,
        "json",
    )


def _watttime() -> Subject:
    asked = Asked("US-CAL-CISO", START_MS, START_MS + 2 * HOUR_MS)
    series = ("US-CAL-CISO", "marginal", "operational", "consumption", "watttime_2023-03-01")
    environ = {"WATTTIME_USER": USER, "WATTTIME_PASSWORD": PASSWORD}
    names = {"US-CAL-CISO": "CAISO_NORTH"}
    # 1 lb/MWh = 453.59237 g / 1000 kWh
    return Subject(
        "watttime",
        lambda url: WattTime(Settings(url=url, names=names), environ, now_ms=lambda: NOW_MS),
        asked,
        right(series, asked, FIVE_MINUTES_MS, 0, 0.45359237),
        "json",
    )


SUBJECTS = (_neso(), _electricity_maps(), _watttime(), *GENERATION_SUBJECTS)

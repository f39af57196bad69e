"""Ember: yearly and monthly lifecycle intensity of whole countries.

What belongs here: asking v1 of the API, reading its rows. What must not be here: parts of countries: a country's value
is never given for a zone within it.

Reference: https://ember-energy.org/data/api/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from models.zones import zones
from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Refusal, Settings, Value
from pipelines.feeds.finish import finished, not_found, secret
from pipelines.feeds.stamps import month_ms, year_ms
from pipelines.feeds.strict_json import ShapeError, load, member, number, shown

if TYPE_CHECKING:
    from pipelines.feeds.web import Web

ROOT = "https://api.ember-energy.org"
PATH = "/v1/carbon-intensity/"
RESOLUTIONS = ("yearly", "monthly")
DAY_S = 86_400
_DATES = {
    "yearly": re.compile(r"(\d{4})(?:-01-01)?", re.ASCII),
    "monthly": re.compile(r"(\d{4})-(\d\d)(?:-01)?", re.ASCII),
}


class Ember:
    """Ember's carbon intensity; the signals are ``yearly`` and ``monthly``, see ``feed.Feed``."""

    source = "ember"
    title = "Yearly and monthly electricity data (Ember)"
    licence = "CC BY 4.0 (per Ember; not verified)"
    longest = timedelta(days=366 * 10)
    steps_s = (28 * DAY_S, 29 * DAY_S, 30 * DAY_S, 31 * DAY_S, 365 * DAY_S, 366 * DAY_S)
    lag = timedelta(days=60)
    needs = ("EMBER_API_KEY",)

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, now_ms: Callable[[], int]) -> None:
        """Take settings and environment; nothing is asked yet.

        Raises:
            FeedError: ``not_configured`` if a signal is neither ``yearly`` nor ``monthly``.
        """
        self._settings, self._environ, self._now_ms = settings, environ, now_ms
        self._resolutions = settings.signals or RESOLUTIONS
        for one in self._resolutions:
            if one not in RESOLUTIONS:
                text = f"feed {self.source}: signals are {', '.join(RESOLUTIONS)}, found {one!r}"
                raise FeedError(reason="not_configured", message=text)

    def fetch(self, web: Web, asked: Asked) -> list[Page]:
        """Ask for the whole years and months within a range; a range without one is not asked for.

        Raises:
            FeedError: if there is no complete answer.
        """
        key = secret(self._settings.token_env or self.needs[0], self._environ, self.source)
        pages = []
        for resolution in self._resolutions:
            labels = _labels(resolution, asked)
            if labels:
                params = (
                    ("entity_code", self._country(asked.zone)),
                    ("is_aggregate_entity", "false"),
                    ("start_date", labels[0]),
                    ("end_date", labels[-1]),
                    ("api_key", key),
                )
                url = f"{self._settings.url or ROOT}{PATH}{resolution}"
                pages.append(web.get(url, params=params, secrets=(key,)))
        return pages

    def parse(self, pages: Sequence[Page], asked: Asked) -> Parsed:
        """Read the pages of one ``fetch``; see ``feed.Feed``.

        Raises:
            FeedError: if nothing of it can be read.
        """
        values: list[Value] = []
        refusals: list[Refusal] = []
        for page in pages:
            resolution = _resolution(page.url)
            try:
                rows = member(load(page.body, "answer of Ember"), "data", list, "answer of Ember")
            except ShapeError as error:
                raise FeedError(reason="unknown_shape", message=str(error)) from None
            for row in rows:
                one = _read(row, resolution, self._country(asked.zone), asked.zone)
                (values if isinstance(one, Value) else refusals).append(one)  # type: ignore[arg-type]
        return finished(values, refusals, asked, self.steps_s, pages)

    def _country(self, zone: str) -> str:
        known = zones().get(zone)
        is_country = known is not None and known.zone == known.country
        name = self._settings.names.get(zone) or (known.iso3 if known and is_country else None)
        return name or not_found(self.source, zone, "ISO code under which Ember has it (it has whole countries only)")


def _resolution(url: str) -> str:
    """Give which of the two series a page is of, by the last part of its path."""
    name = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    if name not in RESOLUTIONS:
        text = f"answer of Ember: the address must end in one of {', '.join(RESOLUTIONS)}, found {shown(name)}"
        raise FeedError(reason="unknown_shape", message=text)
    return name


def _labels(resolution: str, asked: Asked) -> list[str]:
    """Give the provider's labels of the whole years or months within a range."""
    first = datetime.fromtimestamp(asked.start_ms / 1_000, UTC).year
    last = datetime.fromtimestamp(asked.end_ms / 1_000, UTC).year
    found = []
    for year in range(first, last + 1):
        spans = [(f"{year:04}", year_ms(year))]
        if resolution == "monthly":
            spans = [(f"{year:04}-{month:02}", month_ms(year, month)) for month in range(1, 13)]
        found += [text for text, (start, end) in spans if asked.start_ms <= start and end <= asked.end_ms]
    return found


def _read(row: object, resolution: str, country: str, zone: str) -> Value | Refusal:
    """Give the value of one row, or why there is none."""
    try:
        code, text = member(row, "entity_code", str, "row"), member(row, "date", str, "row")
        if code != country or member(row, "is_aggregate_entity", bool, "row"):
            return Refusal("wrong_zone", f"row: country {country} was asked for, found {shown(code)}", 1)
        value = member(row, "emissions_intensity_gco2_per_kwh", (int, float, type(None)), "row")
    except ShapeError as error:
        return Refusal("unknown_shape", str(error), 1)
    try:
        span = _span(text, resolution)
    except ValueError:
        return Refusal("bad_time", f"row.date: a {resolution} date is needed, found {shown(text)}", 1)
    if value is None:
        return Refusal("no_value", f"row of {shown(text)}: the intensity is null", 1)
    try:
        grams = number(value, f"row of {shown(text)}")
    except ShapeError as error:
        return Refusal("bad_value", str(error), 1)
    return Value(zone, *span, grams, "average", "lifecycle", "production", f"ember_{resolution}", is_estimate=False)


def _span(text: str, resolution: str) -> tuple[int, int]:
    found = _DATES[resolution].fullmatch(text)
    if found is None:
        msg = "no such date"
        raise ValueError(msg)
    parts = [int(part) for part in found.groups()]
    if not 1990 <= parts[0] <= 2100:
        msg = "no such year"
        raise ValueError(msg)
    return year_ms(parts[0]) if resolution == "yearly" else month_ms(parts[0], parts[1])

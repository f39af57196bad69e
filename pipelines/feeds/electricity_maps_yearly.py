"""Electricity Maps' yearly files: lifecycle intensity of consumption by zone, one file a year.

What belongs here: getting and reading these files. What must not be here: the API with hours (``electricity_maps``).
The year stands in no field of the file, only in its name: so the address must have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Refusal, Settings, Value
from pipelines.feeds.finish import finished
from pipelines.feeds.stamps import year_ms
from pipelines.feeds.strict_json import ShapeError, load, member, number, shown

if TYPE_CHECKING:
    from pipelines.feeds.web import Web

UNIT = "gCO2eq/kWh"
PERCENT = "%"
FACTOR_SET = "electricity_maps_yearly"
DAY_S = 86_400
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)", re.ASCII)


class ElectricityMapsYearly:
    """Electricity Maps by zone and year; see ``feed.Feed``."""

    source = "electricity_maps_yearly"
    title = "Yearly carbon intensity by zone (Electricity Maps)"
    licence = "ODbL 1.0, attribution Electricity Maps, share-alike"
    longest = timedelta(days=366 * 10)
    steps_s = (365 * DAY_S, 366 * DAY_S)
    lag = timedelta(days=60)
    needs: tuple[str, ...] = ()

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, now_ms: Callable[[], int]) -> None:
        """Take settings and environment; nothing is asked yet."""
        self._settings, self._environ, self._now_ms = settings, environ, now_ms

    def fetch(self, web: Web, asked: Asked) -> list[Page]:
        """Ask for the file of each whole year within a range.

        Raises:
            FeedError: ``not_configured`` if ``url`` has no ``{year}`` in it; otherwise as ``Web.get`` does.
        """
        template = self._settings.url or ""
        if "{year}" not in template:
            text = f"feed {self.source}: set `url` to the address of the files, with {{year}} in place of the year"
            raise FeedError(reason="not_configured", message=text)
        return [web.get(template.replace("{year}", str(year))) for year in _whole_years(asked)]

    def parse(self, pages: Sequence[Page], asked: Asked) -> Parsed:
        """Read the files; what they say of other zones is not looked at.

        Raises:
            FeedError: if nothing of it can be read.
        """
        values: list[Value] = []
        refusals: list[Refusal] = []
        for page in pages:
            year = year_of(page.url)
            document = load(page.body, "yearly file")
            name = self._settings.names.get(asked.zone, asked.zone)
            if not isinstance(document, dict) or name not in document:
                refusals.append(Refusal("no_value", f"the file of {year} has no zone {shown(name)}", 1))
                continue
            one = value_of(document[name], asked.zone, year)
            (values if isinstance(one, Value) else refusals).append(one)  # type: ignore[arg-type]
        return finished(values, refusals, asked, self.steps_s, pages)

    def zones_of(self, page: Page) -> tuple[str, ...]:
        """Give the zones of a file.

        Raises:
            FeedError: if it cannot be read.
        """
        document = load(page.body, "yearly file")
        if not isinstance(document, dict):
            raise FeedError(
                reason="unknown_shape", message=f"yearly file: an object is needed, found {shown(document)}"
            )
        return tuple(document)


def year_of(address: str) -> int:
    """Give the year that stands in the name of a file.

    Raises:
        FeedError: ``bad_time`` if there is none, or more than one.
    """
    name = address.removeprefix("file:").partition("?")[0].rstrip("/").rpartition("/")[2]
    found = set(_YEAR.findall(name))
    if len(found) != 1:
        text = f"yearly file {shown(name)}: its name must have one year in it, found {len(found)}"
        raise FeedError(reason="bad_time", message=text)
    return int(found.pop())


def value_of(entry: object, zone: str, year: int) -> Value | Refusal:
    """Give the value of one zone's entry, or why there is none."""
    try:
        intensity = member(entry, "carbonIntensity", dict, zone)
        unit = member(intensity, "unit", str, f"{zone}.carbonIntensity")
        if unit != UNIT:
            return Refusal("wrong_unit", f"{zone}: {UNIT} is needed, found {shown(unit)}", 1)
        value = member(intensity, "value", (int, float, type(None)), f"{zone}.carbonIntensity")
        if value is None:
            return Refusal("no_value", f"{zone}: the intensity of {year} is null", 1)
        grams = number(value, f"{zone}.carbonIntensity.value")
        share = _share(entry, zone)
    except ShapeError as error:
        return Refusal("unknown_shape", str(error), 1)
    series = ("average", "lifecycle", "consumption", FACTOR_SET)
    return Value(zone, *year_ms(year), grams, *series, is_estimate=False, carbon_free_fraction=share)


def _share(entry: object, zone: str) -> float | None:
    """Give the carbon-free share of an entry [1]; None where it states none.

    Raises:
        ShapeError: if it states one that is no percentage.
    """
    if not isinstance(entry, dict) or entry.get("carbonFreeEnergy") is None:
        return None
    where = f"{zone}.carbonFreeEnergy"
    stated = member(entry, "carbonFreeEnergy", dict, zone)
    unit = member(stated, "unit", str, where)
    value = member(stated, "value", (int, float, type(None)), where)
    if value is None:
        return None
    if unit != PERCENT:
        msg = f"{where}: {PERCENT} is needed, found {shown(unit)}"
        raise ShapeError(msg)
    return number(value, f"{where}.value") / 100


def _whole_years(asked: Asked) -> list[int]:
    """Give the calendar years in UTC that lie within a range."""
    first = datetime.fromtimestamp(asked.start_ms / 1_000, UTC).year
    last = datetime.fromtimestamp(asked.end_ms / 1_000, UTC).year
    spans = {year: year_ms(year) for year in range(first, last + 1)}
    return [year for year, (start, end) in spans.items() if asked.start_ms <= start and end <= asked.end_ms]

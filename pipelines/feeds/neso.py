"""NESO Carbon Intensity: half-hourly intensity of Great Britain, without a token.

What belongs here: this source's addresses and fields. What must not be here: judging that is the same for all.

The figure counts combustion only (nuclear, wind, solar and hydro are 0; imports have factors of their own), so it is
``operational`` and cannot be compared with lifecycle figures. It counts imports, so its flow is ``consumption``.
``actual`` is null until the half hour is over, and changes for about a day without a sign of it.

Reference: NESO Carbon Intensity API definitions (carbon-intensity/api-definitions), ``/intensity/{from}/{to}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from pipelines.feeds.access import iso_utc, signals
from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Settings, Value
from pipelines.feeds.judge import Tally, judge
from pipelines.feeds.strict_json import ShapeError, member, number, page_json, refused, time_ms

if TYPE_CHECKING:
    from pipelines.feeds.web import Web

ROOT = "https://api.carbonintensity.org.uk"
ZONE = "GB"
FACTOR_SET = "neso"
_MINUTES = "%Y-%m-%dT%H:%MZ"


class Neso:
    """Client of the NESO Carbon Intensity service."""

    source = "neso"
    title = "Carbon Intensity API (NESO, Great Britain)"
    licence = "CC BY 4.0"
    longest = timedelta(days=14)
    steps_s: tuple[int, ...] = (1800,)
    lag = timedelta(minutes=30)
    needs: tuple[str, ...] = ()

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, now_ms: Callable[[], int]) -> None:
        """Take the address from the settings; nothing else can be set.

        Args:
            settings: the feed's configuration.
            environ: the environment; not used.
            now_ms: our clock [epoch ms UTC]; not used.

        Raises:
            FeedError: ``not_configured`` for a signal that there is not.
        """
        signals(settings, ("actual",), ("actual",), self.title)
        self._root = settings.url or ROOT

    def fetch(self, web: Web, asked: Asked) -> list[Page]:
        """Ask for a range of at most 14 days; one page."""
        if asked.zone != ZONE:
            msg = f"{self.title} knows the zone {ZONE} only, {asked.zone!r} was asked for"
            raise FeedError(reason="not_found", message=msg)
        start, end = iso_utc(asked.start_ms, _MINUTES), iso_utc(asked.end_ms, _MINUTES)
        return [web.get(f"{self._root}/intensity/{start}/{end}", headers={"Accept": "application/json"})]

    def parse(self, pages: Sequence[Page], asked: Asked) -> Parsed:
        """Read ``actual`` of every half hour; where there is none, ``forecast`` does not stand in for it."""
        tally, values = Tally(), list[Value]()
        for page in pages:
            try:
                points = member(page_json(page), "data", list, "answer")
            except ShapeError as error:
                raise refused(page, error) from None
            for place, point in enumerate(points):
                try:
                    values += _values(point, f"data[{place}]", asked)
                except ShapeError as error:
                    tally.add(error.reason, str(error))
        now_ms = max((page.fetched_ms for page in pages), default=asked.end_ms)
        return judge(values, asked, steps_s=self.steps_s, now_ms=now_ms, refusals=tally.refusals())


def _values(point: object, where: str, asked: Asked) -> list[Value]:
    """Give the value of a half hour; none for the one before the range."""
    start_ms = time_ms(member(point, "from", object, where), f"{where}.from")
    end_ms = time_ms(member(point, "to", object, where), f"{where}.to")
    # The service also gives the half hour that ends when the range begins.
    if end_ms == asked.start_ms:
        return []
    intensity = member(point, "intensity", object, where)
    actual = number(member(intensity, "actual", object, f"{where}.intensity"), f"{where}.intensity.actual")
    value = Value(ZONE, start_ms, end_ms, actual, "average", "operational", "consumption", FACTOR_SET, False)
    return [value]

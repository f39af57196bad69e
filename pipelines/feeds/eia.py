"""US Energy Information Administration, form 930: hourly generation by fuel of US balancing authorities.

What belongs here: asking v2 of the API page by page, reading its rows. What must not be here: intensities (``mix``).

Reference: https://www.eia.gov/opendata/documentation.php; labels are the END of the hour, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from models.zones import zones
from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Settings
from pipelines.feeds.finish import finished, not_found, secret
from pipelines.feeds.mix import Generated, Spoilt, fuels_of, mixed, wanted_sets
from pipelines.feeds.stamps import HOUR_MS, utc_ms
from pipelines.feeds.strict_json import ShapeError, load, member, number, shown

if TYPE_CHECKING:
    from pipelines.feeds.web import Web

ROOT = "https://api.eia.gov"
PATH = "/v2/electricity/rto/fuel-type-data/data/"
PAGE_ROWS = 5_000
"""Most rows of one answer, as the provider allows."""
MAX_PAGES = 20
"""Most pages of one asking: 31 days of 20 fuels are 3 pages. Our bound."""
UNIT = "megawatthours"
_HOUR = re.compile(r"\d{4}-\d\d-\d\dT\d\d", re.ASCII)


class Eia:
    """EIA v2 fuel-type data; see ``feed.Feed``."""

    source = "eia"
    title = "Hourly Electric Grid Monitor, form 930 (US Energy Information Administration)"
    licence = "public domain (US government)"
    longest = timedelta(days=31)
    steps_s = (3_600,)
    lag = timedelta(hours=26)
    needs = ("EIA_API_KEY",)

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, now_ms: Callable[[], int]) -> None:
        """Take settings and environment; nothing is asked yet."""
        self._settings, self._environ, self._now_ms = settings, environ, now_ms

    def fetch(self, web: Web, asked: Asked) -> list[Page]:
        """Ask for all pages; ``start`` and ``end`` are labels, so one hour later than the intervals' starts.

        Raises:
            FeedError: if there is no complete answer.
        """
        key = secret(self._settings.token_env or self.needs[0], self._environ, self.source)
        url = f"{self._settings.url or ROOT}{PATH}"
        pages: list[Page] = []
        rows_n, total_n = 0, 1
        while rows_n < total_n:
            if len(pages) >= MAX_PAGES:
                text = f"{self.source}: more than {MAX_PAGES} pages of {PAGE_ROWS} rows are announced for {asked.zone}"
                raise FeedError(reason="too_large", message=text)
            params = (*self._query(asked), ("offset", str(rows_n)), ("length", str(PAGE_ROWS)), ("api_key", key))
            pages.append(web.get(url, params=params, secrets=(key,)))
            rows, total_n = _table(pages[-1])
            rows_n += len(rows)
            if not rows:
                break
        return pages

    def parse(self, pages: Sequence[Page], asked: Asked) -> Parsed:
        """Read the pages of one ``fetch``; see ``feed.Feed``.

        Raises:
            FeedError: if nothing of it can be read, or rows are missing.
        """
        tables = [_table(page) for page in pages]
        rows = [row for table, _ in tables for row in table]
        announced = max((total for _, total in tables), default=0)
        if len(rows) != announced:
            text = f"{self.source}: {announced} rows are announced for {asked.zone}, found {len(rows)}: ask again"
            raise FeedError(reason="truncated", message=text)
        respondent = self._respondent(asked.zone)
        generated: list[Generated] = []
        spoilt: list[Spoilt] = []
        for row in rows:
            one = _read(row, respondent)
            (generated if isinstance(one, Generated) else spoilt).append(one)  # type: ignore[arg-type]
        found = mixed(generated, spoilt, wanted_sets(self._settings.factor_sets, self.source), asked, fuels_of("eia"))
        return finished(found.values, found.refusals(), asked, self.steps_s, pages)

    def _respondent(self, zone: str) -> str:
        known = zones().get(zone)
        name = self._settings.names.get(zone) or (known.eia_respondent if known else None)
        return name or not_found(self.source, zone, "balancing authority of form 930")

    def _query(self, asked: Asked) -> tuple[tuple[str, str], ...]:
        first_ms = -(-asked.start_ms // HOUR_MS) * HOUR_MS + HOUR_MS
        return (
            ("frequency", "hourly"),
            ("data[]", "value"),
            ("facets[respondent][]", self._respondent(asked.zone)),
            ("start", _label(first_ms)),
            ("end", _label(asked.end_ms)),
            ("sort[0][column]", "period"),
            ("sort[0][direction]", "asc"),
            ("sort[1][column]", "fueltype"),
            ("sort[1][direction]", "asc"),
        )


def _label(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms // 1_000, UTC).strftime("%Y-%m-%dT%H")


def _table(page: Page) -> tuple[list[object], int]:
    """Give the rows of a page and how many there are in all.

    Raises:
        FeedError: if the page has another shape.
    """
    try:
        response = member(load(page.body, "answer of EIA"), "response", dict, "answer of EIA")
        total = number(member(response, "total", (int, str), "response"), "response.total", may_be_text=True)
        if total < 0 or total != int(total):
            msg = f"response.total: a count is needed, found {shown(total)}"
            raise ShapeError(msg)
        frequency = member(response, "frequency", str, "response")
        if frequency != "hourly":
            msg = f"response.frequency: hourly (UTC) is needed, found {shown(frequency)}"
            raise ShapeError(msg)
        return member(response, "data", list, "response"), int(total)
    except ShapeError as error:
        raise FeedError(reason="unknown_shape", message=str(error)) from None


def _read(row: object, respondent: str) -> Generated | Spoilt:
    """Give what one row states, or what cannot be read of it."""
    try:
        label = member(row, "period", str, "row")
    except ShapeError as error:
        return Spoilt("unknown_shape", str(error))
    try:
        if not _HOUR.fullmatch(label):
            return Spoilt("bad_time", f"row.period: an hour such as 2025-01-31T23 is needed, found {shown(label)}")
        end_ms = utc_ms(f"{label}:00Z")
    except ValueError:
        return Spoilt("bad_time", f"row.period: there is no hour {shown(label)}")
    try:
        found = member(row, "respondent", str, "row")
        if found != respondent:
            text = f"row.respondent: {respondent} was asked for, found {shown(found)}"
            return Spoilt("wrong_zone", text, end_ms - HOUR_MS, end_ms)
        unit = member(row, "value-units", str, "row")
        if unit != UNIT:
            text = f"row.value-units: {UNIT} is needed, found {shown(unit)}"
            return Spoilt("wrong_unit", text, end_ms - HOUR_MS, end_ms)
        fuel = member(row, "fueltype", str, "row")
        value = member(row, "value", (int, float, str, type(None)), "row")
    except ShapeError as error:
        return Spoilt("unknown_shape", str(error), end_ms - HOUR_MS, end_ms)
    try:
        mwh = None if value is None else number(value, f"row.value of {shown(fuel)}", may_be_text=True)
    except ShapeError as error:
        return Spoilt("bad_value", str(error), end_ms - HOUR_MS, end_ms)
    return Generated(fuel, end_ms - HOUR_MS, end_ms, mwh)

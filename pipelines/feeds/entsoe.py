"""ENTSO-E Transparency Platform: actual generation by production type (document A75, process A16).

What belongs here: asking, and the document's header, acknowledgements and time series. What must not be here: points of
a period (``entsoe_period``), intensities (``mix``).

Reference: ENTSO-E Transparency Platform RESTful API, Implementation guide 16.1.B&C; times are starts, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from models.zones import zones
from pipelines.feeds.entsoe_period import generated_of
from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Refusal, Settings
from pipelines.feeds.finish import finished, not_found, secret
from pipelines.feeds.mix import Generated, Spoilt, fuels_of, mixed, wanted_sets
from pipelines.feeds.stamps import utc_ms
from pipelines.feeds.strict_json import ShapeError, shown
from pipelines.feeds.strict_xml import Element, load

if TYPE_CHECKING:
    from pipelines.feeds.web import Web

ROOT = "https://web-api.tp.entsoe.eu"
PATH = "/api"
DOCUMENT, PROCESS = "A75", "A16"
UNIT = "MAW"
NO_DATA = ("999", "no matching data")
"""Code and beginning of the text by which an acknowledgement says that there are no data."""
ROOT_PARTS = frozenset({"time_Period.timeInterval", "TimeSeries", "Reason"})
SERIES_PARTS = frozenset({"MktPSRType", "Period", "Reason"})
"""Elements with parts of their own that a document and a time series may hold."""
PRODUCED, CONSUMED = "inBiddingZone_Domain.mRID", "outBiddingZone_Domain.mRID"


class Entsoe:
    """ENTSO-E generation by type; see ``feed.Feed``."""

    source = "entsoe"
    title = "Transparency Platform, actual generation by production type (ENTSO-E)"
    licence = "CC BY 4.0"
    longest = timedelta(days=31)
    steps_s = (900, 1_800, 3_600)
    lag = timedelta(hours=2)
    needs = ("ENTSOE_API_TOKEN",)

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, now_ms: Callable[[], int]) -> None:
        """Take settings and environment; nothing is asked yet."""
        self._settings, self._environ, self._now_ms = settings, environ, now_ms

    def fetch(self, web: Web, asked: Asked) -> list[Page]:
        """Ask for a range; an error comes as a document too, so 400 is an answer.

        Raises:
            FeedError: if there is no complete answer.
        """
        token = secret(self._settings.token_env or self.needs[0], self._environ, self.source)
        params = (
            ("documentType", DOCUMENT),
            ("processType", PROCESS),
            ("in_Domain", self._eic(asked.zone)),
            ("periodStart", _label(asked.start_ms)),
            ("periodEnd", _label(asked.end_ms)),
            ("securityToken", token),
        )
        url = f"{self._settings.url or ROOT}{PATH}"
        return [web.get(url, params=params, secrets=(token,), accept=(200, 400))]

    def parse(self, pages: Sequence[Page], asked: Asked) -> Parsed:
        """Read the document; see ``feed.Feed``.

        Raises:
            FeedError: if nothing of it can be read, or the provider refuses the request.
        """
        generated: list[Generated] = []
        spoilt: list[Spoilt] = []
        created: list[int] = []
        refusals: list[Refusal] = []
        for page in pages:
            root = self._document(page)
            if root is None:
                continue
            created.append(_created_ms(root))
            series = root.all("TimeSeries")
            if not series:
                refusals.append(Refusal("unknown_shape", "the document has no TimeSeries"))
            for one in series:
                parts, holes = _series(one, self._eic(asked.zone))
                generated += parts
                spoilt += holes
        found = mixed(
            generated, spoilt, wanted_sets(self._settings.factor_sets, self.source), asked, fuels_of("entsoe")
        )
        values = [replace(value, updated_ms=max(created)) for value in found.values]
        return finished(values, (*refusals, *found.refusals()), asked, self.steps_s, pages)

    def _eic(self, zone: str) -> str:
        known = zones().get(zone)
        name = self._settings.names.get(zone) or (known.entsoe_eic if known else None)
        return name or not_found(self.source, zone, "EIC code of an area of ENTSO-E")

    def _document(self, page: Page) -> Element | None:
        """Give the generation document, None where the provider says that there are no data.

        Raises:
            FeedError: if it is something else.
        """
        root = load(page.body, "answer of ENTSO-E")
        if root.name == "Acknowledgement_MarketDocument":
            _acknowledged(root, page.status)
            return None
        try:
            _known_only(root, ROOT_PARTS)
            kind = (root.name, root.only_text("type"), root.only_text("process.processType"))
        except ShapeError as error:
            raise FeedError(reason="unknown_shape", message=f"answer of ENTSO-E: {error}") from None
        if kind != ("GL_MarketDocument", DOCUMENT, PROCESS):
            text = f"answer of ENTSO-E: GL_MarketDocument {DOCUMENT}/{PROCESS} is needed, found {shown(kind)}"
            raise FeedError(reason="wrong_unit", message=text)
        return root


def _known_only(element: Element, known: frozenset[str]) -> None:
    """Refuse an element with parts that we do not know.

    Raises:
        ShapeError: if there is one.
    """
    unknown = element.unknown_part(known)
    if unknown is not None:
        msg = f"{element.name}: one of {', '.join(sorted(known))} is needed, found {shown(unknown)}"
        raise ShapeError(msg)


def _label(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms // 1_000, UTC).strftime("%Y%m%d%H%M")


def _acknowledged(root: Element, status: int) -> None:
    """Return where an acknowledgement says that there are no data.

    Raises:
        FeedError: for any other acknowledgement.
    """
    try:
        code, text = root.only_text("Reason", "code"), root.only_text("Reason", "text")
    except ShapeError as error:
        raise FeedError(reason="unknown_shape", message=f"answer of ENTSO-E: {error}", status=status) from None
    if code == NO_DATA[0] and text.lower().startswith(NO_DATA[1]):
        return
    low = text.lower()
    reason = "unauthorised" if any(word in low for word in ("unauthori", "token", "not authori")) else "bad_request"
    if any(word in low for word in ("too many requests", "max allowed requests")):
        reason = "rate_limited"
    raise FeedError(reason=reason, message=f"ENTSO-E refuses with code {code[:8]}: {shown(text)}", status=status)


def _created_ms(root: Element) -> int:
    """Give when the document was made [epoch ms UTC].

    Raises:
        FeedError: if it does not say.
    """
    try:
        return utc_ms(root.only_text("createdDateTime"))
    except ShapeError as error:
        raise FeedError(reason="unknown_shape", message=f"answer of ENTSO-E: {error}") from None
    except ValueError as error:
        raise FeedError(reason="bad_time", message=f"answer of ENTSO-E, createdDateTime: {error}") from None


def _series(series: Element, eic: str) -> tuple[list[Generated], list[Spoilt]]:
    """Give what one time series states; nothing of consumption, such as pumping."""
    generated: list[Generated] = []
    spoilt: list[Spoilt] = []
    try:
        _known_only(series, SERIES_PARTS)
        domains = {name: series.optional(name) for name in (PRODUCED, CONSUMED)}
        stated = {name: one.text.strip() for name, one in domains.items() if one is not None}
        if len(stated) != 1:
            return [], [Spoilt("unknown_shape", f"TimeSeries: one of {PRODUCED} and {CONSUMED} is needed")]
        if set(stated.values()) != {eic}:
            text = f"TimeSeries: {eic} was asked for, found {shown(next(iter(stated.values())))}"
            return [], [Spoilt("wrong_zone", text)]
        unit = series.only_text("quantity_Measure_Unit.name")
        if unit != UNIT:
            return [], [Spoilt("wrong_unit", f"TimeSeries: {UNIT} is needed, found {shown(unit)}")]
        code, curve = series.only_text("MktPSRType", "psrType"), series.only_text("curveType")
        periods = series.all("Period")
        if not periods:
            return [], [Spoilt("unknown_shape", f"TimeSeries of {shown(code)}: Period is missing")]
    except ShapeError as error:
        return [], [Spoilt("unknown_shape", str(error))]
    for period in () if CONSUMED in stated else periods:
        found = generated_of(period, code, curve)
        if isinstance(found, Spoilt):
            spoilt.append(found)
        else:
            generated += found
    return generated, spoilt

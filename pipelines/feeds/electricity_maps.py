"""Electricity Maps v3: hourly, flow-traced intensity of a zone, by lifecycle and by direct emission factors.

What belongs here: this source's addresses and fields. What must not be here: judging that is the same for all.

Without a zone that it knows, the service answers for the caller's own address: that is switched off by both names it
has had, and an answer for another zone is refused. ``past-range`` needs a paid plan; ``history`` (the last 24 hours)
does not. ``createdAt`` may lie before the hour itself and is not used.

Reference: Electricity Maps API reference v3; names also as in the Electricity Maps Python SDK 0.0.1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from pipelines.feeds.access import iso_utc, signals, variable
from pipelines.feeds.feed import Asked, Page, Parsed, Settings, Value
from pipelines.feeds.judge import Tally, judge
from pipelines.feeds.strict_json import ShapeError, member, number, page_json, refused, stated, time_ms

if TYPE_CHECKING:
    from pipelines.feeds.web import Web

ROOT = "https://api.electricitymaps.com/v3"
TOKEN_VARIABLE = "ELECTRICITY_MAPS_TOKEN"  # noqa: S105 - the name of a variable
FACTOR_SET = "electricity_maps"
BASES = {"lifecycle": "lifecycle", "direct": "operational"}
"""Our basis by the provider's ``emissionFactorType``."""
FREE = "history"
"""The signal that asks for the last 24 hours, which the free plan covers, in place of the range."""
GRANULARITY = "hourly"
STEP_S = 3_600
_UNIT = "gCO2eq/kWh"
_LISTS = ("data", "history")


class ElectricityMaps:
    """Client of Electricity Maps."""

    source = "electricity_maps"
    title = "Electricity Maps API v3"
    licence = "contract with Electricity Maps; no passing on without their consent"
    longest = timedelta(days=10)
    steps_s: tuple[int, ...] = (STEP_S,)
    lag = timedelta(hours=2)
    needs: tuple[str, ...] = (TOKEN_VARIABLE,)

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, now_ms: Callable[[], int]) -> None:
        """Take address, signals and names from the settings; the token is read when it is needed.

        Args:
            settings: the feed's configuration; ``signals`` holds ``lifecycle``, ``direct`` and perhaps ``history``.
            environ: the environment.
            now_ms: our clock [epoch ms UTC]; not used.

        Raises:
            FeedError: ``not_configured`` for a signal that there is not.
        """
        wanted = signals(settings, tuple(BASES), (*BASES, FREE), self.title)
        self._types = tuple(name for name in wanted if name != FREE) or tuple(BASES)
        self._is_free = FREE in wanted
        self._root, self._names, self._environ = settings.url or ROOT, settings.names, environ
        self.needs = (settings.token_env or TOKEN_VARIABLE,)

    def fetch(self, web: Web, asked: Asked) -> list[Page]:
        """Ask for a range of at most 10 days (or the last 24 hours); one page for each emission factor type."""
        token = variable(self._environ, self.needs[0], self.title)
        return [self._page(web, asked, name, token) for name in self._types]

    def _page(self, web: Web, asked: Asked, factor_type: str, token: str) -> Page:
        span = () if self._is_free else (("start", iso_utc(asked.start_ms)), ("end", iso_utc(asked.end_ms)))
        params = [
            ("zone", self._name(asked)),
            *span,
            ("emissionFactorType", factor_type),
            ("temporalGranularity", GRANULARITY),
            ("disableEstimations", "false"),
            ("disableCallerLookup", "true"),
            ("shouldUseFallbackCallerLookup", "false"),
        ]
        path = "history" if self._is_free else "past-range"
        headers = {"auth-token": token, "Accept": "application/json"}
        return web.get(f"{self._root}/carbon-intensity/{path}", params=params, headers=headers, secrets=[token])

    def _name(self, asked: Asked) -> str:
        return self._names.get(asked.zone, asked.zone)

    def parse(self, pages: Sequence[Page], asked: Asked) -> Parsed:
        """Read the points of every page, with the basis that the page was asked for and that each point confirms."""
        tally, values = Tally(), list[Value]()
        for page in pages:
            try:
                found = page_json(page)
                points = self._points(found, asked)
            except ShapeError as error:
                raise refused(page, error) from None
            for where, point in points:
                try:
                    value = self._value(point, where, page, asked)
                except ShapeError as error:
                    tally.add(error.reason, str(error))
                else:
                    # ``history`` gives the last day, whatever part of it is wanted.
                    if "history" not in found or asked.start_ms <= value.start_ms < asked.end_ms:
                        values.append(value)
        now_ms = max((page.fetched_ms for page in pages), default=asked.end_ms)
        return judge(values, asked, steps_s=self.steps_s, now_ms=now_ms, refusals=tally.refusals())

    def _points(self, found: Any, asked: Asked) -> list[tuple[str, Any]]:  # noqa: ANN401
        """Give the points of an answer: a list of them in an envelope, one in an envelope, or one alone."""
        if isinstance(found, dict) and "zone" in found:
            stated(found["zone"], self._name(asked), "wrong_zone", "zone")
            _same_kind(found, "answer")
        name = next((name for name in _LISTS if isinstance(found, dict) and name in found), None)
        if name is None:
            member(found, "carbonIntensity", object, "answer")
            return [("answer", found)]
        inner = member(found, name, (dict, list), "answer")
        if isinstance(inner, dict):
            return [(name, inner)]
        return [(f"{name}[{place}]", point) for place, point in enumerate(inner)]

    def _value(self, point: Any, where: str, page: Page, asked: Asked) -> Value:  # noqa: ANN401
        stated(member(point, "zone", object, where), self._name(asked), "wrong_zone", f"{where}.zone")
        _same_kind(point, where)
        start_ms = time_ms(member(point, "datetime", object, where), f"{where}.datetime")
        grams = number(member(point, "carbonIntensity", object, where), f"{where}.carbonIntensity")
        is_estimate = member(point, "isEstimated", bool, where)
        updated = point.get("updatedAt")
        updated_ms = None if updated is None else time_ms(updated, f"{where}.updatedAt")
        basis = BASES[_factor_type(point, where, page)]
        end_ms = start_ms + STEP_S * 1000
        series = ("average", basis, "consumption", FACTOR_SET)
        return Value(asked.zone, start_ms, end_ms, grams, *series, is_estimate, updated_ms)


def _same_kind(found: dict[str, Any], where: str) -> None:
    """Refuse a step or unit other than the one we ask for, where one is stated.

    Raises:
        ShapeError: ``bad_interval`` or ``wrong_unit``.
    """
    if found.get("temporalGranularity") is not None:
        stated(found["temporalGranularity"], GRANULARITY, "bad_interval", f"{where}.temporalGranularity")
    if found.get("unit") is not None:
        stated(found["unit"], _UNIT, "wrong_unit", f"{where}.unit")


def _factor_type(point: dict[str, Any], where: str, page: Page) -> str:
    """Give the emission factor type that was asked for and that the point, if it states one, agrees with.

    Raises:
        ShapeError: ``wrong_unit`` if they differ or the type is none that we know.
    """
    asked_for = parse_qs(urlsplit(page.url).query).get("emissionFactorType", [None])[0]
    said = point.get("emissionFactorType", asked_for)
    if asked_for is not None:
        stated(said, asked_for, "wrong_unit", f"{where}.emissionFactorType")
    if not isinstance(said, str) or said not in BASES:
        detail = f"{where}.emissionFactorType: {' or '.join(BASES)} is needed, found {str(said)[:40]!r}"
        raise ShapeError(detail, reason="wrong_unit")
    return said

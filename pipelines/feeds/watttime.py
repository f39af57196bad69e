"""WattTime v3: marginal (``co2_moer``) and average (``co2_aoer``) rates of a region, from pounds a megawatt-hour.

What belongs here: this source's addresses, login and fields. What must not be here: judging that is the same for all.

Marginal rates serve decisions; they are kept apart from averages by ``kind`` and never go into an inventory. A rate
comes from a model with a date, and models differ: the date is the factor set. Both ends of a range are inclusive here,
so the end is moved back by one step. Regions differ by signal and are not our zones: the configuration's ``names`` maps
them.

Reference: WattTime API documentation v3; unit and chunks also as in the WattTime Python client (7c5c56df0bf0).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipelines.feeds.access import iso_utc, signals, variable
from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Settings, Value
from pipelines.feeds.judge import Tally, judge
from pipelines.feeds.strict_json import ShapeError, member, number, page_json, refused, stated, text, time_ms

if TYPE_CHECKING:
    from pipelines.feeds.web import Web

ROOT = "https://api.watttime.org"
USER_VARIABLE, PASSWORD_VARIABLE = "WATTTIME_USER", "WATTTIME_PASSWORD"
UNIT = "lbs_co2_per_mwh"
GRAMS_PER_POUND = 453.59237
"""One avoirdupois pound [g], exact by definition (International yard and pound agreement, 1959)."""
KWH_PER_MWH = 1000
SIGNALS: Mapping[str, tuple[str, str, tuple[int, ...]]] = {
    "co2_moer": ("marginal", "consumption", (300,)),
    "co2_aoer": ("average", "production", (300, 3600)),
}
"""Kind, flow and steps [s] by signal. The marginal rate counts what a change of load does in neighbouring regions too;
the average rate counts the generators of the region and no imports (WattTime, "Marginal CO2" and "Average CO2")."""
TOKEN_LIFE_MS = 25 * 60_000
"""How long a token is used [ms]; it is valid for 30 minutes."""
RATE_PER_S, BURST_N = 10.0, 20
"""Its limit is 3,000 requests in any 5 minutes, 10 a second on average (WattTime documentation)."""
_STEP_MS = 300_000


class WattTime:
    """Client of WattTime."""

    source = "watttime"
    title = "WattTime API v3"
    licence = "contract with WattTime; no passing on without their consent"
    longest = timedelta(days=30)
    steps_s: tuple[int, ...] = (300, 3600)
    lag = timedelta(minutes=10)
    needs: tuple[str, ...] = (USER_VARIABLE, PASSWORD_VARIABLE)

    def __init__(self, settings: Settings, environ: Mapping[str, str], *, now_ms: Callable[[], int]) -> None:
        """Take address, signals and region names from the settings; the login is made when it is needed.

        Args:
            settings: the feed's configuration; ``names`` must hold the region of every zone that is asked for.
            environ: the environment.
            now_ms: our clock [epoch ms UTC], for the age of the token.

        Raises:
            FeedError: ``not_configured`` for a signal that there is not.
        """
        self._signals = signals(settings, ("co2_moer",), SIGNALS, self.title)
        self._root, self._names, self._environ = settings.url or ROOT, settings.names, environ
        self.needs = (settings.user_env or USER_VARIABLE, settings.password_env or PASSWORD_VARIABLE)
        self._now_ms = now_ms
        self._token, self._token_ms = "", 0

    def fetch(self, web: Web, asked: Asked) -> list[Page]:
        """Ask for a range of at most 30 days; one page for each signal."""
        web.limit(self._root, rate_per_s=RATE_PER_S, burst_n=BURST_N)
        return [self._page(web, asked, signal) for signal in self._signals]

    def _region(self, asked: Asked) -> str:
        region = self._names.get(asked.zone)
        if not region:
            msg = f"{self.title}: which of its regions is {asked.zone!r}? Set it under `names` of this feed"
            raise FeedError(reason="not_configured", message=msg)
        return region

    def _page(self, web: Web, asked: Asked, signal: str) -> Page:
        params = [
            ("region", self._region(asked)),
            ("start", iso_utc(asked.start_ms)),
            ("end", iso_utc(asked.end_ms - _STEP_MS)),
            ("signal_type", signal),
        ]
        is_fresh = self._ensure_token(web)
        try:
            return self._historical(web, params)
        except FeedError as error:
            if error.status != 401 or is_fresh:
                raise
        self._token = ""
        self._ensure_token(web)
        return self._historical(web, params)

    def _historical(self, web: Web, params: list[tuple[str, str]]) -> Page:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        return web.get(f"{self._root}/v3/historical", params=params, headers=headers, secrets=[self._token])

    def _ensure_token(self, web: Web) -> bool:
        """Log in unless there is a token young enough; give whether a login was made."""
        if self._token and self._now_ms() - self._token_ms < TOKEN_LIFE_MS:
            return False
        user, password = (variable(self._environ, name, self.title) for name in self.needs)
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Accept": "application/json"}
        page = web.get(f"{self._root}/login", headers=headers, secrets=[basic, password])
        try:
            self._token = text(page_json(page), "token", "login")
        except ShapeError:
            # Nothing of the answer is shown: a token may stand in it under another name.
            msg = f"{self.title}: the answer to the login holds no token"
            raise FeedError(reason="unknown_shape", message=msg, status=page.status) from None
        self._token_ms = self._now_ms()
        return True

    def parse(self, pages: Sequence[Page], asked: Asked) -> Parsed:
        """Read the points of every page; region, signal, unit and step must be the ones asked for."""
        tally, values = Tally(), list[Value]()
        for page in pages:
            try:
                found = page_json(page)
                series = self._series(member(found, "meta", object, "answer"))
                points = member(found, "data", list, "answer")
            except ShapeError as error:
                raise refused(page, error) from None
            self._check_region(found["meta"], page, asked)
            for place, point in enumerate(points):
                try:
                    values.append(series.value(point, f"data[{place}]", asked))
                except ShapeError as error:
                    tally.add(error.reason, str(error))
        now_ms = max((page.fetched_ms for page in pages), default=asked.end_ms)
        return judge(values, asked, steps_s=self.steps_s, now_ms=now_ms, refusals=tally.refusals())

    def _check_region(self, meta: dict[str, Any], page: Page, asked: Asked) -> None:
        try:
            stated(member(meta, "region", object, "meta"), self._region(asked), "wrong_zone", "meta.region")
            _check_signal(meta, page)
        except ShapeError as error:
            raise refused(page, error) from None

    def _series(self, meta: Any) -> _Series:  # noqa: ANN401
        """Give what the values of a page have in common.

        Raises:
            ShapeError: if it is not one of the signals wanted, in the unit and with a step that it may have.
        """
        signal = text(meta, "signal_type", "meta")
        if signal not in self._signals:
            detail = f"meta.signal_type: {' or '.join(self._signals)} was asked for, found {signal[:40]!r}"
            raise ShapeError(detail, reason="wrong_unit")
        stated(member(meta, "units", object, "meta"), UNIT, "wrong_unit", "meta.units")
        kind, flow, steps_s = SIGNALS[signal]
        step_s = member(meta, "data_point_period_seconds", object, "meta")
        if type(step_s) is not int or step_s not in steps_s:
            detail = f"meta.data_point_period_seconds: one of {steps_s} is needed, found {str(step_s)[:40]!r}"
            raise ShapeError(detail, reason="bad_interval")
        model = text(member(meta, "model", object, "meta"), "date", "meta.model")
        return _Series(kind, flow, step_s * 1000, f"watttime_{_model_date(model)}")


class _Series:
    """Kind, flow, step and factor set of one page."""

    def __init__(self, kind: str, flow: str, step_ms: int, factor_set: str) -> None:
        self.kind, self.flow, self.step_ms, self.factor_set = kind, flow, step_ms, factor_set

    def value(self, point: Any, where: str, asked: Asked) -> Value:  # noqa: ANN401
        """Give the value of a point.

        Raises:
            ShapeError: if it cannot be taken.
        """
        start_ms = time_ms(member(point, "point_time", object, where), f"{where}.point_time")
        pounds_per_mwh = number(member(point, "value", object, where), f"{where}.value")
        grams = pounds_per_mwh * GRAMS_PER_POUND / KWH_PER_MWH
        # Both fields are left out where there is nothing to say.
        imputed, updated = point.get("imputed_data_used"), point.get("last_updated")
        is_estimate = imputed is not None and member(point, "imputed_data_used", bool, where)
        updated_ms = None if updated is None else time_ms(updated, f"{where}.last_updated")
        end_ms = start_ms + self.step_ms
        series = (self.kind, "operational", self.flow, self.factor_set)
        return Value(asked.zone, start_ms, end_ms, grams, *series, is_estimate, updated_ms)


def _model_date(date: str) -> str:
    """Give the date of a model, such as ``2023-03-01``.

    Raises:
        ShapeError: ``unknown_shape`` if it is no date.
    """
    if len(date) != len("2023-03-01"):
        detail = f"meta.model.date: a date is needed, found {date[:40]!r}"
        raise ShapeError(detail)
    try:
        time_ms(f"{date}T00:00Z", "meta.model.date")
    except ShapeError as error:
        raise ShapeError(str(error)) from None
    return date


def _check_signal(meta: dict[str, Any], page: Page) -> None:
    """Refuse a page that answers for another signal than its address asks for.

    Raises:
        ShapeError: ``wrong_unit``.
    """
    signal = meta["signal_type"]
    if "signal_type=" in page.url and f"signal_type={signal}" not in page.url:
        detail = f"meta.signal_type: found {signal!r}, which was not asked for"
        raise ShapeError(detail, reason="wrong_unit")

"""NESO: ``actual`` of the half hour asked for, combustion only, with imports; a forecast never stands in for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.feeds.feed import Asked, FeedError, Page, Settings, Value
from pipelines.feeds.neso import Neso
from pipelines.feeds.web import Web
from tests.support.feed_server import millis, serving_feeds

ASKED = Asked("GB", millis("2018-01-20T12:00Z"), millis("2018-01-20T13:30Z"))
NESO = Neso(Settings(), {}, now_ms=lambda: 0)


def point(start: str, end: str, actual: Any, forecast: int = 266) -> dict[str, Any]:
    return {"from": start, "to": end, "intensity": {"forecast": forecast, "actual": actual, "index": "moderate"}}


def page(*points: dict[str, Any]) -> Page:
    return Page("https://x/intensity", 200, {}, json.dumps({"data": points}).encode(), millis("2018-01-20T14:00Z"))


def test_actual_is_taken_and_null_is_no_value() -> None:
    pages = [
        page(
            point("2018-01-20T11:30Z", "2018-01-20T12:00Z", 271),  # ends when the range begins: given, not asked for
            point("2018-01-20T12:00Z", "2018-01-20T12:30Z", 263),
            point("2018-01-20T12:30Z", "2018-01-20T13:00Z", 0, forecast=3),
            point("2018-01-20T13:00Z", "2018-01-20T13:30Z", None),
        )
    ]
    parsed = NESO.parse(pages, ASKED)
    series = ("average", "operational", "consumption", "neso", False)
    # 2018-01-20T12:00Z is 17,551 days and 12 h after 1970: (17,551 x 24 + 12) x 3,600 s = 1,516,449,600 s
    noon_ms = 1_516_449_600_000
    assert parsed.values == (
        Value("GB", noon_ms, noon_ms + 1_800_000, 263.0, *series),
        Value("GB", noon_ms + 1_800_000, noon_ms + 3_600_000, 0.0, *series),
    )
    (refusal,) = parsed.refusals
    assert (refusal.reason, refusal.values_n) == ("no_value", 1)
    assert "data[3].intensity.actual" in refusal.detail


def test_the_regional_shape_is_not_taken_for_the_national_one() -> None:
    regional = {"data": [{"from": "2018-01-20T12:00Z", "to": "2018-01-20T12:30Z", "regions": [{"regionid": 1}]}]}
    pages = [Page("u", 200, {}, json.dumps(regional).encode(), ASKED.end_ms)]
    assert [refusal.reason for refusal in NESO.parse(pages, ASKED).refusals] == ["unknown_shape"]


def test_the_range_stands_in_the_path_in_utc() -> None:
    with serving_feeds() as feeds:
        feed = Neso(Settings(url=feeds.url("neso")), {}, now_ms=lambda: 0)
        feed.fetch(Web(environ={}), ASKED)
        assert [request.path for request in feeds.seen] == ["/neso/intensity/2018-01-20T12:00Z/2018-01-20T13:30Z"]


def test_another_zone_is_not_asked_for() -> None:
    with pytest.raises(FeedError, match="GB only") as caught:
        NESO.fetch(Web(environ={}), Asked("FR", ASKED.start_ms, ASKED.end_ms))
    assert caught.value.reason == "not_found"


def test_a_signal_that_there_is_not_is_refused() -> None:
    with pytest.raises(FeedError, match="forecast") as caught:
        Neso(Settings(signals=("forecast",)), {}, now_ms=lambda: 0)
    assert caught.value.reason == "not_configured"

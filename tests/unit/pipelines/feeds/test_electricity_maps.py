"""Electricity Maps: two bases kept apart, the zone checked, the caller's own zone never taken, all shapes read."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.feeds.electricity_maps import ElectricityMaps
from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Settings, Value
from pipelines.feeds.web import Web
from tests.support.feed_server import HISTORY_MS, HOUR_MS, TOKEN, Feeds, figure, millis, serving_feeds

ASKED = Asked("DE", millis("2024-03-05T20:00Z"), millis("2024-03-05T22:00Z"))
ENVIRON = {"ELECTRICITY_MAPS_TOKEN": TOKEN}


def made(environ: dict[str, str] | None = None, **settings: Any) -> ElectricityMaps:
    return ElectricityMaps(Settings(**settings), ENVIRON if environ is None else environ, now_ms=lambda: 0)


def point(**other: Any) -> dict[str, Any]:
    return {
        "zone": "DE",
        "carbonIntensity": 599,
        "datetime": "2024-03-05T20:00:00.000Z",
        "updatedAt": "2024-03-06T15:48:54.012Z",
        "createdAt": "2024-03-02T20:47:49.346Z",
        "emissionFactorType": "lifecycle",
        "isEstimated": False,
        "estimationMethod": None,
    } | other


def parsed(found: Any, feed: ElectricityMaps | None = None, query: str = "", asked: Asked = ASKED) -> Parsed:
    url = f"https://x/carbon-intensity/past-range?{query}"
    pages = [Page(url, 200, {}, json.dumps(found).encode(), millis("2024-03-08T00:00Z"))]
    return (feed or made()).parse(pages, asked)


# 2024-03-05T20:00Z is 19,787 days and 20 h after 1970: (19,787 x 24 + 20) x 3,600 s = 1,709,668,800 s.
# Changed at 2024-03-06T15:48:54.012Z, 19 h 48 min 54.012 s later: + 71,334.012 s.
EIGHT_PM_MS = 1_709_668_800_000
RIGHT = Value(
    "DE", EIGHT_PM_MS, EIGHT_PM_MS + 3_600_000, 599.0, "average", "lifecycle", "consumption", "electricity_maps", False,
    EIGHT_PM_MS + 71_334_012,
)  # fmt: skip


@pytest.mark.parametrize(
    "found",
    [
        {"zone": "DE", "data": [point()], "temporalGranularity": "hourly"},
        {"zone": "DE", "history": [point()]},
        {"aggregationPeriod": "hourly", "data": point()},
        point(),
    ],
    ids=["past-range", "history", "past in an envelope", "past, flat"],
)
def test_every_shape_gives_the_same_value(found: Any) -> None:
    assert parsed(found) == Parsed((RIGHT,))


def test_direct_factors_are_operational_and_estimates_are_marked() -> None:
    found = parsed(point(emissionFactorType="direct", isEstimated=True), query="emissionFactorType=direct")
    assert [(value.basis, value.is_estimate) for value in found.values] == [("operational", True)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"carbonIntensity": None}, "no_value"),
        ({"zone": "US-CAR-DUK"}, "wrong_zone"),
        ({"emissionFactorType": "direct"}, "wrong_unit"),
        ({"emissionFactorType": "marginal"}, "wrong_unit"),
        ({"temporalGranularity": "5_minutes"}, "bad_interval"),
        ({"unit": "lbs/MWh"}, "wrong_unit"),
        ({"datetime": "2024-03-05T20:00:00"}, "bad_time"),
        ({"updatedAt": "2999-01-01T00:00:00Z"}, "bad_time"),
        ({"isEstimated": None}, "unknown_shape"),
    ],
)
def test_a_point_that_says_something_else_is_refused(change: dict[str, Any], reason: str) -> None:
    found = parsed({"zone": "DE", "data": [point(**change)]}, query="emissionFactorType=lifecycle")
    assert (found.values, [refusal.reason for refusal in found.refusals]) == ((), [reason])


def test_an_answer_for_the_callers_own_zone_is_refused() -> None:
    with pytest.raises(FeedError, match="'DE' was asked for, found 'US-CAR-DUK'") as caught:
        parsed({"zone": "US-CAR-DUK", "data": []})
    assert caught.value.reason == "wrong_zone"


def test_without_a_stated_type_the_question_decides_and_without_both_nothing_does() -> None:
    bare = point()
    del bare["emissionFactorType"]
    assert parsed(bare, query="emissionFactorType=direct").values[0].basis == "operational"
    assert [refusal.reason for refusal in parsed(bare).refusals] == ["wrong_unit"]


def test_zone_na_is_namibia() -> None:
    asked = Asked("NA", ASKED.start_ms, ASKED.end_ms)
    assert [value.zone for value in parsed(point(zone="NA"), asked=asked).values] == ["NA"]


def test_both_bases_are_asked_for_with_the_caller_lookup_off_by_both_names() -> None:
    with serving_feeds() as feeds:
        feed, asked = made(url=feeds.url("electricity_maps"), names={"XX": "DE"}), Asked("XX", *ASKED_MS)
        pages = feed.fetch(Web(environ={}), asked)
        queries = [parse_qs(urlsplit(request.path).query) for request in feeds.seen]
        for query, factor_type in zip(queries, ("lifecycle", "direct"), strict=True):
            assert query["emissionFactorType"] == [factor_type]
            assert (query["zone"], query["start"], query["end"]) == (["DE"], [START], [END])
            assert (query["disableCallerLookup"], query["shouldUseFallbackCallerLookup"]) == (["true"], ["false"])
        assert all(request.headers["auth-token"] == TOKEN for request in feeds.seen)
        assert {value.zone for value in feed.parse(pages, asked).values} == {"XX"}
        assert TOKEN not in repr(pages)


ASKED_MS = (ASKED.start_ms, ASKED.end_ms)
START, END = "2024-03-05T20:00:00Z", "2024-03-05T22:00:00Z"


def free(feeds: Feeds) -> ElectricityMaps:
    return made(url=feeds.url("electricity_maps"), signals=("lifecycle", "history"))


def test_the_free_plan_gives_of_the_last_day_what_was_asked_for() -> None:
    with serving_feeds() as feeds:
        asked = Asked("DE", HISTORY_MS[0] + 3 * HOUR_MS, HISTORY_MS[0] + 5 * HOUR_MS)
        feed = free(feeds)
        found = feed.parse(feed.fetch(Web(environ={}), asked), asked)
    assert [value.gco2e_per_kwh for value in found.values] == [figure(asked.start_ms), figure(asked.start_ms + HOUR_MS)]
    assert found.refusals == ()


def test_a_wrong_token_is_unauthorised_and_none_is_not_configured() -> None:
    with serving_feeds() as feeds:
        for environ, reason in (({"ELECTRICITY_MAPS_TOKEN": "zz9"}, "unauthorised"), ({}, "not_configured")):
            feed = made(environ, url=feeds.url("electricity_maps"))
            with pytest.raises(FeedError) as caught:
                feed.fetch(Web(environ={}), ASKED)
            assert caught.value.reason == reason
            assert "zz9" not in str(caught.value)


def test_settings_name_another_variable_and_wrong_signals_are_refused() -> None:
    assert made(token_env="MY_TOKEN").needs == ("MY_TOKEN",)
    with pytest.raises(FeedError, match="marginal"):
        made(signals=("marginal",))

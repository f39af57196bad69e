"""WattTime: pounds a megawatt-hour become grams, ends are inclusive, models stay apart, a login is kept and renewed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Settings, Value
from pipelines.feeds.watttime import WattTime
from pipelines.feeds.web import Web
from tests.support.feed_server import PASSWORD, TOKEN, USER, Feeds, millis, serving_feeds
from tests.support.stub_http import Reply, Request, as_json

ZONE = "US-CAL-CISO"
ASKED = Asked(ZONE, millis("2022-07-15T00:00Z"), millis("2022-07-15T00:10Z"))
ENVIRON = {"WATTTIME_USER": USER, "WATTTIME_PASSWORD": PASSWORD}
NAMES = {ZONE: "CAISO_NORTH"}


def made(now_ms: Any = lambda: 0, environ: dict[str, str] | None = None, **settings: Any) -> WattTime:
    return WattTime(Settings(**{"names": NAMES, **settings}), ENVIRON if environ is None else environ, now_ms=now_ms)


def answer(*values: float, start: str = "2022-07-15T00:{:02}:00+00:00", **meta: Any) -> dict[str, Any]:
    points = [{"point_time": start.format(5 * place), "value": value} for place, value in enumerate(values)]
    stated = {
        "data_point_period_seconds": 300,
        "region": "CAISO_NORTH",
        "signal_type": "co2_moer",
        "model": {"date": "2023-03-01"},
        "units": "lbs_co2_per_mwh",
        "warnings": [],
    }
    return {"data": points, "meta": stated | meta}


def parsed(*answers: dict[str, Any], feed: WattTime | None = None, asked: Asked = ASKED) -> Parsed:
    pages = [Page("https://x/v3/historical", 200, {}, json.dumps(one).encode(), asked.end_ms) for one in answers]
    return (feed or made()).parse(pages, asked)


def test_pounds_become_grams() -> None:
    found = parsed(answer(870, 860))
    # 870 lb/MWh x 453.59237 g/lb / 1000 kWh/MWh = 394,625.3619 / 1000 = 394.6253619 g/kWh
    # 860 x 453.59237 / 1000 = 390.0894382
    # 2022-07-15T00:00Z is 19,188 days after 1970: 19,188 x 86,400 s = 1,657,843,200 s
    start_ms = 1_657_843_200_000
    series = ("marginal", "operational", "consumption", "watttime_2023-03-01", False)
    assert found.refusals == ()
    first, second = found.values
    assert first.gco2e_per_kwh == pytest.approx(394.6253619, abs=1e-9)
    assert second.gco2e_per_kwh == pytest.approx(390.0894382, abs=1e-9)
    assert first == Value(ZONE, start_ms, start_ms + 300_000, first.gco2e_per_kwh, *series)
    assert second.start_ms == first.end_ms == start_ms + 300_000


def test_the_average_signal_is_production_and_may_be_hourly() -> None:
    asked = Asked(ZONE, ASKED.start_ms, ASKED.start_ms + 3_600_000)
    feed = made(signals=("co2_moer", "co2_aoer"))
    hourly = answer(500, signal_type="co2_aoer", data_point_period_seconds=3600)
    (found,) = parsed(hourly, feed=feed, asked=asked).values
    assert (found.kind, found.flow, found.end_ms - found.start_ms) == ("average", "production", 3_600_000)


def test_two_models_are_two_series() -> None:
    found = parsed(answer(870), answer(900, model={"date": "2024-06-01"}))
    assert [value.factor_set for value in found.values] == ["watttime_2023-03-01", "watttime_2024-06-01"]
    assert found.refusals == ()


def test_the_doubled_point_between_two_chunks_is_one_value() -> None:
    assert len(parsed(answer(870, 860), answer(870)).values) == 2


def test_what_was_imputed_is_an_estimate() -> None:
    one = answer(870)
    one["data"][0] |= {"imputed_data_used": True, "last_updated": "2022-07-15T00:05:00+00:00"}
    (found,) = parsed(one).values
    assert (found.is_estimate, found.updated_ms) == (True, ASKED.start_ms + 300_000)


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ({"units": "percentile"}, "wrong_unit"),
        ({"region": "PSCO"}, "wrong_zone"),
        ({"signal_type": "health_damage"}, "wrong_unit"),
        ({"signal_type": "co2_aoer"}, "wrong_unit"),
        ({"data_point_period_seconds": 3600}, "bad_interval"),
        ({"data_point_period_seconds": "300"}, "bad_interval"),
        ({"model": {}}, "unknown_shape"),
        ({"model": {"date": "newest"}}, "unknown_shape"),
    ],
)
def test_an_answer_that_states_something_else_is_refused(meta: dict[str, Any], reason: str) -> None:
    with pytest.raises(FeedError) as caught:
        parsed(answer(870, **meta))
    assert caught.value.reason == reason


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    with serving_feeds() as found:
        yield found


def paths(feeds: Feeds) -> list[str]:
    return [urlsplit(request.path).path.removeprefix("/watttime") for request in feeds.seen]


def test_the_end_is_moved_back_because_it_is_inclusive(feeds: Feeds) -> None:
    feed = made(url=feeds.url("watttime"))
    pages = feed.fetch(Web(environ={}), ASKED)
    query = parse_qs(urlsplit(feeds.seen[-1].path).query)
    assert (query["start"], query["end"]) == (["2022-07-15T00:00:00Z"], ["2022-07-15T00:05:00Z"])
    assert (query["region"], query["signal_type"]) == (["CAISO_NORTH"], ["co2_moer"])
    assert len(json.loads(pages[0].body)["data"]) == 2


def test_one_login_serves_until_it_is_25_minutes_old(feeds: Feeds) -> None:
    now = [0]
    feed, web = made(lambda: now[0], url=feeds.url("watttime")), Web(environ={})
    for minutes in (0, 10, 24, 25):
        now[0] = minutes * 60_000
        feed.fetch(web, ASKED)
    assert paths(feeds) == ["/login", *["/v3/historical"] * 3, "/login", "/v3/historical"]


def test_a_token_that_ends_early_is_renewed_once(feeds: Feeds) -> None:
    feed, web = made(url=feeds.url("watttime")), Web(environ={})
    feed.fetch(web, ASKED)
    feeds.seen.clear()
    refusals = [1]

    def once(request: Request, reply: Reply) -> Reply:
        is_first = "/historical" in request.path and refusals and refusals.pop()
        return Reply(b"<html>", 401) if is_first else reply

    feeds.fault = once
    assert feed.fetch(web, ASKED)
    assert paths(feeds) == ["/v3/historical", "/login", "/v3/historical"]
    feeds.seen.clear()
    feeds.fault = lambda request, reply: reply if "/login" in request.path else Reply(b"<html>", 401)
    with pytest.raises(FeedError) as caught:
        feed.fetch(web, ASKED)
    assert caught.value.reason == "unauthorised"
    assert paths(feeds) == ["/v3/historical", "/login", "/v3/historical"]


@pytest.mark.parametrize("login", [as_json({}), as_json({"token": ""}), as_json({"token": 5}), Reply(b"<html>")])
def test_a_login_without_a_token_is_refused(feeds: Feeds, login: Reply) -> None:
    feeds.fault = lambda _, __: login
    with pytest.raises(FeedError) as caught:
        made(url=feeds.url("watttime")).fetch(Web(environ={}), ASKED)
    assert caught.value.reason in ("unknown_shape", "not_the_format")


def test_neither_password_nor_token_is_seen(feeds: Feeds) -> None:
    feeds.fault = lambda request, reply: (
        as_json({"error": repr(request)}, status=400) if "v3" in request.path else reply
    )
    with pytest.raises(FeedError) as caught:
        made(url=feeds.url("watttime")).fetch(Web(environ={}), ASKED)
    assert TOKEN not in str(caught.value)
    feeds.fault = lambda request, _: as_json({"error": repr(request)}, status=403)
    with pytest.raises(FeedError) as caught:
        made(url=feeds.url("watttime")).fetch(Web(environ={}), ASKED)
    assert PASSWORD not in str(caught.value)
    assert feeds.seen[-1].headers["authorization"].partition(" ")[2] not in str(caught.value)


def test_a_region_that_is_not_named_and_a_user_that_is_not_set_are_not_configured(feeds: Feeds) -> None:
    for feed in (made(url=feeds.url("watttime"), names={}), made(url=feeds.url("watttime"), environ={})):
        with pytest.raises(FeedError) as caught:
            feed.fetch(Web(environ={}), ASKED)
        assert caught.value.reason == "not_configured"

"""EIA, ENTSO-E, Ember and the yearly files: what is asked, and what their answers mean, worked by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from pipelines.feeds.eia import Eia
from pipelines.feeds.electricity_maps_yearly import ElectricityMapsYearly, value_of
from pipelines.feeds.ember import Ember
from pipelines.feeds.entsoe import Entsoe
from pipelines.feeds.feed import Asked, Feed, FeedError, Page, Refusal, Settings, Value
from pipelines.feeds.web import Web
from tests.support.feed_server import HOUR_MS, TOKEN, Feeds, millis, serving_feeds
from tests.support.generation_services import acknowledged

START_MS = millis("2024-03-05T00:00:00Z")
NOW_MS = millis("2024-03-08T00:00:00Z")
CISO = Asked("US-CAL-CISO", START_MS, START_MS + 2 * HOUR_MS)
FI = Asked("FI", START_MS, START_MS + 2 * HOUR_MS)
EIA_SETS = Settings(factor_sets=("eia_published",))


@pytest.fixture(scope="module")
def feeds() -> Iterator[Feeds]:
    with serving_feeds() as found:
        yield found


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    found = Web(deadline_s=2, now_ms=lambda: NOW_MS, environ={})
    yield found
    found.close()


def page(body: object, url: str = "https://example.org/yearly", status: int = 200) -> Page:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Page(url, status, {}, content, NOW_MS)


def eia() -> Feed:
    return Eia(EIA_SETS, {"EIA_API_KEY": TOKEN}, now_ms=lambda: NOW_MS)


def entsoe() -> Feed:
    return Entsoe(EIA_SETS, {"ENTSOE_API_TOKEN": TOKEN}, now_ms=lambda: NOW_MS)


def eia_page(*rows: tuple[str, str, object], total: object = None) -> Page:
    data = [
        {"period": period, "respondent": "CISO", "fueltype": fuel, "value": value, "value-units": "megawatthours"}
        for period, fuel, value in rows
    ]
    return page({"response": {"total": len(rows) if total is None else total, "frequency": "hourly", "data": data}})


def query_of(path: str) -> dict[str, str]:
    return {name: texts[0] for name, texts in parse_qs(urlsplit(path).query).items()}


def test_the_label_of_eia_is_the_end_of_its_hour_and_numbers_may_be_text() -> None:
    found = eia().parse([eia_page(("2024-03-05T01", "NG", "100"), ("2024-03-05T01", "NUC", 300), total="2")], CISO)
    # (100 x 490 + 300 x 12) / 400 = 131.5; the label 01 is the hour from 00:00 to 01:00
    assert [(value.start_ms, value.end_ms, value.gco2e_per_kwh) for value in found.values] == [
        (START_MS, START_MS + HOUR_MS, pytest.approx(131.5))
    ]
    value = found.values[0]
    assert (value.kind, value.basis, value.flow, value.factor_set) == (
        *("average", "lifecycle", "production"),
        "eia_published",
    )


def test_zero_of_eia_is_a_value_and_null_is_none() -> None:
    rows = [("2024-03-05T01", "NG", 100), ("2024-03-05T01", "SUN", 0), ("2024-03-05T02", "NG", 100)]
    found = eia().parse([eia_page(*rows, ("2024-03-05T02", "SUN", None))], CISO)
    assert [value.gco2e_per_kwh for value in found.values] == [490]
    assert [(refusal.reason, refusal.values_n) for refusal in found.refusals] == [("no_value", 1)]
    assert "SUN" in found.refusals[0].detail


def test_a_new_fuel_code_of_eia_is_refused_by_name() -> None:
    found = eia().parse([eia_page(("2024-03-05T01", "NG", 100), ("2024-03-05T01", "SNB", 5))], CISO)
    assert not found.values
    assert "SNB" in found.refusals[0].detail


def test_rows_of_eia_that_do_not_come_are_missed() -> None:
    with pytest.raises(FeedError, match="3 rows are announced for US-CAL-CISO, found 1") as raised:
        eia().parse([eia_page(("2024-03-05T01", "NG", 100), total=3)], CISO)
    assert raised.value.reason == "truncated"


def test_eia_is_asked_page_by_page_and_its_key_stays_secret(feeds: Feeds, web: Web) -> None:
    feeds.seen.clear()
    client = Eia(Settings(url=feeds.url("eia")), {"EIA_API_KEY": TOKEN}, now_ms=lambda: NOW_MS)
    pages = client.fetch(web, Asked("US-CAL-CISO", START_MS, START_MS + 7 * HOUR_MS))
    asked = [query_of(request.path) for request in feeds.seen]
    # 7 hours x 3 fuels = 21 rows in pages of 9
    assert [query["offset"] for query in asked] == ["0", "9", "18"]
    assert (asked[0]["start"], asked[0]["end"]) == ("2024-03-05T01", "2024-03-05T07")
    assert asked[0]["facets[respondent][]"] == "CISO"
    assert all(TOKEN not in one.url for one in pages)


@pytest.mark.parametrize("client", [eia(), entsoe(), Ember(Settings(), {}, now_ms=lambda: NOW_MS)])
def test_a_zone_that_a_source_does_not_have_is_refused(client: Feed) -> None:
    asked = Asked("NA" if client.source != "ember" else "US-CAL-CISO", START_MS, START_MS + HOUR_MS)
    if client.source == "ember":
        client = Ember(Settings(), {"EMBER_API_KEY": TOKEN}, now_ms=lambda: NOW_MS)
        asked = replace(asked, start_ms=millis("2023-01-01T00:00:00Z"), end_ms=millis("2024-01-01T00:00:00Z"))
    with pytest.raises(FeedError) as raised:
        client.fetch(None, asked)  # type: ignore[arg-type] # nothing is asked
    assert raised.value.reason == "not_found"
    assert asked.zone in str(raised.value)


@pytest.mark.parametrize(("kind", "variable"), [(Eia, "EIA_API_KEY"), (Entsoe, "ENTSOE_API_TOKEN")])
def test_without_a_key_nothing_is_asked(kind: type, variable: str) -> None:
    with pytest.raises(FeedError, match=variable) as raised:
        kind(Settings(), {}, now_ms=lambda: NOW_MS).fetch(None, CISO)
    assert raised.value.reason == "not_configured"


def series(code: str, periods: str, curve: str = "A03", domain: str = "in") -> str:
    return (
        f"<TimeSeries><{domain}BiddingZone_Domain.mRID>10YFI-1--------U</{domain}BiddingZone_Domain.mRID>"
        f"<quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>{curve}</curveType>"
        f"<MktPSRType><psrType>{code}</psrType></MktPSRType>{periods}</TimeSeries>"
    )


def period(start: str, end: str, resolution: str, points: dict[int, float]) -> str:
    inside = "".join(f"<Point><position>{at}</position><quantity>{mw}</quantity></Point>" for at, mw in points.items())
    interval = f"<timeInterval><start>2024-03-05T{start}Z</start><end>2024-03-05T{end}Z</end></timeInterval>"
    return f"<Period>{interval}<resolution>{resolution}</resolution>{inside}</Period>"


def document(*parts: str) -> Page:
    head = "<type>A75</type><process.processType>A16</process.processType>"
    head += "<createdDateTime>2024-03-06T00:00:00Z</createdDateTime>"
    return page(f'<GL_MarketDocument xmlns="urn:x:1">{head}{"".join(parts)}</GL_MarketDocument>'.encode())


def test_a_position_that_a03_leaves_out_repeats_inside_of_its_period_only() -> None:
    gas = period("00:00", "01:00", "PT15M", {1: 100, 3: 200})
    nuclear = period("00:00", "02:00", "PT60M", {1: 300})
    found = entsoe().parse([document(series("B04", gas), series("B14", nuclear))], FI)
    # gas: (100 + 100 + 200 + 200) MW x 0.25 h = 150 MWh; (150 x 490 + 300 x 12) / 450 = 77,100 / 450 = 171.333...
    assert [(value.start_ms, value.gco2e_per_kwh) for value in found.values] == [
        (START_MS, pytest.approx(77_100 / 450))
    ]
    # The second hour has nuclear, repeated, but no period of gas: it is no zero.
    assert [(refusal.reason, refusal.values_n) for refusal in found.refusals] == [("no_value", 1)]
    assert found.values[0].updated_ms == millis("2024-03-06T00:00:00Z")


def test_a_position_that_a01_leaves_out_is_missing() -> None:
    gas = period("00:00", "02:00", "PT60M", {1: 100})
    found = entsoe().parse([document(series("B04", gas, "A01"), series("B14", gas, "A03"))], FI)
    assert [value.start_ms for value in found.values] == [START_MS]
    assert [refusal.reason for refusal in found.refusals] == ["no_value"]


def test_consumption_is_kept_apart() -> None:
    both = period("00:00", "01:00", "PT60M", {1: 100}), period("00:00", "01:00", "PT60M", {1: 900})
    found = entsoe().parse([document(series("B04", both[0]), series("B05", both[1], domain="out"))], FI)
    assert [value.gco2e_per_kwh for value in found.values] == [490]
    assert not found.refusals


def test_no_data_of_entsoe_is_an_empty_answer_and_other_refusals_are_told() -> None:
    empty = entsoe().parse([page(acknowledged("999", "No matching data found for Data item X"))], FI)
    assert (empty.values, empty.refusals) == ((), ())
    for text, reason in (
        ("Amount of requested data exceeds allowed limit", "bad_request"),
        ("Unauthorized. Missing or invalid security token", "unauthorised"),
    ):
        with pytest.raises(FeedError, match=text[:20]) as raised:
            entsoe().parse([page(acknowledged("999", text), status=400)], FI)
        assert (raised.value.reason, raised.value.status) == (reason, 400)


def test_two_quantities_at_one_position_spoil_their_period() -> None:
    twice = period("00:00", "01:00", "PT60M", {1: 100}).replace("</Period>", "<Point><position>1</position>")
    twice += "<quantity>101</quantity></Point></Period>"
    found = entsoe().parse(
        [document(series("B04", twice), series("B14", period("00:00", "01:00", "PT60M", {1: 5})))], FI
    )
    assert not found.values
    assert found.refusals[0].reason == "conflicting"


def ember(*signals: str) -> Feed:
    return Ember(Settings(signals=signals), {"EMBER_API_KEY": TOKEN}, now_ms=lambda: NOW_MS)


def ember_page(resolution: str, *rows: tuple[str, float | None]) -> Page:
    data = [
        {"entity_code": "DEU", "is_aggregate_entity": False, "date": date, "emissions_intensity_gco2_per_kwh": value}
        for date, value in rows
    ]
    return page({"stats": {}, "data": data}, url=f"https://example.org/v1/carbon-intensity/{resolution}?x=1")


def test_years_and_months_of_ember_are_calendar_intervals_of_two_series() -> None:
    asked = Asked("DE", millis("2023-01-01T00:00:00Z"), millis("2024-03-01T00:00:00Z"))
    pages = [ember_page("yearly", ("2023", 371.0)), ember_page("monthly", ("2024-02", 330.5), ("2024-01-01", None))]
    found = ember().parse(pages, asked)
    assert {(value.factor_set, value.start_ms, value.end_ms, value.gco2e_per_kwh) for value in found.values} == {
        ("ember_yearly", millis("2023-01-01T00:00:00Z"), millis("2024-01-01T00:00:00Z"), 371.0),
        ("ember_monthly", millis("2024-02-01T00:00:00Z"), millis("2024-03-01T00:00:00Z"), 330.5),
    }
    assert [(refusal.reason, refusal.values_n) for refusal in found.refusals] == [("no_value", 1)]


def test_a_year_of_ember_that_is_not_over_is_refused() -> None:
    asked = Asked("DE", millis("2024-01-01T00:00:00Z"), millis("2025-01-01T00:00:00Z"))
    found = ember("yearly").parse([ember_page("yearly", ("2024", 371.0))], asked)
    assert not found.values
    assert found.refusals[0].reason == "bad_time"


def test_ember_is_asked_for_whole_years_within_the_range_only(feeds: Feeds, web: Web) -> None:
    feeds.seen.clear()
    client = Ember(
        Settings(url=feeds.url("ember"), signals=("yearly",)), {"EMBER_API_KEY": TOKEN}, now_ms=lambda: NOW_MS
    )
    client.fetch(web, Asked("DE", millis("2020-02-01T00:00:00Z"), millis("2023-06-01T00:00:00Z")))
    query = query_of(feeds.seen[0].path)
    assert (query["entity_code"], query["start_date"], query["end_date"]) == ("DEU", "2021", "2022")
    assert client.fetch(web, Asked("DE", START_MS, START_MS + HOUR_MS)) == []


def test_the_year_of_a_yearly_file_is_in_its_name_and_namibia_is_a_zone() -> None:
    asked = Asked("NA", millis("2023-01-01T00:00:00Z"), millis("2024-01-01T00:00:00Z"))
    client = ElectricityMapsYearly(Settings(), {}, now_ms=lambda: NOW_MS)
    body = {"NA": {"carbonIntensity": {"value": 61, "unit": "gCO2eq/kWh"}}}
    found = client.parse([page(body, url="https://example.org/v0.19/yearly-2023.json")], asked)
    assert [(value.zone, value.gco2e_per_kwh, value.flow) for value in found.values] == [("NA", 61, "consumption")]
    with pytest.raises(FeedError, match="must have one year in it"):
        client.parse([page(body, url="https://example.org/yearly.json")], asked)
    with pytest.raises(FeedError, match="year"):
        client.fetch(None, asked)  # type: ignore[arg-type] # nothing is asked


def test_another_country_and_a_group_of_countries_are_refused() -> None:
    asked = Asked("FR", millis("2023-01-01T00:00:00Z"), millis("2024-01-01T00:00:00Z"))
    found = ember("yearly").parse([ember_page("yearly", ("2023", 371.0))], asked)
    assert (found.values, found.refusals[0].reason) == ((), "wrong_zone")
    group = ember_page("yearly", ("2023", 371.0))
    group = replace(group, body=group.body.replace(b"false", b"true"))
    assert ember("yearly").parse([group], replace(asked, zone="DE")).refusals[0].reason == "wrong_zone"


@pytest.mark.parametrize(
    "declared",
    ['<!DOCTYPE x SYSTEM "http://192.0.2.1/x.dtd">', '<!DOCTYPE x [<!ENTITY a "b">]>', "<!DOCTYPE GL_MarketDocument>"],
)
def test_a_document_type_is_refused_before_anything_is_read(declared: str) -> None:
    sound = document(series("B04", period("00:00", "02:00", "PT60M", {1: 100})))
    assert entsoe().parse([sound], FI).values
    with pytest.raises(FeedError, match="declares a document type or an entity") as raised:
        entsoe().parse([replace(sound, body=declared.encode() + sound.body)], FI)
    assert raised.value.reason == "not_the_format"


def test_the_carbon_free_share_of_a_yearly_file_is_a_fraction_or_not_known() -> None:
    entry: dict[str, object] = {"carbonIntensity": {"value": 447, "unit": "gCO2eq/kWh"}}
    share = {"value": 11, "unit": "%"}
    found = [value_of(entry | more, "AE", 2021) for more in ({}, {"carbonFreeEnergy": share})]
    assert [one.carbon_free_fraction for one in found if isinstance(one, Value)] == [None, 0.11]
    refused = value_of(entry | {"carbonFreeEnergy": share | {"unit": "fraction"}}, "AE", 2021)
    assert isinstance(refused, Refusal)
    assert "AE.carbonFreeEnergy: % is needed" in refused.detail

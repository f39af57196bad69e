"""Recorded answers of ENTSO-E, EIA and Ember, against an independent reading of the same documents."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.generation_factors import factor_sets, fuel_codes
from pipelines.feeds.eia import Eia
from pipelines.feeds.ember import Ember
from pipelines.feeds.entsoe import Entsoe
from pipelines.feeds.entsoe_period import generated_of
from pipelines.feeds.feed import Asked, FeedError, Page, Settings
from pipelines.feeds.stamps import HOUR_MS, utc_ms
from pipelines.feeds.strict_xml import load

pytestmark = pytest.mark.real
NOW_MS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
ENTSOE = Entsoe(Settings(), {}, now_ms=lambda: NOW_MS)
DOCUMENTS = {
    "FI_production.xml": ("FI", "2025-10-21T12:00Z", "2025-10-24T12:00Z"),
    "SE-SE4_production.xml": ("SE-SE4", "2025-10-20T11:00Z", "2025-10-23T10:00Z"),
    "NO-NO5_production-negatives.xml": ("NO-NO5", "2023-05-09T09:00Z", "2023-05-11T09:00Z"),
    "LU_production.xml.gz": ("LU", "2024-05-21T10:00Z", "2024-05-24T10:00Z"),
}


@pytest.fixture(scope="session")
def samples(shared_data: Path) -> Path:
    return shared_data / "feeds" / "api_samples"


def page(path: Path, url: str = "https://example.org/x") -> Page:
    body = path.read_bytes()
    return Page(url, 200, {}, gzip.decompress(body) if path.suffix == ".gz" else body, NOW_MS)


def independent(body: bytes) -> dict[int, dict[str, float]]:
    """Return mean power by start of the hour and code [MW], by another reading: minute by minute of each period."""
    root = ElementTree.fromstring(body)
    space = {"x": root.tag[1:].partition("}")[0]}
    minutes: dict[int, dict[str, dict[int, float]]] = {}
    for series in root.findall("x:TimeSeries", space):
        code = series.findtext("x:MktPSRType/x:psrType", "", space)
        is_repeated = series.findtext("x:curveType", "", space) == "A03"
        for period in series.findall("x:Period", space):
            start_ms = utc_ms(period.findtext("x:timeInterval/x:start", "", space))
            end_ms = utc_ms(period.findtext("x:timeInterval/x:end", "", space))
            step = {"PT15M": 15, "PT60M": 60}[period.findtext("x:resolution", "", space)]
            stated = {
                int(point.findtext("x:position", "", space)): float(point.findtext("x:quantity", "", space))
                for point in period.findall("x:Point", space)
            }
            last = None
            for minute in range((end_ms - start_ms) // 60_000):
                position = minute // step + 1
                last = stated.get(position, last if is_repeated else None)
                if last is not None:
                    at_ms = start_ms + minute * 60_000
                    minutes.setdefault(at_ms // HOUR_MS * HOUR_MS, {}).setdefault(code, {})[at_ms] = last
    return {
        hour: {code: sum(values.values()) / 60 for code, values in by_code.items() if len(values) == 60}
        for hour, by_code in minutes.items()
    }


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_documents_of_entsoe_give_the_intensities_of_another_reading(samples: Path, name: str) -> None:
    zone, start, end = DOCUMENTS[name]
    one = page(samples / "entsoe" / name)
    parsed = ENTSOE.parse([one], Asked(zone, utc_ms(start), utc_ms(end)))
    codes = fuel_codes("entsoe")
    factors = {item.basis: item.factors for item in factor_sets()["electricity_maps_default"]}
    by_hour = independent(one.body)
    wanted = {code for power in by_hour.values() for code in power if not codes[code].is_storage}
    checked = 0
    for value in parsed.values:
        if value.end_ms - value.start_ms != HOUR_MS:
            continue
        power = {code: max(0.0, mw) for code, mw in by_hour[value.start_ms].items() if code in wanted}
        assert set(power) == wanted
        grams = sum(mw * factors[value.basis][codes[code].fuel].gco2e_per_kwh for code, mw in power.items())
        assert value.gco2e_per_kwh == pytest.approx(grams / sum(power.values()), rel=1e-12)
        checked += 1
    if name.startswith(("SE", "NO")):
        whole = [hour for hour, power in by_hour.items() if wanted <= set(power)]
        # One hour of NO5 has -900 MW of gas beside 3,686 MW of all others: that is no plant's own use, and is refused.
        refused_n = sum(refusal.values_n for refusal in parsed.refusals if refusal.reason == "bad_value")
        assert refused_n == (2 if name.startswith("NO") else 0)
        assert checked == 2 * len(whole) - refused_n > 80


def test_the_omitted_positions_of_finland_are_filled(samples: Path) -> None:
    root = load((samples / "entsoe" / "FI_production.xml").read_bytes(), "FI")
    stated, filled_mwh, unfilled_mwh = 0, 0.0, 0.0
    for series in root.all("TimeSeries"):
        code, period = series.only_text("MktPSRType", "psrType"), series.only("Period")
        found = generated_of(period, code, "A03")
        assert isinstance(found, list)
        assert len(found) == 288
        stated += len(period.all("Point"))
        if code == "B04":
            filled_mwh = sum(one.mwh or 0.0 for one in found)
            unfilled_mwh = sum(float(point.only_text("quantity")) / 4 for point in period.all("Point"))
    # shared research, feeds 1.4: 1,376 positions are left out; gas is 1,303.1 MWh filled and 115.1 MWh unfilled
    assert 12 * 288 - stated == 1_376
    assert (filled_mwh, unfilled_mwh) == (pytest.approx(1_303.1, abs=0.05), pytest.approx(115.1, abs=0.05))


def test_the_quarter_hour_between_two_periods_of_luxembourg_is_a_gap(samples: Path) -> None:
    start, end = (utc_ms(text) for text in DOCUMENTS["LU_production.xml.gz"][1:])
    parsed = ENTSOE.parse([page(samples / "entsoe" / "LU_production.xml.gz")], Asked("LU", start, end))
    # 72 hours x 4 quarters - 1, on two bases; wind and solar do have that quarter, the others do not.
    assert len(parsed.values) == 2 * (72 * 4 - 1)
    assert [(refusal.reason, refusal.values_n) for refusal in parsed.refusals] == [("no_value", 2)]
    assert "first at 2024-05-24T03:45:00Z" in parsed.refusals[0].detail


def test_no_data_of_entsoe_is_empty(samples: Path) -> None:
    one = page(samples / "entsoe" / "constructed" / "acknowledgement_no_data.xml")
    assert ENTSOE.parse([one], Asked("FI", 0, HOUR_MS)).values == ()


def whole(path: Path) -> Page:
    """Return a sample of EIA with the count of its rows put right: the samples are cut, their total is not."""
    answer = json.loads(path.read_text("utf-8"))
    answer["response"]["total"] = len(answer["response"]["data"])
    return Page("https://example.org/x", 200, {}, json.dumps(answer).encode(), NOW_MS)


def eia(zone: str, respondent: str) -> Eia:
    return Eia(Settings(names={zone: respondent}, factor_sets=("eia_published",)), {}, now_ms=lambda: NOW_MS)


def test_rows_of_eia_as_text_as_zero_and_as_null(samples: Path) -> None:
    asked = Asked("US-NW-BPAT", utc_ms("2022-10-31T10:00Z"), utc_ms("2022-10-31T13:00Z"))
    path = samples / "eia" / "constructed" / "page_with_string_values.json"
    parsed = eia("US-NW-BPAT", "BPAT").parse([whole(path)], asked)
    # "20" at the label 11 is the hour from 10:00, wind only: 11 g/kWh; "0" is no generation; null is no value.
    assert [(value.start_ms, value.gco2e_per_kwh) for value in parsed.values] == [(utc_ms("2022-10-31T10:00Z"), 11)]
    assert [(refusal.reason, refusal.values_n) for refusal in parsed.refusals] == [("no_value", 1), ("no_value", 1)]
    with pytest.raises(FeedError, match="7 rows are announced for US-NW-BPAT, found 3"):
        eia("US-NW-BPAT", "BPAT").parse([page(path)], asked)


def test_a_null_of_eia_is_no_hour_without_gas(samples: Path) -> None:
    asked = Asked("US-NW-PGE", utc_ms("2022-10-31T10:00Z"), utc_ms("2022-10-31T12:00Z"))
    parsed = eia("US-NW-PGE", "PGE").parse([whole(samples / "eia" / "US-NW-PGE-with-nulls.json")], asked)
    assert [(value.start_ms, value.gco2e_per_kwh) for value in parsed.values] == [(utc_ms("2022-10-31T11:00Z"), 490)]
    assert [(refusal.reason, refusal.values_n) for refusal in parsed.refusals] == [("no_value", 1)]


def test_the_null_of_ember_is_no_value(samples: Path) -> None:
    one = page(samples / "ember" / "carbon_intensity_yearly_constructed.json", "https://example.org/v1/x/yearly")
    asked = Asked("DE", utc_ms("2023-01-01T00:00Z"), utc_ms("2025-01-01T00:00Z"))
    parsed = Ember(Settings(), {}, now_ms=lambda: NOW_MS).parse([one], asked)
    assert [(value.start_ms, value.gco2e_per_kwh) for value in parsed.values] == [(utc_ms("2023-01-01T00:00Z"), 371)]
    assert [refusal.reason for refusal in parsed.refusals] == ["no_value"]

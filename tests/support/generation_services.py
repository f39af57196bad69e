"""Stubs of the sources of generation and of yearly values, and the right intensities by hand of their figures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from typing import Any

from tests.support.feed_server import HOUR_MS, TOKEN, figure, iso, millis
from tests.support.stub_http import Reply, Request, as_json

EIA_FACTORS = {"NG": 490, "COL": 820, "NUC": 12}
"""Fuels of the stub of EIA and the factor of each in ``eia_published`` [g/kWh]; the place is the figure's series."""
ENTSOE_FACTORS = {"B04": (490, 370), "B05": (820, 760), "B14": (12, 0)}
"""Codes of the stub of ENTSO-E: lifecycle and operational factor in ``electricity_maps_default`` [g/kWh]."""
EIA_PAGE_ROWS = 9
"""Rows of a page of the stub: fewer than are asked for, and whole hours."""


def weighted(at_ms: int, factors: list[int]) -> float:
    """Return the intensity of the figures of one interval: sum of figure times factor over sum of figures [g/kWh]."""
    figures = [figure(at_ms, series) for series in range(len(factors))]
    return sum(one * factor for one, factor in zip(figures, factors, strict=True)) / sum(figures)


def eia(_: Request, path: str, query: dict[str, str]) -> Reply:
    if query.get("api_key") != TOKEN:
        return as_json(
            {"error": {"code": "API_KEY_INVALID", "message": "An invalid api_key was supplied."}}, status=403
        )
    assert path == "/v2/electricity/rto/fuel-type-data/data/"
    # Labels are the ends of hours, both bounds inclusive.
    labels = range(millis(f"{query['start']}:00+00:00"), millis(f"{query['end']}:00+00:00") + 1, HOUR_MS)
    fuels = sorted(EIA_FACTORS)
    rows = [eia_row(query["facets[respondent][]"], end_ms, fuel) for end_ms in labels for fuel in fuels]
    first = int(query["offset"])
    page = rows[first : first + min(EIA_PAGE_ROWS, int(query["length"]))]
    answer = {"total": str(len(rows)), "frequency": "hourly", "dateFormat": 'YYYY-MM-DD"T"HH24', "data": page}
    return as_json({"response": answer, "apiVersion": "2.1.8"})


def eia_row(respondent: str, end_ms: int, fuel: str) -> dict[str, Any]:
    return {
        "period": iso(end_ms, "%Y-%m-%dT%H"),
        "respondent": respondent,
        "respondent-name": "Somebody",
        "fueltype": fuel,
        "type-name": fuel.title(),
        "value": figure(end_ms - HOUR_MS, list(EIA_FACTORS).index(fuel)),
        "value-units": "megawatthours",
    }


def entsoe(_: Request, path: str, query: dict[str, str]) -> Reply:
    assert path == "/api"
    if query.get("securityToken") != TOKEN:
        return Reply(acknowledged("999", "Unauthorized. Missing or invalid security token"), 401)
    starts = [_compact_ms(query[name]) for name in ("periodStart", "periodEnd")]
    return Reply(entsoe_document(query["in_Domain"], *starts), headers={"Content-Type": "text/xml"})


def acknowledged(code: str, text: str) -> bytes:
    space = "urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0"
    reason = f"<Reason><code>{code}</code><text>{text}</text></Reason>"
    name = "Acknowledgement_MarketDocument"
    return f'<{name} xmlns="{space}"><mRID>0</mRID>{reason}</{name}>'.encode()


def entsoe_document(eic: str, start_ms: int, end_ms: int) -> bytes:
    """Return a document of hourly megawatts; the coal series is A03 but leaves nothing out."""
    root = ElementTree.Element("GL_MarketDocument", xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0")
    _add(root, mRID="1", revisionNumber="1", type="A75")
    _add(root, **{"process.processType": "A16", "createdDateTime": iso(end_ms + HOUR_MS)})
    for number, code in enumerate(ENTSOE_FACTORS):
        series = ElementTree.SubElement(root, "TimeSeries")
        _add(series, mRID=str(number + 1), businessType="A01", **{"inBiddingZone_Domain.mRID": eic})
        _add(series, **{"quantity_Measure_Unit.name": "MAW", "curveType": "A01"})
        _add(ElementTree.SubElement(series, "MktPSRType"), psrType=code)
        period = ElementTree.SubElement(series, "Period")
        form = "%Y-%m-%dT%H:%MZ"
        _add(ElementTree.SubElement(period, "timeInterval"), start=iso(start_ms, form), end=iso(end_ms, form))
        _add(period, resolution="PT60M")
        for position, at_ms in enumerate(range(start_ms, end_ms, HOUR_MS), start=1):
            point = ElementTree.SubElement(period, "Point")
            _add(point, position=str(position), quantity=str(figure(at_ms, number)))
    return b'<?xml version="1.0" encoding="UTF-8"?>' + ElementTree.tostring(root)


def _add(parent: ElementTree.Element, **texts: str) -> None:
    for name, text in texts.items():
        ElementTree.SubElement(parent, name).text = text


def _compact_ms(text: str) -> int:
    return round(datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=UTC).timestamp() * 1000)


def ember(_: Request, path: str, query: dict[str, str]) -> Reply:
    if query.get("api_key") != TOKEN:
        return as_json({"detail": "Invalid API key"}, status=401)
    assert path == "/v1/carbon-intensity/yearly"
    years = range(int(query["start_date"]), int(query["end_date"]) + 1)
    rows = [ember_row(query["entity_code"], year) for year in years]
    return as_json({"stats": {"number_of_records": len(rows)}, "data": rows})


def ember_row(code: str, year: int) -> dict[str, Any]:
    return {
        "entity": "Somewhere",
        "entity_code": code,
        "is_aggregate_entity": False,
        "date": str(year),
        "emissions_intensity_gco2_per_kwh": figure(millis(f"{year}-01-01T00:00:00Z")),
    }


def electricity_maps_yearly(_: Request, path: str, __: dict[str, str]) -> Reply:
    year = int(path.strip("/").removesuffix(".json"))
    return as_json({zone: yearly_entry(year, series) for series, zone in enumerate(("DE", "FR", "NA"))})


def yearly_entry(year: int, series: int) -> dict[str, Any]:
    value = figure(millis(f"{year}-01-01T00:00:00Z"), series)
    share = {"value": 6, "unit": "%"}
    intensity = {"value": value, "unit": "gCO2eq/kWh"}
    return {"zone": {"zoneName": "Somewhere"}, "carbonIntensity": intensity, "renewableEnergy": share}


GENERATION_SERVICES = {
    "eia": eia,
    "entsoe": entsoe,
    "ember": ember,
    "electricity_maps_yearly": electricity_maps_yearly,
}
"""Services by source, for ``feed_server.SERVICES``."""

"""Part 6, factors: every number from outside that was applied, with its source."""

from __future__ import annotations

from markupsafe import Markup

from warehouse.report import numbers
from warehouse.report.blocks import Part, Table, caption
from warehouse.report.queries import ReportData, Row
from warehouse.report.tables import energy_cells, mass_cells, name_column, number_column, share_cells, text_column
from warehouse.report.words import TIERS, word

KINDS = {
    "grid_intensity": "Grid",
    "embodied_chip": "Chip",
    "embodied_server": "Server",
    "embodied_building": "Building",
}
FACTORS_IN_PAGE = 200


def part(data: ReportData) -> Part:
    """Return the part."""
    lead = (
        "Every figure from outside that an emission row of this report names. Values stand with their low and high end."
    )
    blocks = (_factors(data), _places(data), _readings(data))
    files = {"factors": data.results["factor_used"], "places": data.results["place"]}
    files["reading_sources"] = data.results["reading_source"]
    return Part("factors", "Factors used", blocks, files, lead)


def _factors(data: ReportData) -> Table:
    every = data.rows("factor_used")
    rows = every[:FACTORS_IN_PAGE]
    mass = numbers.mass_unit(*(row["kgco2e"] for row in rows))
    columns = [
        text_column("Kind", [_kind(row) for row in rows]),
        name_column("Factor", [row["factor_id"] for row in rows]),
        name_column("Zone or hardware", [row["what"] for row in rows]),
        number_column("Value", [_with_unit(row) for row in rows]),
        number_column("Interval", [_ends(row) for row in rows]),
        name_column("Tier", [None if row["tier"] is None else word(TIERS, row["tier"]).label for row in rows]),
        number_column("Age", [_age(row) for row in rows], "years"),
        number_column("Emissions", mass_cells(rows, "kgco2e", mass), mass.name),
        name_column("Source", [row["source"] for row in rows], is_long=True),
    ]
    note = (
        ""
        if len(rows) == len(every)
        else f"The first {len(rows)} of {len(every):,} factors; the CSV file has them all."
    )
    words = caption(
        data,
        data.results["factor_used"],
        "factors",
        boundary="all emission rows",
        method="the factor as it is known now; its age widens its interval",
    )
    return Table("factors-used", "Emission factors", columns, words, note=note)


def _kind(row: Row) -> Markup | str:
    if row["kind"] is None:
        return numbers.UNKNOWN
    return str(KINDS.get(row["kind"], row["kind"]))


def _value(row: Row, key: str) -> Markup:
    return numbers.UNKNOWN if row[key] is None else numbers.data(row[key], numbers.significant(row[key]))


def _with_unit(row: Row) -> Markup:
    if row["value"] is None:
        return numbers.UNKNOWN
    unit = numbers.readable(row["unit"]).replace("/kw_it", "/kW of IT")
    return Markup('{}<span class="unit below">{}</span>').format(_value(row, "value"), unit)


def _ends(row: Row) -> Markup:
    if row["low_value"] is None or row["high_value"] is None:
        return numbers.UNKNOWN
    return Markup("{}\u2013{}").format(_value(row, "low_value"), _value(row, "high_value"))


def _age(row: Row) -> Markup | str:
    age = row["oldest_age_years"]
    if age is None:
        return Markup('<span class="unknown">\u2013</span>')
    return str(age)


def _places(data: ReportData) -> Table:
    rows = data.rows("place")
    unit = numbers.energy_unit(*(row["it_kwh"] for row in rows))
    columns = [
        name_column("Place", [row["region"] for row in rows]),
        name_column("Grid zone", [row["zone"] for row in rows]),
        number_column("PUE", [_pue(row) for row in rows]),
        name_column("Source of the PUE", [row["source"] if row["pue"] is not None else None for row in rows]),
        name_column("Ownership", [row["ownership"] for row in rows]),
        number_column("IT energy", energy_cells(rows, "it_kwh", unit, estimated="estimated_kwh"), unit.name),
        number_column(
            "Facility energy", energy_cells(rows, "facility_kwh", unit, estimated="estimated_kwh"), unit.name
        ),
        number_column("Without a grid factor", energy_cells(rows, "unlocated_kwh", unit), unit.name),
    ]
    words = caption(
        data, data.results["place"], "places", boundary="IT and facility", method="IT energy \u00d7 PUE of the place"
    )
    return Table("places", "Places and their PUE", columns, words, data.estimated_note)


def _pue(row: Row) -> Markup:
    return numbers.UNKNOWN if row["pue"] is None else numbers.data(row["pue"], f"{row['pue']:.2f}")


def _readings(data: ReportData) -> Table:
    rows = data.rows("reading_source")
    unit = numbers.energy_unit(*(row["it_kwh"] for row in rows))
    columns = [
        name_column("Interface", [row["source"] for row in rows]),
        number_column("IT energy", energy_cells(rows, "it_kwh", unit, estimated="estimated_kwh"), unit.name),
        number_column("Share", share_cells(rows, "it_kwh_fraction"), "of IT energy"),
        number_column("Interval applied", [_factor_range(row) for row in rows], "\u00d7 reading"),
        name_column("Source of the interval", [row["reference"] for row in rows], is_long=True),
    ]
    words = caption(
        data,
        data.results["reading_source"],
        "reading_sources",
        boundary="IT including idle and unallocated",
        method="interval of an energy reading by the interface that gave it",
    )
    return Table("readings", "Where the readings come from", columns, words, data.estimated_note)


def _factor_range(row: Row) -> Markup:
    if row["low_factor"] is None or row["high_factor"] is None:
        return numbers.UNKNOWN
    low, high = (numbers.data(row[key], f"{row[key]:.2f}") for key in ("low_factor", "high_factor"))
    return Markup("{}\u2013{}").format(low, high)

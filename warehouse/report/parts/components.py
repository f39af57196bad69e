"""Part 3, components: what the emissions consist of, by phase group."""

from __future__ import annotations

from warehouse.report import bars, numbers
from warehouse.report.blocks import Figure, LegendEntry, Part, Table, caption
from warehouse.report.numbers import Unit
from warehouse.report.parts.phases import incomplete_note
from warehouse.report.queries import ReportData
from warehouse.report.svg import Canvas, Picture, both
from warehouse.report.tables import mass_cells, number_column, text_column
from warehouse.report.words import COMPONENTS, PHASE_GROUPS, ordered, word

KEY = "components"


def part(data: ReportData) -> Part:
    """Return the part."""
    lead = (
        "Operation is the electricity of the IT equipment and of the facility around it; embodied is the manufacture "
        "of "
        "chips and servers and the construction of the building, spread over their service lives."
    )
    return Part("components", "Components", (_figure(data),), {KEY: data.results["phase_component"]}, lead)


def _shown(data: ReportData) -> list[str]:
    """Return the components of which the period has rows, in their order."""
    return ordered(COMPONENTS, {row["component"] for row in data.rows("phase_component")})


def _totals(data: ReportData) -> dict[str, float | None]:
    totals: dict[str, float | None] = {}
    for row in data.rows("phase_component"):
        known = totals.get(row["phase_group"])
        totals[row["phase_group"]] = known if row["kgco2e"] is None else (known or 0.0) + row["kgco2e"]
    return totals


def _segments(data: ReportData, unit: Unit) -> list[bars.Segment]:
    order = list(COMPONENTS)
    rows = sorted(data.rows("phase_component"), key=lambda row: order.index(row["component"]))
    return [
        bars.Segment(
            word(PHASE_GROUPS, row["phase_group"]).label,
            COMPONENTS[row["component"]].label,
            COMPONENTS[row["component"]].colour,
            row["kgco2e"] / unit.size,
            min(row["estimated_kgco2e"], row["kgco2e"]) / unit.size,
        )
        for row in rows
        if row["kgco2e"] is not None
    ]


def _figure(data: ReportData) -> Figure:
    totals = _totals(data)
    unit = numbers.mass_unit(*totals.values())
    groups = ordered(PHASE_GROUPS, set(totals))
    unknown = {
        name: [
            row["component"]
            for row in data.rows("phase_component")
            if row["phase_group"] == name and row["kgco2e"] is None
        ]
        for name in groups
    }
    segments = _segments(data, unit)
    title = f"{unit.name}, whole period"

    def build(canvas: Canvas) -> Picture:
        rows = [(word(PHASE_GROUPS, name).label, _label(totals[name], unknown[name], unit, canvas)) for name in groups]
        return bars.level_bars(segments, [], rows, title, canvas)

    label = f"Bar chart: emissions by phase group and component, {unit.name}. The same data stand in the table below."
    wide, narrow = both(build, KEY, label, [entry.colour for entry in COMPONENTS.values()])
    legend = [LegendEntry(COMPONENTS[name].label, COMPONENTS[name].colour) for name in _shown(data)]
    if data.estimated_mass_note:
        legend.append(LegendEntry("estimated", COMPONENTS["it"].colour, is_hatched=True))
    words = caption(
        data,
        data.results["phase_component"],
        KEY,
        boundary="facility (IT and overhead) and embodied (chip, server, building)",
        method="location-based; embodied amortised in a straight line",
    )
    heading = f"Emissions by phase group and component, {unit.name}"
    table = _table(data, groups, unit)
    note = incomplete_note(data)
    return Figure(KEY, heading, wide, narrow, words, table, note, legend, estimated=data.estimated_mass_note)


def _label(total: float | None, unknown: list[str], unit: Unit, canvas: Canvas) -> str:
    if total is None:
        return numbers.NOT_KNOWN
    text = numbers.in_unit(total, unit)
    if not canvas.is_wide:
        return text + (" + ?" if unknown else "")
    if not unknown:
        return f"{text} {unit.name}"
    if len(unknown) > 1:
        return f"{text} + {len(unknown)} components not known"
    return f"{text} + {COMPONENTS[unknown[0]].label.lower()} not known"


def _table(data: ReportData, groups: list[str], unit: Unit) -> Table:
    values = {(row["phase_group"], row["component"]): row for row in data.rows("phase_component")}
    columns = [text_column("Phase group", [word(PHASE_GROUPS, name).label for name in groups])]
    shown = _shown(data)
    for component in shown:
        rows = [values[name, component] for name in groups]
        columns.append(number_column(COMPONENTS[component].label, mass_cells(rows, "kgco2e", unit), unit.name))
    sums = [{"estimated": sum(values[name, component]["estimated_kgco2e"] for component in shown)} for name in groups]
    columns.append(number_column("Rests on estimates", mass_cells(sums, "estimated", unit), unit.name))
    return Table(f"{KEY}-data", "Data of this figure", columns)

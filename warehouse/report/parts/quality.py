"""Part 5, data quality: coverage by day, factor tiers, what is open."""

from __future__ import annotations

from markupsafe import Markup

from warehouse.reasons import FILE_REASONS, ROW_REASONS
from warehouse.report import bars, numbers, timelines
from warehouse.report.blocks import Block, Figure, LegendEntry, Part, Table, TableColumn, caption
from warehouse.report.queries import ReportData, Row
from warehouse.report.svg import Canvas, Picture, both
from warehouse.report.tables import energy_cells, mass_cells, name_column, number_column, share_cells, text_column
from warehouse.report.words import COMPONENTS, ISSUES, MISSING, OPERATIONAL, TIERS, ordered, word

COVERED = "#3b6fa0"
ESTIMATED = "#d55e00"
DAYS_IN_PAGE = 366
MEANING = "What it means"


def part(data: ReportData) -> Part:
    """Return the part."""
    files = {name: data.results[name] for name in ("coverage_day", "factor_tier", "open_issue")}
    blocks: list[Block] = [_coverage(data), _tiers(data), _tier_table(data)]
    if data.rows("open_issue"):
        blocks.append(_issues(data))
    lead = (
        "Coverage is the share of device time between the first and the last reading that readings cover. A gap that "
        "is "
        "not bridged counts as 0 energy, so that low coverage means that energy is missing."
    )
    return Part("quality", "Data quality", blocks, files, lead)


def _coverage(data: ReportData) -> Figure:
    rows, key = data.rows("coverage_day"), "coverage_day"

    def build(canvas: Canvas) -> Picture:
        covered = [(row["day"], row["coverage_fraction"]) for row in rows]
        charts_here = [timelines.day_shares(covered, COVERED, "Device time covered by readings, by day", canvas)]
        if data.is_estimated:
            shares = [(row["day"], row["estimated_fraction"]) for row in rows]
            title = "IT energy that is estimated, by day"
            charts_here.append(timelines.day_shares(shares, ESTIMATED, title, canvas, is_hatched=True))
        return timelines.above_one_another(charts_here)

    label = "Chart: share of device time covered by readings, by day. The same data stand in the table below the chart."
    wide, narrow = both(build, key, label, [ESTIMATED])
    words = caption(
        data, data.results[key], key, boundary="all devices that count towards IT", method="seconds between readings"
    )
    table = _day_table(rows)
    title = "Coverage by day, % of device time"
    return Figure(key, title, wide, narrow, words, table, _worst(rows), estimated=data.estimated_note)


def _worst(rows: tuple[Row, ...]) -> str:
    known = [row for row in rows if row["coverage_fraction"] is not None]
    days = (rows[-1]["day"] - rows[0]["day"]).days + 1
    text = f"Readings on {len(rows):,} of {numbers.count(days, 'day')}."
    if len(known) < 2:
        return text
    worst = min(known, key=lambda row: row["coverage_fraction"])
    return f"{text} Lowest on {_day(worst)}: {numbers.percent(worst['coverage_fraction'])}."


def _day(row: Row) -> str:
    return f"{row['day'].day} {row['day']:%B %Y}"


def _day_table(rows: tuple[Row, ...]) -> Table:
    shown = rows[-DAYS_IN_PAGE:]
    unit = numbers.energy_unit(*(row["it_kwh"] for row in shown))
    columns = [
        text_column("Day", [str(row["day"]) for row in shown]),
        number_column("Coverage", share_cells(shown, "coverage_fraction")),
        number_column("IT energy", energy_cells(shown, "it_kwh", unit, estimated="estimated_kwh"), unit.name),
        number_column("From counters", share_cells(shown, "counter_fraction"), "of energy"),
        number_column("Quarantined rows", [numbers.count(row["quarantined_rows_n"]) for row in shown]),
    ]
    note = "" if len(shown) == len(rows) else f"The last {len(shown)} of {len(rows):,} days; the CSV file has them all."
    return Table("coverage_day-data", "Data of this figure", columns, note=note)


def _tiers(data: ReportData) -> Figure:
    key, rows = "factor_tier", data.rows("factor_tier")
    tiers = ordered(TIERS, {row["quality_tier"] for row in rows if row["kgco2e"] is not None})
    components = [name for name in COMPONENTS if any(row["component"] == name for row in rows)]
    segments = [
        bars.Segment(
            COMPONENTS[row["component"]].label,
            word(TIERS, tier).label,
            word(TIERS, tier).colour,
            100 * row["kgco2e_fraction"],
        )
        for tier in tiers
        for row in rows
        if row["quality_tier"] == tier and row["kgco2e_fraction"] is not None
    ]

    def build(canvas: Canvas) -> Picture:
        labels = [(COMPONENTS[name].label, _beside(rows, name, canvas)) for name in components]
        return bars.level_bars(segments, [], labels, "% of known emissions, whole period", canvas, names_inside=True)

    label = (
        "Bar chart: share of emissions by tier of the factor, for each component. The same data stand in the "
        "table below."
    )
    wide, narrow = both(build, key, label, [])
    legend = [LegendEntry(word(TIERS, tier).label, word(TIERS, tier).colour) for tier in tiers]
    words = caption(
        data,
        data.results[key],
        key,
        boundary="facility (IT and overhead) and embodied",
        method="emissions by tier of the factor that was applied",
    )
    columns = [column for column in _tier_columns(data) if column.label != MEANING]
    table = Table(f"{key}-data", "Data of this figure", columns)
    title = "What the emissions rest on: tiers of factors, % of emissions"
    return Figure(key, title, wide, narrow, words, table, legend=legend, estimated=data.estimated_mass_note)


def _beside(rows: tuple[Row, ...], component: str, canvas: Canvas) -> str:
    lacking = [row for row in rows if row["component"] == component and row["quality_tier"] == MISSING]
    if not lacking:
        return ""
    energy = lacking[0]["energy_kwh"]
    if not canvas.is_wide:
        return "+ ?"
    if component in OPERATIONAL and energy:
        unit = numbers.energy_unit(energy)
        return f"+ {numbers.in_unit(energy, unit)} {unit.name} without factor"
    return "+ a part not known"


def _tier_columns(data: ReportData) -> list[TableColumn]:
    order = {name: number for number, name in enumerate(COMPONENTS)}
    best = {name: number for number, name in enumerate(TIERS)}
    rows = sorted(
        data.rows("factor_tier"),
        key=lambda row: (order.get(row["component"], len(order)), best.get(row["quality_tier"], len(best))),
    )
    mass = numbers.mass_unit(*(row["kgco2e"] for row in rows))
    energy = numbers.energy_unit(*(row["energy_kwh"] for row in rows))
    return [
        text_column("Component", [word(COMPONENTS, row["component"]).label for row in rows]),
        text_column("Tier", [word(TIERS, row["quality_tier"]).label for row in rows]),
        text_column(MEANING, [word(TIERS, row["quality_tier"]).meaning for row in rows]),
        number_column("Energy behind it", [_behind(row, energy) for row in rows], energy.name),
        number_column("Emissions", mass_cells(rows, "kgco2e", mass), mass.name),
        number_column("Share", share_cells(rows, "kgco2e_fraction"), "of component"),
    ]


def _behind(row: Row, unit: numbers.Unit) -> Markup | str:
    if row["component"] not in OPERATIONAL:
        return Markup('<span class="unknown">by time</span>')
    cell = {"energy": row["energy_kwh"], "it_kwh": row["energy_kwh"], "estimated_kwh": row["estimated_kwh"]}
    return energy_cells([cell], "energy", unit, estimated="estimated_kwh")[0]


def _tier_table(data: ReportData) -> Table:
    words = caption(
        data,
        data.results["factor_tier"],
        "factor_tier",
        boundary="facility (IT and overhead) and embodied",
        method="location-based; embodied amortised",
    )
    return Table("tiers", "Tiers in words", _tier_columns(data), words, data.estimated_note)


def _issues(data: ReportData) -> Table:
    rows = data.rows("open_issue")
    reasons = {**FILE_REASONS, **ROW_REASONS}
    columns = [
        text_column("What", [str(ISSUES.get(row["kind"], row["kind"])) for row in rows]),
        name_column("Severity, reason or cause", [row["detail"] for row in rows]),
        text_column(MEANING, [str(reasons.get(row["detail"], "")) for row in rows]),
        number_column("Number", [numbers.count(row["issues_n"]) for row in rows]),
    ]
    words = caption(
        data,
        data.results["open_issue"],
        "open_issue",
        boundary="everything that has landed, also outside the period",
        method="audit checks and the rules of ingest",
    )
    return Table("issues", "Open findings, quarantine and restatements", columns, words)

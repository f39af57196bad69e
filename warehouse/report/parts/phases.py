"""Part 2, training against inference: emissions and energy by month and phase group, and the months in figures."""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from warehouse.report import axes, bars, numbers, timelines
from warehouse.report.blocks import Caption, Figure, LegendEntry, Part, Table, caption
from warehouse.report.numbers import Unit
from warehouse.report.queries import ReportData, Row
from warehouse.report.svg import Build, Canvas, Picture, both
from warehouse.report.tables import energy_cells, interval_cells, mass_cells, number_column, share_cells, text_column
from warehouse.report.words import PHASE_GROUPS, ordered, word

BOUNDARY = "IT including idle and unallocated, plus facility overhead where the PUE is known"
METHOD = "location-based plus embodied amortised"
ALWAYS = {"training", "inference"}


def part(data: ReportData) -> Part:
    """Return the part."""
    lead = "Idle and unallocated energy is shown beside the jobs, not spread over them. "
    if data.is_estimated:
        lead += "Hatched is what rests on estimated (modelled) energy."
    files = {"emissions_by_phase": data.results["phase_month"], "energy_by_phase": data.results["phase_month"]}
    files["months"] = data.results["month"]
    return Part("phases", "Training and inference", (_emissions(data), _energy(data), _months(data)), files, lead)


def _groups(data: ReportData) -> list[str]:
    return ordered(PHASE_GROUPS, {row["phase_group"] for row in data.rows("phase_month")})


def _ordered_rows(data: ReportData) -> list[Row]:
    order = {name: number for number, name in enumerate(_groups(data))}
    return sorted(data.rows("phase_month"), key=lambda row: (row["month"], order[row["phase_group"]]))


def _months_of(data: ReportData) -> list[str]:
    months = [row["month"] for row in data.rows("month")]
    return axes.months_between(months[0], months[-1])


def _legend(data: ReportData) -> list[LegendEntry]:
    return [LegendEntry(word(PHASE_GROUPS, name).label, word(PHASE_GROUPS, name).colour) for name in _groups(data)]


def _segments(
    data: ReportData, key: str, estimated_key: str, unit: Unit, row_of: Callable[[Row], str]
) -> list[bars.Segment]:
    rows = _ordered_rows(data)
    return [
        bars.Segment(
            row_of(row),
            word(PHASE_GROUPS, row["phase_group"]).label,
            word(PHASE_GROUPS, row["phase_group"]).colour,
            row[key] / unit.size,
            min(row[estimated_key], row[key]) / unit.size,
        )
        for row in rows
        if row[key] is not None
    ]


def _all_named(data: ReportData) -> bool:
    """Tell whether the wide chart names all groups: those of the last month, beside which the names are written."""
    rows = data.rows("phase_month")
    return {row["phase_group"] for row in rows if row["month"] == rows[-1]["month"]} == set(_groups(data))


def _is_single(data: ReportData) -> bool:
    return len(data.rows("month")) == 1


def _group_of(row: Row) -> str:
    return word(PHASE_GROUPS, row["phase_group"]).label


def _month_of(row: Row) -> str:
    return str(row["month"])[:7]


def _emissions(data: ReportData) -> Figure:
    months, result = data.rows("month"), data.results["phase_month"]
    single = _is_single(data)
    unit = numbers.mass_unit(*(row["high_kgco2e"] for row in (result.rows if single else months)))
    rows, row_of = (result.rows, _group_of) if single else (months, _month_of)
    whiskers = [
        bars.Whisker(row_of(row), *(_in(row[name], unit) for name in ("low_kgco2e", "total_kgco2e", "high_kgco2e")))
        for row in rows
    ]
    segments = _segments(data, "total_kgco2e", "estimated_location_kgco2e", unit, row_of)
    title = f"{unit.name}{'' if single else ' by month'}; the thin line is the interval"
    line_title = "Training as a share of training and inference, by emissions"
    shares = _training_shares(data)

    def build(canvas: Canvas) -> Picture:
        if single:
            return bars.level_bars(segments, whiskers, _row_labels(data, whiskers, unit, canvas), title, canvas)
        stack = bars.stacked_months(segments, whiskers, _months_of(data), title, canvas)
        return timelines.stack_and_share(stack, timelines.share_line(shares, _months_of(data), line_title, canvas))

    words = caption(data, result, "emissions_by_phase", boundary=BOUNDARY, method=METHOD)
    heading = f"Emissions by phase group, {unit.name}"
    return _figure(
        data,
        heading,
        build,
        _emission_table(data),
        words=words,
        is_hatched=_has_estimate(segments),
        estimated=data.estimated_mass_note,
        note=incomplete_note(data),
    )


def _has_estimate(segments: list[bars.Segment]) -> bool:
    return any(segment.estimated for segment in segments)


def _energy(data: ReportData) -> Figure:
    result, single = data.results["phase_month"], _is_single(data)
    unit = numbers.energy_unit(*(row["it_kwh"] for row in (result.rows if single else data.rows("month"))))
    segments = _segments(data, "it_kwh", "estimated_kwh", unit, _group_of if single else _month_of)
    title = f"{unit.name}{'' if single else ' by month'}"
    whiskers = (
        [bars.Whisker(_group_of(row), None, _in(row["it_kwh"], unit), None) for row in result.rows] if single else []
    )

    def build(canvas: Canvas) -> Picture:
        if single:
            return bars.level_bars(segments, whiskers, _row_labels(data, whiskers, unit, canvas), title, canvas)
        return bars.stacked_months(segments, [], _months_of(data), title, canvas)

    words = caption(
        data, result, "energy_by_phase", boundary="IT including idle and unallocated", method="readings of the devices"
    )
    heading, table = f"IT energy by phase group, {unit.name}", _energy_table(data)
    hatched, mark = _has_estimate(segments), data.estimated_note
    return _figure(data, heading, build, table, words=words, is_hatched=hatched, estimated=mark)


def _figure(
    data: ReportData,
    title: str,
    build: Build,
    table: Table,
    *,
    words: Caption,
    is_hatched: bool,
    estimated: str | None,
    note: Markup | str = "",
) -> Figure:
    key = words.csv.removesuffix(".csv")
    label = f"Bar chart: {title}, {_title_of(data)}. The same data stand in the table below the chart."
    wide, narrow = both(build, key, label, [entry.colour for entry in PHASE_GROUPS.values()])
    hatching = [LegendEntry("estimated", PHASE_GROUPS["idle"].colour, is_hatched=True)] if is_hatched else []
    legend = hatching if _is_single(data) else _legend(data) + hatching
    labelled = not is_hatched and _all_named(data)
    return Figure(key, title, wide, narrow, words, table, note, legend, is_labelled=labelled, estimated=estimated)


def incomplete_note(data: ReportData) -> Markup | str:
    """Return the sentence below the title of a chart of emissions that leave out something, else nothing."""
    total = data.totals
    gaps = []
    if total["unlocated_kwh"]:
        gaps.append(Markup("{} have no grid factor").format(numbers.energy(total["unlocated_kwh"])))
    if total["pue_unknown_kwh"]:
        gaps.append(Markup("{} have no PUE").format(numbers.energy(total["pue_unknown_kwh"])))
    return Markup("Incomplete: {}; what is not known is not drawn.").format(Markup(", ").join(gaps)) if gaps else ""


def _title_of(data: ReportData) -> str:
    months = data.rows("month")
    first, last = months[0]["month"], months[-1]["month"]
    return f"{first:%B %Y}" if first == last else f"by month, {first:%B %Y} to {last:%B %Y}"


def _in(value: float | None, unit: Unit) -> float | None:
    return None if value is None else value / unit.size


def _row_labels(data: ReportData, whiskers: list[bars.Whisker], unit: Unit, canvas: Canvas) -> list[tuple[str, str]]:
    known = {whisker.row: bars.end_label(whisker, unit, canvas) for whisker in whiskers}
    names = [word(PHASE_GROUPS, name).label for name in ordered(PHASE_GROUPS, set(_groups(data)) | ALWAYS)]
    return [(name, known.get(name, "none recorded" if canvas.is_wide else "none")) for name in names]


def _training_shares(data: ReportData) -> list[tuple[str, float | None]]:
    masses: dict[str, dict[str, float | None]] = {}
    for row in data.rows("phase_month"):
        masses.setdefault(_month_of(row), {})[row["phase_group"]] = row["total_kgco2e"]
    shares: list[tuple[str, float | None]] = []
    for month, by_group in masses.items():
        training, inference = by_group.get("training", 0.0), by_group.get("inference", 0.0)
        both_known = training is not None and inference is not None and training + inference > 0
        shares.append((month, training / (training + inference) if both_known else None))  # type: ignore[operator]
    return shares


def _emission_table(data: ReportData) -> Table:
    rows = _ordered_rows(data)
    unit = numbers.mass_unit(*(row["total_kgco2e"] for row in rows))
    columns = [
        text_column("Month", [_month_of(row) for row in rows]),
        text_column("Phase group", [_group_of(row) for row in rows]),
        number_column("Emissions", mass_cells(rows, "total_kgco2e", unit, marks_incomplete=True), unit.name),
        number_column("Interval", interval_cells(rows, unit), unit.name),
        number_column("Rests on estimates", mass_cells(rows, "estimated_location_kgco2e", unit), unit.name),
    ]
    return Table("emissions_by_phase-data", "Data of this figure", columns)


def _energy_table(data: ReportData) -> Table:
    rows = _ordered_rows(data)
    unit = numbers.energy_unit(*(row["it_kwh"] for row in rows))
    columns = [
        text_column("Month", [_month_of(row) for row in rows]),
        text_column("Phase group", [_group_of(row) for row in rows]),
        number_column("Jobs", [numbers.count(row["jobs_n"]) for row in rows]),
        number_column("IT energy", energy_cells(rows, "it_kwh", unit, estimated="estimated_kwh"), unit.name),
        number_column("Facility energy", energy_cells(rows, "facility_kwh", unit), unit.name),
        number_column("Coverage", share_cells(rows, "coverage_fraction")),
    ]
    return Table("energy_by_phase-data", "Data of this figure", columns)


def _months(data: ReportData) -> Table:
    rows = data.rows("month")
    energy = numbers.energy_unit(*(row["it_kwh"] for row in rows))
    mass = numbers.mass_unit(*(row["total_kgco2e"] for row in rows))
    marked = "estimated_kwh"
    columns = [
        text_column("Month", [f"{row['month']:%b %Y}" for row in rows]),
        number_column("IT energy", energy_cells(rows, "it_kwh", energy, estimated=marked), energy.name),
        number_column("Facility energy", energy_cells(rows, "facility_kwh", energy, estimated=marked), energy.name),
        number_column("Location-based", mass_cells(rows, "location_kgco2e", mass, marks_incomplete=True), mass.name),
        number_column("Market-based", mass_cells(rows, "market_kgco2e", mass), mass.name),
        number_column("Embodied", mass_cells(rows, "embodied_kgco2e", mass), mass.name),
        number_column("Total", mass_cells(rows, "total_kgco2e", mass, marks_incomplete=True), mass.name),
        number_column("Interval", interval_cells(rows, mass), mass.name),
        number_column("Training : inference", [_ratio(row) for row in rows], "by IT energy"),
        number_column("Idle", share_cells(rows, "idle_fraction"), "of IT energy"),
        number_column("Coverage", share_cells(rows, "coverage_fraction"), "of device time"),
    ]
    words = caption(data, data.results["month"], "months", boundary=BOUNDARY, method=METHOD)
    return Table("months", "The months", columns, words, data.estimated_note)


def _ratio(row: Row) -> Markup | str:
    known = numbers.ratio(row["training_kwh"], row["inference_kwh"])
    return known if known is not None else Markup('<span class="unknown">\u2013</span>')

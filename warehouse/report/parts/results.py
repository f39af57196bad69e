"""Part 1, results: the figures of the whole period in one view."""

from __future__ import annotations

from markupsafe import Markup

from warehouse.report import numbers
from warehouse.report.blocks import Block, Box, Boxes, Notice, Part, caption
from warehouse.report.queries import ReportData
from warehouse.report.words import COMPONENTS, EMBODIED, MISSING

SEVERITIES = ("critical", "major", "minor")


def part(data: ReportData) -> Part:
    """Return the part."""
    boxes = (
        _energy(data),
        _emissions(data),
        _operational(data),
        _embodied(data),
        _training_inference(data),
        _measured(data),
        _coverage(data),
        _open_issues(data),
    )
    words = caption(
        data,
        data.results["headline"],
        "headline",
        boundary="IT including idle and unallocated; facility where the PUE is known",
        method="location-based, embodied amortised; ends of intervals added up",
    )
    blocks: list[Block] = [Boxes(boxes, words)]
    missing = _incomplete(data)
    if missing is not None:
        blocks.insert(0, missing)
    files = {"headline": data.results["headline"], "open_issue": data.results["open_issue"]}
    return Part("results", "Results", blocks, files)


def _incomplete(data: ReportData) -> Notice | None:
    total = data.totals
    gaps = []
    if total["unlocated_kwh"]:
        text = Markup("the operational emissions of {} that has no grid factor")
        gaps.append(text.format(numbers.energy(total["unlocated_kwh"])))
    if total["pue_unknown_kwh"]:
        text = Markup("the facility overhead of {} of IT energy whose PUE is not known")
        gaps.append(text.format(numbers.energy(total["pue_unknown_kwh"])))
    lacking = {row["component"] for row in data.rows("factor_tier") if row["quality_tier"] == MISSING}
    names = [COMPONENTS[name].label.lower() for name in EMBODIED if name in lacking]
    if names:
        gaps.append(Markup("embodied emissions ({}) of equipment without a factor").format(", ".join(names)))
    if not gaps:
        return None
    text = Markup("Not in the totals, because they are not known: {}. They are not zero; the true total is higher.")
    return Notice("incomplete", "Incomplete", text.format(Markup("; ").join(gaps)))


def _energy(data: ReportData) -> Box:
    total = data.totals
    lines = []
    if total["facility_kwh"] is None:
        lines.append(Markup("facility energy: {}").format(numbers.UNKNOWN))
        if total["known_facility_kwh"] is not None:
            text = Markup("{} where the PUE is known; it is not for {} of IT")
            lines.append(
                text.format(numbers.energy(total["known_facility_kwh"]), numbers.energy(total["pue_unknown_kwh"]))
            )
    else:
        lines.append(Markup("IT equipment: {}").format(numbers.energy(total["it_kwh"])))
    if total["facility_kwh"] is not None and total["it_kwh"]:
        pue = total["facility_kwh"] / total["it_kwh"]
        lines.append(Markup("PUE over the period: {}").format(numbers.data(pue, f"{pue:.2f}")))
    if total["idle_kwh"] is not None and total["it_kwh"]:
        lines.append(Markup("idle or unallocated: {} of IT").format(numbers.share(total["idle_kwh"] / total["it_kwh"])))
    if total["facility_kwh"] is None:
        return Box("energy", "IT energy", numbers.energy(total["it_kwh"]), lines, data.estimated_note)
    return Box("energy", "Facility energy", numbers.energy(total["facility_kwh"]), lines, data.estimated_note)


def _emissions(data: ReportData) -> Box:
    total = data.totals
    unit = numbers.mass_unit(total["total_kgco2e"])
    lines = []
    if total["total_kgco2e"] is not None:
        ends = numbers.interval(total["low_kgco2e"], total["high_kgco2e"], unit)
        lines.append(Markup("interval: {}\u00a0{}").format(ends, unit.name))
    lines.append(Markup("operational (location-based) and embodied (amortised)"))
    return Box(
        "emissions",
        "Emissions",
        numbers.mass(total["total_kgco2e"]),
        lines,
        data.estimated_mass_note,
        None,
        data.is_incomplete,
    )


def _operational(data: ReportData) -> Box:
    total = data.totals
    known = (
        numbers.mass(total["market_kgco2e"])
        if total["market_kgco2e"] is not None
        else numbers.UNKNOWN + Markup(" (no instruments are recorded)")
    )
    lines = [
        Markup("IT {}, overhead {}").format(numbers.mass(total["it_kgco2e"]), numbers.mass(total["overhead_kgco2e"])),
        Markup("market-based: {}").format(known),
    ]
    label = "Operational, location-based"
    value = numbers.mass(total["location_kgco2e"])
    return Box("operational", label, value, lines, data.estimated_mass_note, None, data.is_incomplete)


def _embodied(data: ReportData) -> Box:
    total = data.totals
    parts = [
        Markup("{} {}").format(COMPONENTS[name].label.lower(), numbers.mass(total[f"{name}_kgco2e"]))
        for name in EMBODIED
    ]
    lines = [Markup(", ").join(parts), "calculated from factors, never measured"]
    return Box("embodied", "Embodied, amortised", numbers.mass(total["embodied_kgco2e"]), lines)


def _training_inference(data: ReportData) -> Box:
    total = data.totals
    by_energy = numbers.ratio(total["training_kwh"], total["inference_kwh"])
    value: Markup | str
    if by_energy is None:
        absent = [name for name in ("training", "inference") if not total[f"{name}_kwh"]]
        value = Markup('<span class="unknown">no {} recorded</span>').format(" or ".join(absent))
    else:
        value = by_energy
    lines: list[Markup | str] = []
    for name in ("training", "inference"):
        if total[f"{name}_kwh"]:
            energy, mass = numbers.energy(total[f"{name}_kwh"]), numbers.mass(total[f"{name}_kgco2e"])
            lines.append(Markup("{}: {}, {}").format(name, energy, mass))
    by_mass = numbers.ratio(total["training_kgco2e"], total["inference_kgco2e"])
    if by_mass is not None:
        lines.append(f"by emissions: {by_mass}")
    return Box("ratio", "Training : inference, by IT energy", value, lines, data.estimated_note)


def _measured(data: ReportData) -> Box:
    total = data.totals
    fraction = total["estimated_fraction"]
    measured = None if fraction is None else 1 - fraction
    lines = [
        Markup("measured {}").format(numbers.energy(total["it_kwh"] - total["estimated_kwh"])),
        Markup("estimated {}").format(numbers.energy(total["estimated_kwh"])),
    ]
    return Box("measured", "IT energy that is measured", numbers.share(measured), lines, data.estimated_note, measured)


def _coverage(data: ReportData) -> Box:
    total = data.totals
    seconds_per_hour = 3600
    lines = [
        Markup("{} device-hours covered by readings").format(_hours(total["measured_s"] / seconds_per_hour)),
        Markup("{} device-hours in gaps, counted as 0 energy").format(_hours(total["gap_s"] / seconds_per_hour)),
        Markup("on {}").format(numbers.count(total["days_n"], "day")),
    ]
    fraction = total["coverage_fraction"]
    return Box("coverage", "Coverage of device time", numbers.share(fraction), lines, bar=fraction)


def _hours(value: float) -> Markup:
    return numbers.data(value, numbers.significant(value))


def _open_issues(data: ReportData) -> Box:
    issues = data.rows("open_issue")
    findings = {row["detail"]: row["issues_n"] for row in issues if row["kind"] == "finding"}
    number = {
        kind: sum(row["issues_n"] for row in issues if row["kind"] == kind) for kind in {r["kind"] for r in issues}
    }
    severities = [f"{findings[name]:,} {name}" for name in SEVERITIES if name in findings]
    other = sum(value for name, value in findings.items() if name not in SEVERITIES)
    severities += [f"{other:,} other"] if other else []
    lines = [", ".join(severities)] if severities else []
    lines.append(
        f"quarantine: {numbers.count(number.get('quarantined_file', 0), 'file')}, "
        f"{numbers.count(number.get('quarantined_row', 0), 'row')}"
    )
    lines.append(f"restatements of closed months: {numbers.count(number.get('restatement', 0))}")
    return Box("issues", "Open audit findings", numbers.count(number.get("finding", 0)), lines)

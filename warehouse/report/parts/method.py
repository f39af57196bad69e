"""Part 7, method: formulas, boundaries, what is an estimate, what is not covered, units."""

from __future__ import annotations

from warehouse.report.blocks import Block, Definitions, Part, Prose
from warehouse.report.queries import ReportData

_FORMULAS = (
    (
        "Energy",
        "difference of energy counters; else the integral of power readings (trapezoid)",
        "A counter difference counts where the power that it implies is plausible. Power readings are joined up to the "
        "longest allowed gap; a longer gap counts as 0 energy and lowers the coverage.",
    ),
    (
        "Operational, IT",
        "IT kWh \u00d7 gCO2e/kWh of the grid zone",
        "Location-based: the average grid factor of the zone where the energy was used, for the year nearest to it.",
    ),
    (
        "Operational, overhead",
        "IT kWh \u00d7 (PUE \u2212 1) \u00d7 gCO2e/kWh",
        "Only where the PUE of the place is known.",
    ),
    (
        "Embodied, chip and server",
        "device-seconds \u00d7 kgCO2e per unit / service life in seconds",
        "Amortised in a straight line over the service life, by the time for which a device is held, whether busy or "
        "idle.",
    ),
    (
        "Embodied, building",
        "device-seconds \u00d7 nameplate kW \u00d7 kgCO2e per kW of IT / service life",
        "Shell and plant of the data centre, by the nameplate power of the server.",
    ),
    (
        "Interval",
        "low = sum of lows, high = sum of highs",
        "The factor's interval, widened by its age and by the accuracy of the reading. The ends are added up as if all "
        "errors went the same way; the interval is wide on purpose.",
    ),
    (
        "Training : inference",
        "IT kWh of training / IT kWh of inference",
        "Training holds data processing, experimentation, training, fine-tuning and evaluation; inference holds "
        "deployment "
        "and inference. Idle energy is in neither.",
    ),
    (
        "Coverage",
        "seconds covered by readings / (seconds covered + seconds in gaps)",
        "Over all devices that count towards IT.",
    ),
)
_BOUNDARIES = (
    ("Accelerator", "", "The accelerators alone. In the jobs' data, not in this report's totals."),
    (
        "IT",
        "",
        "Adds the rest of the host; a metered node outranks the sum of its parts, and nested devices count once.",
    ),
    ("IT including idle", "", "Adds devices without a job (idle) and shared equipment without a job (unallocated)."),
    (
        "Facility",
        "",
        "IT including idle \u00d7 PUE: adds cooling and power supply. Not known where the PUE is not known.",
    ),
    ("Embodied", "", "Manufacture of chips and servers and construction of the building, amortised."),
)


def part(data: ReportData) -> Part:
    """Return the part."""
    blocks: list[Block] = [
        Definitions("Formulas", _FORMULAS),
        Definitions("Boundaries, from the narrowest to the widest", _BOUNDARIES),
        Prose("What is an estimate", _estimates(data)),
        Prose("What is not covered", _not_covered(data)),
        Prose("Units and signs", _units()),
    ]
    return Part("method", "Method", blocks, {})


def _estimates(data: ReportData) -> list[str]:
    here = (
        f"In this report {data.estimated_note.replace('estimated', 'of the IT energy')} is estimated."
        if data.estimated_note
        else "In this report no energy is estimated."
    )
    return [
        "Estimated energy comes from a model (for example the power of memory or of a processor without a counter) and "
        f"not from a sensor. It is marked est. and hatched wherever it stands. {here}",
        "How much of a figure in kgCO2e rests on estimated energy is apportioned by energy, by day, job attributes "
        "and place.",
        "Embodied emissions are always calculated from factors, never measured. PUE is what the place or the "
        "provider states, "
        "not a reading.",
        "An overhead that is computed from energy and PUE is no less an estimate than the PUE; a yearly grid factor "
        "hides the "
        "hours of the day.",
    ]


def _not_covered(data: ReportData) -> list[str]:
    market = (
        "Market-based emissions are shown where instruments are recorded; where none are, they are not known."
        if data.totals["market_kgco2e"] is not None
        else "Market-based emissions are not known: no instruments (certificates, contracts, supplier rates) are "
        "recorded."
    )
    return [
        market,
        "Emissions are not split into scopes 1, 2 and 3 yet. Lifecycle grid factors hold upstream emissions beside "
        "the direct "
        "ones; transmission losses are not shown apart.",
        "Embodied emissions are amortised; the year-of-purchase view that the GHG Protocol asks for in scope 3 "
        "category 2 is "
        "not in this report.",
        "Not covered: water, networks outside the facility, the devices of users, end of life, staff and offices, "
        "and any host "
        "without a collector.",
    ]


def _units() -> list[str]:
    return [
        "kWh, MWh: energy. gCO2e, kgCO2e, tCO2e: mass of greenhouse gases as carbon dioxide with the same warming "
        "over 100 "
        "years. Figures are rounded to three significant digits for display; shares are made from unrounded figures.",
        "All times are UTC; a month is a calendar month. \u201cnot known\u201d means that there is no value; 0 means "
        "that the "
        "value is known to be zero.",
    ]

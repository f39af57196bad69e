"""The forecast of a run: every phase, every component, each figure with its interval, tier, sources and basis.

What belongs here: the phases of one plan put together, and the record that can be kept. What must not be here:
equations of its parts, files, storing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.prediction import carbon
from models.prediction.efficiency import OwnRun
from models.prediction.phases import all_phases
from models.prediction.request import RunPlan
from models.prediction.setting import Phase, setting
from models.prediction.site import Assumed
from models.uncertain import Quantity, total

METHOD = "wattledger.prediction"
METHOD_VERSION = "1"
STATED = "stated"
"""Tier of a figure in which nothing but what the user states went."""
ALL = "all"
"""Phase of the sums over phases."""
MASSES = ("operational", carbon.CHIP, carbon.SERVER, carbon.BUILDING)
ENERGIES = ("energy_it", "energy_facility")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a forecast.

    Attributes:
        phase: ``training``, ``fine_tuning``, ``experimentation``, ``inference``, ``storage``,
            ``data_processing``, ``all``.
        component: what it is, such as ``operational`` or ``device_hours``.
        low: lower end of the 90 % interval [unit].
        central: the forecast [unit].
        high: upper end [unit].
        unit: unit of the three.
        tier: the worst quality tier that went into it; ``stated`` where the user states it.
        source_ids: keys of ``source.csv``.
    """

    phase: str
    component: str
    low: float
    central: float
    high: float
    unit: str
    tier: str
    source_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForecastRecord:
    """A forecast as it can be kept: inputs, outputs, method version, and an id that follows from them.

    Attributes:
        forecast_id: first 32 hexadecimal digits of the SHA-256 of method, version, inputs and outputs.
        method: ``METHOD``.
        method_version: ``METHOD_VERSION``.
        run: name of the plan.
        inputs: what the user stated, as canonical JSON.
        lines: the figures.
        assumed: what the user did not state, and what was taken.
    """

    forecast_id: str
    method: str
    method_version: str
    run: str
    inputs: str
    lines: tuple[Line, ...]
    assumed: tuple[Assumed, ...]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give one flat row a figure, as a table would hold it."""
        head = {"forecast_id": self.forecast_id, "method_version": self.method_version, "run": self.run}
        for line in self.lines:
            yield head | asdict(line) | {"source_ids": ";".join(line.source_ids)}


def forecast(plan: RunPlan, own: Sequence[OwnRun] = ()) -> ForecastRecord:
    """Give the forecast of a plan.

    Args:
        plan: what the user states.
        own: one's own finished runs, never the one that is planned.

    Raises:
        InputError: if something that nothing may stand in for is not stated, or cannot be.
        InfeasibleError: if the plan does not fit its own devices and days.

    Reference: docs/models/prediction.md.
    """
    shared = setting(plan, own)
    found = all_phases(plan, shared)
    lines = [line for phase in found for line in _phase_lines(phase)]
    lines += list(_sums(found))
    assumed = _once([*shared.assumed, *(note for phase in found for note in phase.assumed)])
    return _record(plan, tuple(lines), assumed)


def _phase_lines(phase: Phase) -> Iterator[Line]:
    """Give the figures of one phase, and its emissions together."""
    for component, quantity in phase.quantities.items():
        yield _line(phase.name, component, quantity)
    yield _line(phase.name, "emissions", _emissions([phase]))


def _sums(found: Sequence[Phase]) -> Iterator[Line]:
    """Give energy and emissions over all phases; what they have in common stays common."""
    for component in (*ENERGIES, *MASSES):
        parts = [phase.quantities[component] for phase in found if component in phase.quantities]
        if parts:
            yield _line(ALL, component, total(parts, parts[0].unit))
    yield _line(ALL, "emissions", _emissions(found))


def _emissions(found: Sequence[Phase]) -> Quantity:
    """Give operational and embodied emissions of phases together [kgCO2e]."""
    return total([q for phase in found for name, q in phase.quantities.items() if name in MASSES], "kgCO2e")


def _line(phase: str, component: str, quantity: Quantity) -> Line:
    """Give a figure as a line."""
    ends = (quantity.low, quantity.central, quantity.high)
    return Line(phase, component, *ends, quantity.unit, quantity.tier or STATED, quantity.source_ids)


def _record(plan: RunPlan, lines: tuple[Line, ...], assumed: tuple[Assumed, ...]) -> ForecastRecord:
    """Give the record with the id that follows from its content."""
    stated = {name: value for name, value in asdict(plan).items() if value not in (None, "")}
    inputs = json.dumps(stated, sort_keys=True, separators=(",", ":"))
    body = json.dumps([METHOD, METHOD_VERSION, inputs, [asdict(line) for line in lines]], sort_keys=True)
    digest = hashlib.sha256(body.encode()).hexdigest()[:32]
    return ForecastRecord(digest, METHOD, METHOD_VERSION, plan.name, inputs, lines, assumed)


def _once(notes: Sequence[Assumed]) -> tuple[Assumed, ...]:
    """Give each note once, in order."""
    return tuple(dict.fromkeys(notes))

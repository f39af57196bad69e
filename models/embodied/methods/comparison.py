"""One hardware model under all factors of our catalogue and all compatibility methods, side by side.

What belongs here: finding the model, and the lines. What must not be here: formulas, how lines are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from models import factors
from models.embodied.catalogue import GENERIC, HardwareFactor, normalise_model
from models.embodied.methods.base import Method, Subject

NEAR_N = 5
"""How many near names an error shows."""
NEAR_LIKENESS = 0.5
"""Least likeness of a near name, 0 to 1, as difflib counts it (our judgement)."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one factor or one method says about a hardware model.

    Attributes:
        name: factor id, or name of the method.
        kind: ``catalogue`` or ``method``.
        kgco2e: figure [kgCO2e per unit], None where nothing is said.
        low_kgco2e: lower end [kgCO2e per unit], None where none is given.
        high_kgco2e: upper end [kgCO2e per unit], None where none is given.
        ratio: figure over the selected factor [1].
        tier: quality tier of a factor, empty for a method.
        is_selected: True for the factor that the ledger uses.
        counts: boundary of the figure: what it holds.
        leaves_out: what it leaves out, empty where the boundary says it.
        source: title of the source, or tool and version.
        why: why it differs, or why nothing is said.
    """

    name: str
    kind: str
    kgco2e: float | None
    low_kgco2e: float | None
    high_kgco2e: float | None
    ratio: float | None
    tier: str
    is_selected: bool
    counts: str
    leaves_out: str
    source: str
    why: str


class UnknownModelError(ValueError):
    """No factor of the catalogue is of the model that was named."""


def compare(model: str, methods: Sequence[Method]) -> tuple[HardwareFactor, list[Line]]:
    """Give the selected factor of a model, and all lines about it.

    Args:
        model: any spelling of a model of the catalogue.
        methods: the compatibility methods to ask.

    Raises:
        UnknownModelError: if the catalogue has no such model; the message names near ones and what would be booked.
    """
    key = normalise_model(model)
    catalogue = factors.hardware_factors()
    selected = next((f for f in catalogue if f.is_selected and key and key in f.model_keys), None)
    if selected is None:
        raise UnknownModelError(_unknown(model, catalogue))
    candidates = [f for f in catalogue if (f.kind, f.hardware_model) == (selected.kind, selected.hardware_model)]
    candidates.sort(key=lambda f: (not f.is_selected, f.tier, f.factor_id))
    subject = subject_of(selected.hardware_model, selected.kind)
    lines = [_factor_line(factor, selected) for factor in candidates]
    return selected, lines + [_method_line(method, subject, selected) for method in methods]


def subject_of(model: str, kind: str) -> Subject:
    """Give what the methods need to know of a model of the catalogue.

    Args:
        model: its canonical name.
        kind: ``accelerator``, ``cpu``, ``server`` or ``building``.
    """
    if kind == "accelerator":
        card = next((s for s in factors.accelerator_specs() if s.model == model), None)
        return Subject(model, kind, accelerator=card)
    if kind == "cpu":
        return Subject(model, kind, processor=next((s for s in factors.processor_specs() if s.model == model), None))
    return Subject(model, kind)


def _factor_line(factor: HardwareFactor, selected: HardwareFactor) -> Line:
    """Give the line of a factor of the catalogue."""
    why = factor.note or ("what the ledger books" if factor.is_selected else "kept beside it, not booked")
    return Line(
        factor.factor_id,
        "catalogue",
        factor.kgco2e,
        factor.low_kgco2e,
        factor.high_kgco2e,
        factor.kgco2e / selected.kgco2e,
        factor.tier,
        factor.is_selected,
        factor.boundary,
        "",
        factor.source_title,
        why,
    )


def _method_line(method: Method, subject: Subject, selected: HardwareFactor) -> Line:
    """Give the line of a compatibility method."""
    answer = method.answer(subject)
    return Line(
        method.name,
        "method",
        answer.kgco2e,
        None,
        None,
        None if answer.kgco2e is None else answer.kgco2e / selected.kgco2e,
        "",
        is_selected=False,
        counts=answer.counts,
        leaves_out=method.leaves_out,
        source=f"{method.tool} {method.version}",
        why=answer.why,
    )


def _unknown(model: str, catalogue: Sequence[HardwareFactor]) -> str:
    """Give the message for a model that the catalogue does not hold."""
    names = {k: f.hardware_model for f in catalogue for k in f.model_keys if not f.hardware_model.startswith("*")}
    key = normalise_model(model)
    close = get_close_matches(key, names, NEAR_N, NEAR_LIKENESS) if key else []
    inside = [k for k in sorted(names) if key and key in k]
    near = list(dict.fromkeys(names[k] for k in [*inside, *close]))[:NEAR_N]
    booked = [
        f"{f.hardware_model} {f.kgco2e:g} kg ({f.low_kgco2e:g}-{f.high_kgco2e:g}, {f.tier})"
        for f in catalogue
        if f.is_selected and f.hardware_model in GENERIC.values()
    ]
    return (
        f"no hardware model {model!r} in the catalogue; near: {', '.join(near) or 'none'}. "
        f"The ledger books the archetype of its kind for it, marked as a fallback: {'; '.join(booked)}. "
        "Name one of these to see it"
    )

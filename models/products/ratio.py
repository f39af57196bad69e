"""Training against inference, and any other ratio of phases; numerator and denominator are always named.

What belongs here: ratios of amounts by phase. What must not be here: which job has which phase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.uncertain import Quantity, total

NONE_IN_DENOMINATOR = "none_in_denominator"
"""Why a ratio is None: the phases below the line hold nothing."""
DEVELOPMENT_PHASES = ("data_processing", "experimentation")
"""Phases before the final training; counted or not as the caller says."""
TRAINING_PHASES = ("training", "fine_tuning", "evaluation")
"""Phases of the final training."""
INFERENCE_PHASES = ("inference",)
"""Phases of use; the reserved idle time of a deployment belongs to its inference."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio with what stands above and below the line.

    Attributes:
        value: the ratio [1], None where there is none.
        numerator: phases above the line.
        denominator: phases below the line.
        reason: why the value is None, else empty.
    """

    value: Quantity | None
    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    reason: str


def phase_ratio(by_phase: Mapping[str, Quantity], numerator: Sequence[str], denominator: Sequence[str]) -> Ratio:
    """Give the ratio of some phases to some others; a phase may stand on both sides, as in a share.

    Args:
        by_phase: energy or emissions by phase, all in one unit; a phase that is missing has none.
        numerator: phases above the line.
        denominator: phases below the line.

    Raises:
        ValueError: if a side names no phase, none of a side's phases is in ``by_phase``, or the units differ.

    Reference: docs/models/products.md, ratios.
    """
    sides = []
    for field, names in (("numerator", numerator), ("denominator", denominator)):
        found = [by_phase[name] for name in names if name in by_phase]
        if not found:
            msg = f"{field} must name a phase of {sorted(by_phase)}, not {list(names)}"
            raise ValueError(msg)
        sides.append(total(found, found[0].unit))
    above, below = sides
    if above.unit != below.unit:
        msg = f"numerator and denominator must have one unit, not {above.unit} and {below.unit}"
        raise ValueError(msg)
    value = above.over(below, "1") if below.central else None
    return Ratio(value, tuple(numerator), tuple(denominator), "" if value is not None else NONE_IN_DENOMINATOR)


def training_to_inference(by_phase: Mapping[str, Quantity], *, with_development: bool) -> Ratio:
    """Give training over inference, with or without the phases before the final training.

    Args:
        by_phase: energy or emissions by phase, all in one unit.
        with_development: whether data processing and experimentation count as training.

    Raises:
        ValueError: if a side has no phase in ``by_phase``, or the units differ.

    Reference: docs/models/products.md, ratios.
    """
    above = (*DEVELOPMENT_PHASES, *TRAINING_PHASES) if with_development else TRAINING_PHASES
    return phase_ratio(by_phase, above, INFERENCE_PHASES)

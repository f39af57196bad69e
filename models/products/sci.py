"""Software Carbon Intensity of a piece of software, and of an AI system for its consumers and its provider.

``SCI = (O + M) per R`` with ``O = E * I``. Location-based only; nothing market-based may enter. Energy is that of all
hardware reserved for the software, idle hours included. Without a unit (R = 0) there is no score, never 0.

What belongs here: the equations of the two specifications. What must not be here: factors, and which hours count.

Reference: ISO/IEC 21031:2024 (SCI); Green Software Foundation, SCI for AI, SPEC.md 4b7c0f7, 5 to 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models import bounds
from models.embodied.amortise import rate_gco2e_per_h
from models.products import inputs
from models.uncertain import Quantity, total

G = "gCO2e"
LOCATION_AVERAGE, LOCATION_MARGINAL = "location_average", "location_marginal"
METHODS = (LOCATION_AVERAGE, LOCATION_MARGINAL)
"""Kinds of grid intensity that a score may rest on; the specification allows both and no market-based measure."""
CONSUMER, PROVIDER = "consumer", "provider"
PERSONAS = (CONSUMER, PROVIDER)
"""For whom a score of an AI system is made."""
NO_UNITS = "no_units"
"""Why a score is None: nothing was delivered in the period (R = 0)."""
STAGE_OF_PHASE = {
    "inception": "inception",
    "data_processing": "design_and_development",
    "experimentation": "design_and_development",
    "training": "design_and_development",
    "fine_tuning": "design_and_development",
    "evaluation": "design_and_development",
    "deployment": "deployment",
    "inference": "operation_and_monitoring",
    "storage": "operation_and_monitoring",
    "retirement": "retirement",
}
"""Life-cycle stage of each phase of ours (SCI for AI, 5); ``inception`` and ``retirement`` are no phases of a job.
``unknown`` has none: the job must get a phase first."""
STAGES_OF_PERSONA = {
    CONSUMER: frozenset({"operation_and_monitoring"}),
    PROVIDER: frozenset({"inception", "design_and_development", "deployment", "retirement"}),
}
"""Stages that a persona's score holds (SCI for AI, 6 and 7). Retirement may count for both there; here it is the
provider's, so that no gram stands in two scores."""
GROSS, EFFECTIVE = "gross", "effective"
BASES = (GROSS, EFFECTIVE)
"""What a provider's units count: all of them, or the active, deduplicated, utilised ones (SCI for AI, 8.2.2)."""
PROVIDER_UNITS = ("flop", "training_token", "parameter")
"""Units that a provider's score must have one of (SCI for AI, 8.2)."""
CONSUMER_UNITS = (
    "token",
    "second_of_video",
    "image",
    "workflow_execution",
    "page",
    "inference",
    "character",
    "second_of_audio",
)
"""Units that are suggested for a consumer's score (SCI for AI, 8.1); another one must be named."""


@dataclass(frozen=True, slots=True)
class FunctionalUnit:
    """What a score is stated per.

    Attributes:
        name: such as ``token``.
        units_n: how many were delivered in the period [1], R.
        basis: ``gross`` or ``effective`` for a provider; empty where it has no meaning.
    """

    name: str
    units_n: float
    basis: str = ""

    def __post_init__(self) -> None:
        """Refuse a unit without a name, an unknown basis, and a count that is negative or not finite."""
        if not isinstance(self.name, str) or not self.name.strip():
            msg = f"FunctionalUnit.name must be a text such as 'token', not {self.name!r}"
            raise ValueError(msg)
        inputs.units_n("FunctionalUnit.units_n", self.units_n)
        bounds.known("FunctionalUnit.basis", self.basis, ("", *BASES))


@dataclass(frozen=True, slots=True)
class Score:
    """One SCI score with its parts.

    Attributes:
        operational: O of the period [gCO2e].
        embodied: M of the period [gCO2e].
        unit: functional unit with R.
        method: kind of grid intensity, one of ``METHODS``.
        persona: ``consumer`` or ``provider``; empty for a plain SCI.
        score: (O + M) / R [gCO2e per unit], None where R is 0.
        reason: ``no_units`` where the score is None, else empty.
        left_out: phases with emissions that this persona's score does not hold.
    """

    operational: Quantity
    embodied: Quantity
    unit: FunctionalUnit
    method: str
    persona: str
    score: Quantity | None
    reason: str
    left_out: tuple[str, ...] = ()

    def per(self, units_n: float) -> Quantity | None:
        """Give the score per so many units, such as a million tokens [gCO2e per that many], None where R is 0.

        Args:
            units_n: number of units to state it per [1].
        """
        inputs.units_n("units_n", units_n)
        return None if self.score is None else self.score.scaled(units_n, f"{G} per {units_n:,.15g} {self.unit.name}")


@dataclass(frozen=True, slots=True)
class PhaseCarbon:
    """Emissions of one phase in the period.

    Attributes:
        operational: O of the phase, location-based [gCO2e].
        embodied: M of the phase [gCO2e].
    """

    operational: Quantity
    embodied: Quantity


def operational_gco2e(energy: Quantity, intensity: Quantity, method: str) -> Quantity:
    """Give O = E * I.

    Args:
        energy: of all reserved hardware with the overhead of the site [kWh].
        intensity: of the grid where the energy was used [gCO2e/kWh].
        method: kind of the intensity, one of ``METHODS``.

    Raises:
        ValueError: if the intensity is market-based or of an unknown kind, or a unit is another one.

    Reference: ISO/IEC 21031:2024, operational emissions.
    """
    _check_method(method)
    inputs.in_unit("energy", energy, inputs.ENERGY_UNITS)
    inputs.in_unit("intensity", intensity, ("gCO2e/kWh",))
    return energy.times(intensity, G)


def embodied_gco2e(whole: Quantity, reserved_h: float, life_h: float, resource_fraction: float) -> Quantity:
    """Give M = TE * TiR/EL * RR/ToR.

    Args:
        whole: embodied emissions of the hardware, TE [kgCO2e].
        reserved_h: time reserved, TiR [h], not above the life.
        life_h: expected service life, EL [h]; a year has 365 days.
        resource_fraction: resources reserved of those there are, RR/ToR [1], in [0, 1].

    Raises:
        ValueError: if a number is out of range, or more than the whole life is reserved.

    Reference: ISO/IEC 21031:2024, embodied emissions.
    """
    inputs.in_unit("whole", whole, ("kgCO2e",))
    g_per_h = rate_gco2e_per_h(1.0, life_h)
    bounds.number("reserved_h", reserved_h, 0.0, life_h, "h")
    bounds.number("resource_fraction", resource_fraction, 0.0, 1.0, "1")
    return whole.scaled(g_per_h * reserved_h * resource_fraction, G)


def sci(operational: Quantity, embodied: Quantity, unit: FunctionalUnit, method: str) -> Score:
    """Give the SCI score of one piece of software and period.

    Args:
        operational: O [gCO2e].
        embodied: M [gCO2e].
        unit: functional unit with R.
        method: kind of the grid intensity behind O, one of ``METHODS``.

    Raises:
        ValueError: if O rests on a market-based intensity, or a unit is not gCO2e.

    Reference: ISO/IEC 21031:2024, SCI = (O + M) per R.
    """
    return _scored(operational, embodied, unit, method, "", ())


def sci_for_ai(persona: str, phases: Mapping[str, PhaseCarbon], unit: FunctionalUnit, method: str) -> Score:
    """Give the score of an AI system for one persona: training is never in the consumer's.

    Args:
        persona: ``consumer`` (operation and monitoring) or ``provider`` (inception, design and development, deployment,
            retirement; the whole training with all intermediate runs).
        phases: emissions by phase, keys of ``STAGE_OF_PHASE``; what the persona does not hold is named in the result.
        unit: functional unit with R; a provider's must be FLOP, training token or parameter, gross or effective.
        method: kind of the grid intensity, one of ``METHODS``.

    Raises:
        ValueError: if a phase has no stage, none is this persona's, the unit is not allowed, or O is market-based.

    Reference: Green Software Foundation, SCI for AI, SPEC.md 4b7c0f7, 6 (boundaries) and 8 (functional units).
    """
    bounds.known("persona", persona, PERSONAS)
    for phase in phases:
        bounds.known("phase", phase, tuple(STAGE_OF_PHASE))
    _check_unit(persona, unit)
    held = [phase for phase in phases if STAGE_OF_PHASE[phase] in STAGES_OF_PERSONA[persona]]
    if not held:
        wanted = [phase for phase, stage in STAGE_OF_PHASE.items() if stage in STAGES_OF_PERSONA[persona]]
        msg = f"phases must hold one of {', '.join(wanted)} for a {persona}, not {sorted(phases)}"
        raise ValueError(msg)
    operational = total([phases[phase].operational for phase in held], G)
    embodied = total([phases[phase].embodied for phase in held], G)
    left_out = tuple(phase for phase in phases if phase not in held)
    return _scored(operational, embodied, unit, method, persona, left_out)


def _scored(
    operational: Quantity,
    embodied: Quantity,
    unit: FunctionalUnit,
    method: str,
    persona: str,
    left_out: tuple[str, ...],
) -> Score:
    """Give a score from its two parts, None where nothing was delivered."""
    _check_method(method)
    inputs.in_unit("operational", operational, (G,))
    inputs.in_unit("embodied", embodied, (G,))
    if unit.units_n == 0:
        return Score(operational, embodied, unit, method, persona, None, NO_UNITS, left_out)
    score = operational.plus(embodied).scaled(1.0 / unit.units_n, f"{G} per {unit.name}")
    return Score(operational, embodied, unit, method, persona, score, "", left_out)


def _check_method(method: str) -> None:
    """Refuse a market-based intensity with the reason, and an unknown one."""
    if isinstance(method, str) and method.startswith("market"):
        msg = (
            f"method must be one of {', '.join(METHODS)}, not {method!r}: SCI excludes market-based measures, since a "
            "contract changes neither the energy nor the grid; report it as scope 2 beside the score"
        )
        raise ValueError(msg)
    bounds.known("method", method, METHODS)


def _check_unit(persona: str, unit: FunctionalUnit) -> None:
    """Refuse a provider's unit that the specification does not have, or that does not say what it counts."""
    if persona == PROVIDER:
        bounds.known("functional unit of a provider", unit.name, PROVIDER_UNITS)
        bounds.known("basis of a provider's functional unit", unit.basis, BASES)

"""Published figures of reporting, each answered by our own functions: reproduced, refuted, or left to another part.

What belongs here: one answer a case. What must not be here: the published figures (``models/data/reporting_case.csv``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from models import pedigree
from models.embodied.amortise import rate_gco2e_per_h
from models.products.break_even import break_even_units
from models.products.ratio import Ratio, phase_ratio, training_to_inference
from models.products.request import Parts, TokenKey, Tokens, serving_figures
from models.products.sci import LOCATION_AVERAGE, FunctionalUnit, PhaseCarbon, embodied_gco2e, sci_for_ai
from models.uncertain import Quantity, exactly, total
from models.units import G_PER_KG, HOURS_PER_YEAR, KG_PER_T, KWH_PER_MWH, hours_from_years

Inputs: TypeAlias = Mapping[str, Any]
Answer: TypeAlias = tuple[float, ...]
G_PER_T = G_PER_KG * KG_PER_T
"""Grams in one tonne [g/t], exact."""
WH_PER_KWH = 1_000.0
"""Watt-hours in one kilowatt-hour [Wh/kWh], exact."""
KG_PER_KT = 1e6
"""Kilograms in one kilotonne [kg/kt], exact."""
MONTHS_PER_YEAR = 12.0
"""Months in one year [1]."""
OUTPUT_ONLY = TokenKey("output_only", 0.0, 1.0)
"""All of it on the tokens that go out, as a figure per answer without its prompt's length means it."""
FORM_DIGITS_N = 2
"""Significant figures that the Model Documentation Form asks for at least [1]."""


def answer(case_id: str, inputs: Inputs) -> Answer:
    """Give our figure of a case, two where the case is a range.

    Args:
        case_id: key of ``ANSWERS``.
        inputs: what the case states, with the names and units of the case.

    Raises:
        KeyError: if the case is not answered here.
    """
    return ANSWERS[case_id](inputs)


def _of(quantity: Quantity | None) -> Answer:
    """Give the central value of a figure that must be there."""
    if quantity is None:
        msg = "the case has no figure"
        raise ValueError(msg)
    return (quantity.central,)


def _of_parts(parts: Parts | None) -> Answer:
    """Give active and standing together of a figure that must be there."""
    return _of(None if parts is None else parts.total)


def _of_ratio(ratio: Ratio) -> Answer:
    """Give the value of a ratio that must be there."""
    return _of(ratio.value)


def _phases(amounts: Inputs, unit: str, names: Mapping[str, str]) -> dict[str, Quantity]:
    """Give amounts by phase of ours from the names of a case."""
    return {phase: exactly(amounts[name], unit) for name, phase in names.items()}


def _prompt_wh(case: Inputs) -> Answer:
    """Energy of one prompt from its four parts [Wh]: idle stands, the rest is active."""
    active = total([exactly(case[f"{part}_wh"] / WH_PER_KWH, "kWh") for part in _PROMPT_PARTS], "kWh")
    standing = exactly(case["idle_wh"] / WH_PER_KWH, "kWh")
    found = serving_figures(active, standing, 1, Tokens(0, 0), OUTPUT_ONLY).per_request
    return (_of_parts(found)[0] * WH_PER_KWH,)


_PROMPT_PARTS = ("accelerator", "host_cpu_dram", "overhead")


def _prompt_of_kwh_wh(case: Inputs) -> Answer:
    """Energy of one prompt [Wh] where one kilowatt-hour serves so many."""
    kwh = exactly(1.0, "kWh"), exactly(0.0, "kWh")
    found = serving_figures(*kwh, case["prompts_per_kwh"], Tokens(0, 0), OUTPUT_ONLY).per_request
    return (_of_parts(found)[0] * WH_PER_KWH,)


def _per_1k_output(case: Inputs) -> Answer:
    """Emissions per 1,000 tokens that go out [gCO2e]."""
    grams = exactly(case["ghg_g"], "gCO2e"), exactly(0.0, "gCO2e")
    return _of_parts(serving_figures(*grams, 1, Tokens(0, case["tokens"]), OUTPUT_ONLY).per_1k_output)


def _training_fractions(case: Inputs) -> Answer:
    """Training over inference of two fractions [1]."""
    names = {"training_fraction": "training", "inference_fraction": "inference"}
    return _of_ratio(training_to_inference(_phases(case, "1", names), with_development=False))


def _capacity(case: Inputs) -> Answer:
    """Experimentation and training over inference of power capacity [1]."""
    names = {name: name for name in ("experimentation", "training", "inference")}
    return _of_ratio(training_to_inference(_phases(case, "1", names), with_development=True))


def _inference_share(case: Inputs) -> Answer:
    """Inference over data, training and inference [1]."""
    names = {"data": "data_processing", "experimentation_training": "training", "inference": "inference"}
    phases = _phases(case, "1", names)
    return _of_ratio(phase_ratio(phases, ("inference",), tuple(phases)))


def _development(case: Inputs) -> Answer:
    """Development over the final training [1]."""
    phases = _phases(case, "MWh", {"development_mwh": "experimentation", "final_training_mwh": "training"})
    return _of_ratio(phase_ratio(phases, ("experimentation",), ("training",)))


def _lifecycle_t(case: Inputs) -> Answer:
    """Dynamic, idle and embodied emissions together [tCO2e]."""
    grid = exactly(case["grid_g_per_kwh"], "gCO2e/kWh")
    used = [exactly(case[name], "kWh").times(grid, "gCO2e") for name in ("dynamic_kwh", "idle_kwh")]
    return _of(
        total([*(one.scaled(1 / G_PER_T, "tCO2e") for one in used), exactly(case["embodied_t"], "tCO2e")], "tCO2e")
    )


def _design_energy(case: Inputs) -> Quantity:
    """Energy of device-hours at design power [kWh]."""
    return exactly(case["gpu_hours"], "h").times(exactly(case["tdp_w"] / WH_PER_KWH, "kW"), "kWh")


def _break_even(case: Inputs) -> Answer:
    """Requests that take as much as training and fine-tuning [1]."""
    training = total([exactly(case[name], "kWh") for name in ("training_kwh", "finetuning_kwh")], "kWh")
    return _of(break_even_units(training, exactly(case["inference_kwh_per_request"], "kWh")).units_n)


def _implied(emissions_t: float, energy: Quantity) -> Answer:
    """Intensity that emissions and energy imply [gCO2e/kWh]."""
    return _of(exactly(emissions_t * G_PER_T, "gCO2e").over(energy, "gCO2e/kWh"))


def _factor_ranges(case: Inputs) -> Answer:
    """Product of the low ends and of the high ends of independent factors [1]."""
    return tuple(math.prod(ends[at] for ends in case.values()) for at in (0, 1))


def _embodied_g(case: Inputs) -> Answer:
    """M of the time reserved [gCO2e], a year of 365 days."""
    whole, life_h = exactly(case["TE_kg"], "kgCO2e"), hours_from_years(case["EL_years"])
    return _of(embodied_gco2e(whole, case["TiR_h"], life_h, case["RR_over_ToR"]))


def _consumer(operational_kg: float, embodied_kg: float, unit: FunctionalUnit, per_n: float) -> Answer:
    """Consumer's score [gCO2e per so many units]."""
    carbon = PhaseCarbon(exactly(operational_kg * G_PER_KG, "gCO2e"), exactly(embodied_kg * G_PER_KG, "gCO2e"))
    return _of(sci_for_ai("consumer", {"inference": carbon}, unit, LOCATION_AVERAGE).per(per_n))


def _monthly_kg(case: Inputs) -> Answer:
    """Straight line of one month [kgCO2e]."""
    g_per_h = rate_gco2e_per_h(case["asset_kg"], hours_from_years(case["it_years"]))
    return (g_per_h * HOURS_PER_YEAR / MONTHS_PER_YEAR / G_PER_KG,)


def _used_hour_kg(case: Inputs) -> Answer:
    """Embodied emissions per hour in use [kgCO2e/h]."""
    return (rate_gco2e_per_h(case["embodied_kg"], hours_from_years(case["years"]) * case["utilisation"]) / G_PER_KG,)


def _gsd_squared(case: Inputs) -> Answer:
    """Squared geometric standard deviation, with the factor 2 of the original guideline [1]."""
    variance = case["basic_variance"] + pedigree.Scores(**case["scores"]).variance()
    return (math.exp(2 * math.sqrt(variance)),)


def _gap(case: Inputs) -> Answer:
    """Gap of a statement to an estimate, over the estimate [1]."""
    return ((case["estimate_wh"] - case["statement_wh"]) / case["estimate_wh"],)


def _form_mwh(case: Inputs) -> Answer:
    """Energy to two significant figures [MWh]."""
    return (float(f"{case['mwh']:.{FORM_DIGITS_N - 1}e}"),)


ANSWERS: Mapping[str, Callable[[Inputs], Answer]] = {
    "S01": _prompt_wh,
    "S02": _prompt_of_kwh_wh,
    "S03": _training_fractions,
    "S04": _capacity,
    "S05": _inference_share,
    "S06": _lifecycle_t,
    "S07": lambda case: _of(_design_energy(case)),
    "S08": _break_even,
    "S09": _break_even,
    "S10": _development,
    "S11": lambda case: _implied(case["emissions_t"], exactly(case["energy_mwh"] * KWH_PER_MWH, "kWh")),
    "S12": lambda case: _implied(case["location_t"], _design_energy(case)),
    "S13": lambda case: _implied(case["location_t"], _design_energy(case)),
    "S14": lambda case: _of(total([exactly(case[name], "tCO2e") for name in ("scout_t", "maverick_t")], "tCO2e")),
    "S15": _factor_ranges,
    "S16": _factor_ranges,
    "S17": lambda case: (case["ghg_kt"] * KG_PER_KT / KG_PER_T,),
    "S18": _per_1k_output,
    "S19": _embodied_g,
    "S20": lambda case: _consumer(
        case["operational_kg_week"], case["embodied_kg_week"], FunctionalUnit("token", case["tokens_week"]), 1_000
    ),
    "S21": lambda case: _consumer(case["kg_month"], 0, FunctionalUnit("inference", case["inferences_month"]), 1),
    "S22": _monthly_kg,
    "S23": _used_hour_kg,
    "S24": _gsd_squared,
    "S25": _gsd_squared,
    "S26": _gap,
    "S29": _form_mwh,
}
"""How each case is answered; a case that is missing is not of this part, and the table says why."""

"""SCI and SCI for AI: the specifications' own examples, location-based only, no score without a unit."""

from __future__ import annotations

import re
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.closed_sets import PHASES
from models.estimate import Estimate
from models.products.sci import (
    LOCATION_AVERAGE,
    NO_UNITS,
    STAGE_OF_PHASE,
    STAGES_OF_PERSONA,
    FunctionalUnit,
    PhaseCarbon,
    embodied_gco2e,
    operational_gco2e,
    sci,
    sci_for_ai,
)
from models.uncertain import Quantity, exactly, from_interval


def g(kg: float) -> Quantity:
    return exactly(kg * 1_000, "gCO2e")


LLM = {
    "training": PhaseCarbon(g(180_000), g(20_000)),
    "inference": PhaseCarbon(g(5_000), g(1_500)),
}


def test_a_score_by_hand() -> None:
    # 10 kWh * 400 g/kWh = 4,000 g; 1,000 kg over 4 years, one hour, half the machine: 1e6 / 35,040 / 2 = 14.2694 g.
    operational = operational_gco2e(exactly(10, "kWh"), exactly(400, "gCO2e/kWh"), LOCATION_AVERAGE)
    embodied = embodied_gco2e(exactly(1_000, "kgCO2e"), 1, 4 * 8_760, 0.5)
    found = sci(operational, embodied, FunctionalUnit("request", 100), LOCATION_AVERAGE)
    assert found.score is not None
    assert found.score.central == pytest.approx(40 + 0.142694, rel=1e-6)
    assert found.score.unit == "gCO2e per request"


def test_the_consumer_example_is_130_g_per_million_tokens_not_the_printed_0_13() -> None:
    # SPEC.md 9.1.1: 6,500 kg / 50e9 tokens = 1.3e-4 g a token; 9.1.3 prints 0.13 g per million, a thousandth of it.
    found = sci_for_ai("consumer", LLM, FunctionalUnit("token", 50e9), LOCATION_AVERAGE)
    for units_n, expected in ((1e3, 0.13), (1e6, 130), (1e9, 130_000)):
        per = found.per(units_n)
        assert per is not None
        assert per.central == pytest.approx(expected)
    assert found.left_out == ("training",)


def test_the_provider_example_is_4_g_per_1e15_flop() -> None:
    # SPEC.md 9.1.2: 200,000 kg / 5e22 FLOP = 4e-15 g/FLOP.
    found = sci_for_ai("provider", LLM, FunctionalUnit("flop", 5e22, "gross"), LOCATION_AVERAGE)
    per = found.per(1e15)
    assert per is not None
    assert per.central == pytest.approx(4)
    assert found.left_out == ("inference",)


def test_the_vision_example_is_30_000_kg_per_billion_parameters_not_the_printed_3000_or_30() -> None:
    # SPEC.md 9.2.2: 75,000 kg / 2.5 billion = 30,000 kg per billion; it prints 3000 and then 30.
    phases = {"training": PhaseCarbon(g(75_000), g(0))}
    found = sci_for_ai("provider", phases, FunctionalUnit("parameter", 2.5e9, "gross"), LOCATION_AVERAGE).per(1e9)
    assert found is not None
    assert found.central == pytest.approx(30_000 * 1_000)


def test_each_phase_of_a_job_is_in_one_persona_and_one_only() -> None:
    assert set(PHASES) - {"unknown"} <= set(STAGE_OF_PHASE)
    for stage in STAGE_OF_PHASE.values():
        assert sum(stage in stages for stages in STAGES_OF_PERSONA.values()) == 1


@given(st.dictionaries(st.sampled_from(sorted(STAGE_OF_PHASE)), st.floats(0, 1e9), min_size=1))
def test_both_scores_together_hold_every_gram_once(amounts: dict[str, float]) -> None:
    phases = {name: PhaseCarbon(g(kg), g(kg / 2)) for name, kg in amounts.items()}
    held = 0.0
    for persona, unit in (("consumer", FunctionalUnit("token", 7)), ("provider", FunctionalUnit("flop", 7, "gross"))):
        stages = STAGES_OF_PERSONA[persona]
        if any(STAGE_OF_PHASE[name] in stages for name in phases):
            found = sci_for_ai(persona, phases, unit, LOCATION_AVERAGE)
            assert found.score is not None
            held += found.score.central * 7
    assert held == pytest.approx(1_500 * sum(amounts.values()), rel=1e-9)


def test_without_a_unit_there_is_no_score() -> None:
    found = sci(g(1), g(1), FunctionalUnit("token", 0), LOCATION_AVERAGE)
    assert (found.score, found.per(1e6), found.reason) == (None, None, NO_UNITS)


def test_a_grid_factor_that_phases_share_keeps_its_interval() -> None:
    grid = from_interval("grid", Estimate(200, 400, 800, "gCO2e/kWh"))
    carbon = [operational_gco2e(exactly(kwh, "kWh"), grid, LOCATION_AVERAGE) for kwh in (1, 2)]
    phases = {name: PhaseCarbon(one, g(0)) for name, one in zip(("training", "evaluation"), carbon, strict=True)}
    score = sci_for_ai("provider", phases, FunctionalUnit("flop", 10, "gross"), LOCATION_AVERAGE).score
    assert score is not None
    assert score.high / score.central == pytest.approx(grid.high / grid.central)


@pytest.mark.parametrize("method", ["market", "market_annual", "market_hourly"])
def test_a_market_based_input_is_refused_with_the_reason(method: str) -> None:
    with pytest.raises(ValueError, match="SCI excludes market-based measures"):
        sci(g(1), g(1), FunctionalUnit("token", 1), method)
    with pytest.raises(ValueError, match="SCI excludes market-based measures"):
        operational_gco2e(exactly(1, "kWh"), exactly(1, "gCO2e/kWh"), method)


@pytest.mark.parametrize(
    ("persona", "phases", "unit", "words"),
    [
        ("user", LLM, ("token", 1), "unknown persona 'user'; known: consumer, provider"),
        ("consumer", {"unknown": LLM["training"]}, ("token", 1), "unknown phase 'unknown'"),
        ("consumer", {"training": LLM["training"]}, ("token", 1), "phases must hold one of inference, storage"),
        ("provider", LLM, ("token", 1, "gross"), "unknown functional unit of a provider 'token'"),
        ("provider", LLM, ("flop", 1), "unknown basis of a provider's functional unit ''; known: gross, effective"),
    ],
)
def test_what_the_specification_forbids_is_refused(persona: str, phases: Any, unit: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        sci_for_ai(persona, phases, FunctionalUnit(*unit), LOCATION_AVERAGE)


def test_bad_numbers_are_refused_with_field_value_and_range() -> None:
    whole = exactly(1, "kgCO2e")
    for make, words in (
        (lambda: FunctionalUnit("token", -1), "FunctionalUnit.units_n must be a finite number in [0, 1e+30], not -1"),
        (lambda: FunctionalUnit("token", nan), "FunctionalUnit.units_n must be a finite number"),
        (lambda: FunctionalUnit(" ", 1), "FunctionalUnit.name must be a text"),
        (lambda: embodied_gco2e(whole, 11, 10, 1), "reserved_h must be a finite number in [0, 10] h, not 11"),
        (lambda: embodied_gco2e(whole, 1, 0, 1), "life_h must be a finite number in (0, 1e+06] h, not 0"),
        (lambda: embodied_gco2e(whole, 1, 10, 1.1), "resource_fraction must be a finite number in [0, 1], not 1.1"),
        (lambda: sci(whole, g(1), FunctionalUnit("t", 1), LOCATION_AVERAGE), "operational must be in gCO2e, not 1 kg"),
        (lambda: sci(g(1), g(1), FunctionalUnit("t", 1), "average"), "unknown method 'average'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=re.escape(words)):
            make()

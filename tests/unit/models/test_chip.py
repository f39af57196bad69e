"""Chip level: yields, dies, the calibrated accelerator module, processors."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import factors
from models.embodied import chip
from models.embodied.chip import DieGroup, accelerator_kgco2e, chip_manufacturing_kgco2e, die_yield

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
VECTORS = SHARED / "data" / "embodied" / "test_vectors.csv"
ACT_YIELD = 0.875


def vectors(tool: str, function: str) -> list[Any]:
    """Read inputs and expected output of the recorded runs of a tool."""
    if not SHARED.is_dir():
        return [pytest.param({}, 0.0, marks=pytest.mark.skip(reason="no shared data beside the repository"))]
    with VECTORS.open(encoding="utf-8", newline="") as file:
        found = [r for r in csv.DictReader(file) if r["tool"] == tool and r["function"].startswith(function)]
    assert found, f"no test vectors of {tool} {function}"
    return [pytest.param(json.loads(r["inputs_json"]), float(r["expected"]), id=r["id"]) for r in found]


@pytest.mark.parametrize(
    ("area_mm2", "murphy", "poisson", "seeds", "negbin"),
    [(814, 0.468094, 0.443082, 0.405668, 0.457232), (100, 0.905592, 0.904837, 0.728893, 0.905287)],
)
def test_yields_match_the_reference_table(
    area_mm2: float, murphy: float, poisson: float, seeds: float, negbin: float
) -> None:
    got = [die_yield(area_mm2, 0.1, model) for model in (chip.MURPHY, chip.POISSON, chip.SEEDS, chip.NEGBIN)]
    assert got == pytest.approx([murphy, poisson, seeds, negbin], abs=5e-7)


@given(st.floats(1, 858), st.floats(0, 1), st.sampled_from(chip.YIELD_MODELS))
def test_a_yield_is_a_fraction_and_falls_with_area(area_mm2: float, d0: float, model: str) -> None:
    assert 0 < die_yield(area_mm2 * 1.1, d0, model) <= die_yield(area_mm2, d0, model) <= 1


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data beside the repository")
@pytest.mark.parametrize("model", [chip.POISSON, chip.MURPHY, chip.NEGBIN])
def test_yield_vectors(model: str) -> None:
    for param in vectors("closed-form", f"yield_{model} "):
        given_inputs, expected = param.values
        got = die_yield(given_inputs["area_cm2"] * 100, given_inputs["d0"], model)
        assert got == pytest.approx(expected, rel=1e-12)


@pytest.mark.real
@pytest.mark.parametrize(("given_inputs", "expected"), vectors("closed-form", "dies_per_wafer"))
def test_dies_per_wafer_vectors(given_inputs: dict[str, float], expected: float) -> None:
    assert chip.dies_per_wafer(given_inputs["die_mm2"]) == pytest.approx(expected, rel=1e-12)


def test_the_wafer_edge_adds_37_percent_to_an_h100_die() -> None:
    assert chip.wafer_edge_factor(814) == pytest.approx(1.37, abs=0.005)


@pytest.mark.real
@pytest.mark.parametrize(("given_inputs", "expected"), vectors("closed-form", "calibrated GPU"))
def test_calibrated_module_vectors(given_inputs: dict[str, Any], expected: float) -> None:
    node = factors.fab_node(f"{given_inputs['node']}nm")
    groups = [DieGroup(1, area, node) for area in given_inputs["dies_mm2"]]
    got = accelerator_kgco2e(groups, "hbm", given_inputs["hbm_gb"], given_inputs["tdp_w"], factors.module_constants())
    assert got.central == pytest.approx(expected, rel=1e-9)


@pytest.mark.real
@pytest.mark.parametrize(("given_inputs", "expected"), vectors("ACT", "LogicModel.get_cpa"))
def test_carbon_per_area_equals_act(given_inputs: dict[str, Any], expected: float) -> None:
    area = factors.fab_node(given_inputs["process"], given_inputs["fab_ci"]).carbon_per_area()
    per_area = {99: area.low, 97: area.central, 95: area.high}[given_inputs["gpa"]]
    assert per_area / given_inputs["fab_yield"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.real
@pytest.mark.parametrize(("given_inputs", "expected"), vectors("ACT", "LogicModel.get_carbon"))
def test_die_with_fixed_yield_equals_act(given_inputs: dict[str, Any], expected: float) -> None:
    node = factors.fab_node(given_inputs["process"], given_inputs["fab_ci"])
    die = chip_manufacturing_kgco2e(given_inputs["area_mm2"], node, given_inputs["fab_yield"])
    bare = {99: die.low, 97: die.central, 95: die.high}[given_inputs["gpa"]]
    package = factors.components()["ic_package"].central
    assert bare + given_inputs["n_ics"] * package == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("model", "kgco2e"),
    [
        ("NVIDIA H100 SXM5 80GB", 165),
        ("NVIDIA B200 180GB", 316),
        ("NVIDIA A100 SXM4 40GB", 107),
        ("NVIDIA A100 SXM4 80GB", 145),
        ("NVIDIA H200 SXM 141GB", 222),
        ("NVIDIA V100 SXM2 32GB", 81),
        ("NVIDIA B300 288GB", 436),
    ],
)
def test_the_component_model_reproduces_its_calibration(model: str, kgco2e: float) -> None:
    spec = next(s for s in factors.accelerator_specs() if s.model == model)
    got = accelerator_kgco2e(spec.groups, spec.memory_kind, spec.memory_gb, spec.tdp_w, factors.module_constants())
    assert got.central == pytest.approx(kgco2e, rel=0.01)


@pytest.mark.parametrize(
    ("model", "published"),
    [("NVIDIA H100 SXM5 80GB", 164), ("NVIDIA B200 180GB", 284.25), ("NVIDIA A100 SXM4 40GB", 127.6)],
)
def test_published_totals_lie_inside_the_interval_and_within_17_percent(model: str, published: float) -> None:
    spec = next(s for s in factors.accelerator_specs() if s.model == model)
    got = accelerator_kgco2e(spec.groups, spec.memory_kind, spec.memory_gb, spec.tdp_w, factors.module_constants())
    assert got.low < published < got.high
    assert got.central == pytest.approx(published, rel=0.17)


def test_the_h100_die_agrees_with_the_integrated_circuits_of_the_footprint() -> None:
    die = chip_manufacturing_kgco2e(814, factors.fab_node("5nm"), die_yield(814, 0.1))
    assert die.central == pytest.approx(332 / 8, rel=0.02)


def test_an_epyc_7763_is_about_30_kg() -> None:
    spec = next(s for s in factors.processor_specs() if s.model == "AMD EPYC 7763")
    got = chip.processor_kgco2e(spec.silicon_area_mm2, spec.dies_n, spec.node, factors.components())
    assert got.central == pytest.approx(0.0197 * 1056 + 9.14)
    assert got.low < got.central
    assert got.high == pytest.approx(1.6 * got.central)


def test_impossible_dies_are_refused() -> None:
    node = factors.fab_node("5nm")
    with pytest.raises(ValueError, match="yield"):
        chip_manufacturing_kgco2e(814, node, 0)
    with pytest.raises(ValueError, match="area"):
        chip_manufacturing_kgco2e(0, node, 1)
    with pytest.raises(ValueError, match="unknown yield model"):
        die_yield(100, 0.1, "best")
    with pytest.raises(ValueError, match="memory kind"):
        accelerator_kgco2e([DieGroup(1, 100, node)], "core", 1, 1, factors.module_constants())
    with pytest.raises(ValueError, match="at least one"):
        accelerator_kgco2e([], "hbm", 1, 1, factors.module_constants())
    with pytest.raises(KeyError):
        factors.fab_node("65nm")

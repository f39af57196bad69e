"""The catalogue: names, tiers, selection, fallbacks."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import factors
from models.embodied.catalogue import GENERIC, normalise_model

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
FACTORS = factors.hardware_factors()


@pytest.mark.parametrize(
    ("spelling", "model"),
    [
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100 SXM5 80GB"),
        ("NVIDIA H100-SXM5-80GB", "NVIDIA H100 SXM5 80GB"),
        ("NVIDIA H100 PCIe", "NVIDIA H100 PCIe 80GB"),
        ("NVIDIA A100-SXM4-40GB", "NVIDIA A100 SXM4 40GB"),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100 SXM4 80GB"),
        ("NVIDIA A100 80GB PCIe", "NVIDIA A100 PCIe 80GB"),
        ("Tesla V100-SXM2-32GB", "NVIDIA V100 SXM2 32GB"),
        ("H200-SXM-141GB", "NVIDIA H200 SXM 141GB"),
        ("NVIDIA B200", "NVIDIA B200 180GB"),
        ("Tesla T4", "NVIDIA T4"),
        ("AMD Instinct MI300X OAM", "AMD Instinct MI300X"),
    ],
)
def test_names_of_drivers_and_benchmarks_find_their_accelerator(spelling: str, model: str) -> None:
    found = factors.find_hardware_factor(spelling, "accelerator")
    assert found is not None
    assert not found.is_fallback
    assert found.factor.hardware_model == model


@pytest.mark.parametrize(
    ("spelling", "kind", "model"),
    [
        ("AMD EPYC 7763 64-Core Processor", "cpu", "AMD EPYC 7763"),
        ("Intel(R) Xeon(R) Gold 6142 CPU @ 2.60GHz", "cpu", "Intel Xeon Gold 6142"),
        ("Dell Inc. PowerEdge R740", "server", "Dell PowerEdge R740"),
        ("NVIDIA DGX H100", "server", "*8-accelerator host"),
        ("Data4 DC19", "facility", "Data4 Marcoussis DC19"),
    ],
)
def test_names_of_other_assets_are_found(spelling: str, kind: str, model: str) -> None:
    found = factors.find_hardware_factor(spelling, kind)
    assert found is not None
    assert found.factor.hardware_model == model
    assert not found.is_fallback


@pytest.mark.parametrize("kind", ["accelerator", "cpu", "server", "building"])
def test_an_unknown_model_gets_the_archetype_of_its_kind_visibly(kind: str) -> None:
    found = factors.find_hardware_factor("Frobnicator 9000", kind)
    assert found is not None
    assert found.is_fallback
    assert (found.factor.hardware_model, found.factor.tier, found.factor.method) == (GENERIC[kind], "T4", "archetype")
    assert found.factor.kgco2e > 0


def test_a_kind_without_a_factor_is_not_known_rather_than_zero() -> None:
    assert factors.find_hardware_factor("any", "switch") is None


@given(st.text(max_size=60))
def test_a_key_is_lower_case_alphanumeric_and_stable(name: str) -> None:
    key = normalise_model(name)
    assert all(c in "abcdefghijklmnopqrstuvwxyz0123456789" for c in key)


def test_published_footprints_of_the_first_tiers_outrank_the_component_model_and_both_are_kept() -> None:
    h100 = {f.method: f for f in FACTORS if f.hardware_model == "NVIDIA H100 SXM5 80GB"}
    assert h100["product_footprint"].is_selected
    assert not h100["component_model"].is_selected
    assert h100["product_footprint"].kgco2e == 164
    assert (h100["product_footprint"].low_kgco2e, h100["product_footprint"].high_kgco2e) == pytest.approx(
        (139.4, 213.2)
    )
    b200 = next(f for f in FACTORS if f.hardware_model == "NVIDIA B200 180GB" and f.is_selected)
    assert b200.kgco2e == 284.25
    a100_pcie = {f.method: f for f in FACTORS if f.hardware_model == "NVIDIA A100 PCIe 40GB"}
    assert a100_pcie["component_model"].is_selected  # the other figure is of tier T3 too


def test_each_model_has_exactly_one_selected_factor() -> None:
    selected = Counter((f.kind, f.hardware_model) for f in FACTORS if f.is_selected)
    assert set(selected.values()) == {1}
    assert set(selected) == {(f.kind, f.hardware_model) for f in FACTORS}


def test_ids_are_unique_and_no_key_leads_to_two_models() -> None:
    assert len({f.factor_id for f in FACTORS}) == len(FACTORS)
    models_of: dict[tuple[str, str], set[str]] = {}
    for factor in FACTORS:
        for key in factor.model_keys:
            assert key
            models_of.setdefault((factor.kind, key), set()).add(factor.hardware_model)
    assert {key: names for key, names in models_of.items() if len(names) > 1} == {}


def test_every_factor_is_ordered_sourced_and_plausible() -> None:
    plausible = {"accelerator": (10, 1_500), "cpu": (5, 200), "server": (200, 25_000), "building": (50, 5_000)}
    for factor in FACTORS:
        assert 0 < factor.low_kgco2e <= factor.kgco2e <= factor.high_kgco2e
        low, high = plausible[factor.kind]
        assert low < factor.kgco2e < high, factor.factor_id
        assert 0 < factor.life_low_h < factor.life_h < factor.life_high_h
        assert factor.source_title
        assert factor.licence
        assert factor.published.isdigit()


def test_central_values_of_the_archetypes_are_those_that_the_documents_state() -> None:
    central = {f.hardware_model: f for f in FACTORS if f.hardware_model.startswith("*")}
    assert {name: f.kgco2e for name, f in central.items() if f.kind in {"server", "building"}} == {
        "*generic server": 1_278,
        "*8-accelerator host": 5_652,
        "*generic building": 980,
    }
    assert central["*8-accelerator host"].nameplate_kw == 10.2
    assert central["*generic accelerator"].life_h == 5 * 8_760
    assert central["*generic building"].life_h == 20 * 8_760


def test_the_generic_server_is_the_median_of_the_server_footprints() -> None:
    published = [f for f in FACTORS if f.source_id == "boavizta_footprints" and f.method == "product_footprint"]
    generic = next(f for f in FACTORS if f.hardware_model == "*generic server")
    assert len(published) == 45
    assert generic.kgco2e == median(f.kgco2e for f in published)
    assert generic.low_kgco2e == pytest.approx(min(f.kgco2e for f in published), abs=0.5)
    assert generic.high_kgco2e == pytest.approx(max(f.kgco2e for f in published), abs=0.5)


def test_the_generic_accelerator_spans_every_card_with_stacked_memory() -> None:
    stacked = {s.model for s in factors.accelerator_specs() if s.memory_kind == "hbm"}
    generic = next(f for f in FACTORS if f.hardware_model == "*generic accelerator")
    central = [f.kgco2e for f in FACTORS if f.is_selected and f.hardware_model in stacked]
    assert generic.low_kgco2e <= min(central)
    assert max(central) <= generic.high_kgco2e


def test_the_generic_processor_has_the_median_silicon_of_the_table() -> None:
    areas = {s.model: s.silicon_area_mm2 for s in factors.processor_specs()}
    assert areas.pop("*generic cpu") == median(areas.values())


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data beside the repository")
def test_every_server_of_the_published_table_is_in_ours_with_its_value() -> None:
    ours = {f.hardware_model.removeprefix("HPE ").removeprefix("HP "): f.kgco2e for f in FACTORS if f.kind == "server"}
    with (SHARED / "data/embodied/server_pcf_odbl.csv").open(encoding="utf-8", newline="") as file:
        servers = [r for r in csv.DictReader(file) if r["subcategory"] in {"Server", "Converged", "Converged Edge"}]
    for row in servers:
        name = row["product"].removesuffix(" server")
        name = name if row["manufacturer"] == "HP" else f"{row['manufacturer']} {name}"
        assert ours[name] == float(row["kg_nonuse"])

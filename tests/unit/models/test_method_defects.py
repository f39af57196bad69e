"""Defects that running the other tools has shown: reproduced by their method, absent from our own model."""

from __future__ import annotations

import inspect
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import factors, method_factors
from models.embodied import amortise, building, catalogue, chip, server
from models.embodied.chip import accelerator_kgco2e, processor_kgco2e
from models.embodied.methods.base import Subject
from models.embodied.methods.registry import METHOD_NAMES, method, methods
from models.embodied.server import HostBill, host_kgco2e, server_kgco2e
from models.estimate import Estimate

OURS = (amortise, building, catalogue, chip, server)
PARTS = factors.components()
KG_NONE = Estimate(0, 0, 0, "kgCO2e")
MOST_PLAUSIBLE_SERVER_KG = 25_000


def our_names() -> set[str]:
    """Give the names of all functions of our own model, and of their arguments."""
    names: set[str] = set()
    for module in OURS:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            names |= {name, *inspect.signature(function).parameters}
    return names


def card(model: str, memory_gb: float | None = None) -> float:
    """Give our component model's figure of a card [kgCO2e], with its own memory or another."""
    spec = next(s for s in factors.accelerator_specs() if s.model == model)
    held_gb = spec.memory_gb if memory_gb is None else memory_gb
    return accelerator_kgco2e(spec.groups, spec.memory_kind, held_gb, spec.tdp_w, factors.module_constants()).central


def test_modules_times_total_memory_makes_825_t_there_and_no_server_of_ours_is_that_heavy() -> None:
    assert method("boavizta").evaluate("server", platform="a2-megagpu") == pytest.approx(824_979, abs=1)
    spec = next(s for s in factors.processor_specs() if s.model == "Intel Xeon Platinum 8275CL")
    socket = processor_kgco2e(spec.silicon_area_mm2, spec.dies_n, spec.node, PARTS)
    host = host_kgco2e(HostBill(socket.scaled(2), dram_gb=1_360, ssd_tb=3.5), PARTS)
    total = server_kgco2e([Estimate(127.6, 127.6, 127.6, "kgCO2e")] * 16, host)
    assert total.high < MOST_PLAUSIBLE_SERVER_KG
    assert all(f.kgco2e < MOST_PLAUSIBLE_SERVER_KG for f in factors.hardware_factors())


@given(st.integers(0, 16), st.floats(1, 1_000))
def test_each_accelerator_of_a_server_counts(cards_n: int, kgco2e: float) -> None:
    one = Estimate(kgco2e, kgco2e, kgco2e, "kgCO2e")
    assert server_kgco2e([one] * cards_n, KG_NONE).central == pytest.approx(cards_n * kgco2e)


def test_charging_goes_on_after_the_end_of_life_there_and_stops_here() -> None:
    # Platform of 4.6757 t, life 35,040 h, 50,000 h used: 4.6757 * 50000 / 35040 = 6.672 t.
    shared = method("cloud_carbon_footprint").evaluate(
        "share", platform_t=4.6757, hours=50_000, life_h=35_040, instance_vcpus_n=96, largest_vcpus_n=96
    )
    assert shared == pytest.approx(6.672, abs=5e-4)
    assert amortise.accrued_kgco2e(4_675.7, 35_040, 0, 0, 50_000) == 4_675.7
    # LLMCarbon: ten years of a five-year life are twice the hardware.
    once = method("llmcarbon").evaluate("run_t", days=1_825, life_days=1_825)
    assert method("llmcarbon").evaluate("run_t", days=3_650, life_days=1_825) == pytest.approx(2 * once)


def test_embodied_mass_becomes_electricity_there_and_never_here() -> None:
    # p4d: 1000 + 100 + (1152 - 16) * 533/384 + 8 * 100 + 8 * 150 = 4,676.8 kg; at 400 g/kWh 11,692 kWh.
    embodied_kg = method("cloud_carbon_footprint").evaluate(
        "server", sockets_n=2, memory_gb=1_152, hdds_n=0, ssds_n=8, gpus_n=8
    )
    phantom = method("cloud_carbon_footprint").evaluate("phantom_kwh", embodied_kg=embodied_kg, grid_kg_per_kwh=0.4)
    assert phantom == pytest.approx(11_692, abs=1)
    assert not [name for name in our_names() if "kwh" in name and "kgco2e" in name]
    assert not {name for name in our_names() if name.endswith("_kwh")}


def test_a_gpu_server_is_shared_by_threads_there_and_accelerators_are_booked_by_device_here() -> None:
    assert {f.unit_basis for f in factors.hardware_factors() if f.kind == "accelerator"} == {"device"}


def test_threads_count_as_sockets_there_and_only_silicon_counts_here() -> None:
    arguments = {"memory_gb": 16, "hdds_n": 0, "ssds_n": 0, "gpus_n": 0}
    by_threads = method("impact_framework").evaluate("server", vcpus_n=96, **arguments)
    by_sockets = method("cloud_carbon_footprint").evaluate("server", sockets_n=2, **arguments)
    assert (by_threads, by_sockets) == (10_500, 1_100)  # 1000 + 95 * 100 and 1000 + 100
    assert not {name for name in our_names() if "thread" in name or "vcpu" in name}


def test_drives_are_swapped_there_and_named_by_unit_here() -> None:
    framework, source = (
        method_factors.constants(name, version)
        for name, version in (("impact_framework", "1.1.0"), ("cloud_carbon_footprint", "b0032d9"))
    )
    assert (framework["ssd"], framework["hdd"]) == (source["hdd"], source["ssd"]) == (50, 100)
    assert (PARTS["storage_ssd"].unit, PARTS["storage_hdd"].unit) == ("kg_per_tb", "kg_per_drive")
    with_ssd = host_kgco2e(HostBill(KG_NONE, 0, ssd_tb=2, chassis_n=0), PARTS).central
    with_hdd = host_kgco2e(HostBill(KG_NONE, 0, hdd_n=2, chassis_n=0), PARTS).central
    assert (with_ssd, with_hdd) == (90, 60)  # 2 TB * 45 kg and 2 drives * 30 kg


def test_operation_leaks_into_embodied_there_and_no_argument_of_ours_could() -> None:
    leaking = method("greensku").evaluate("server", config="Baseline", is_neutral=False)
    plain = method("greensku").evaluate("server", config="Baseline", is_neutral=True)
    # 350 + 1.0598 + 30.7 + 12 * 105.4 + 6 * 34.65 + 58.09
    assert plain == pytest.approx(1_912.5498)
    assert leaking == pytest.approx(350 + 1.0598 + 1.12 * 0.66 * (30.7 * 1.05 + 12 * 105.4 + 6 * 34.65 + 58.09))
    assert not {name for name in our_names() if "pue" in name.lower() or "power_factor" in name}


def test_a_factor_changed_unseen_there_and_each_of_ours_says_where_it_comes_from() -> None:
    cards = [method(name).answer(_subject()).kgco2e for name in ("ecologits_0_9_1", "ecologits")]
    assert cards == [164, 273]
    for factor in factors.hardware_factors():
        assert all((factor.factor_id, factor.source_id, factor.source_title, factor.published, factor.tier))


@given(st.lists(st.floats(0, 40_000), min_size=1, max_size=20))
def test_a_server_is_always_busy_there_and_idle_time_adds_up_here(cuts_h: list[float]) -> None:
    edges = [0.0, *sorted(cuts_h), 50_000.0]
    parts = [amortise.accrued_kgco2e(5_652, 43_800, 0, a, b) for a, b in pairwise(edges)]
    assert math.fsum(parts) == pytest.approx(5_652)


def test_a_bare_die_stands_for_the_card_there_and_memory_heat_sink_and_yield_count_here() -> None:
    assert method("llmcarbon").evaluate("part", name="H100") == pytest.approx(14.652)  # 8.14 * 1.8
    # 80 GB * 0.853125 kg/GB * 1.1008558
    assert card("NVIDIA H100 SXM5 80GB") - card("NVIDIA H100 SXM5 80GB", 0) == pytest.approx(75.13, abs=0.01)
    assert chip.die_yield(814, 0.1) < 0.5


def test_tpu_v4_has_the_area_of_the_v4i_there_and_its_own_here() -> None:
    areas = {s.model: s.groups[0].die_area_mm2 for s in factors.accelerator_specs()}
    assert method_factors.llmcarbon().parts["TPUv4"].amount * 100 == areas["Google TPU v4i"] == 400
    assert areas["Google TPU v4"] == 600


def test_an_unknown_node_ends_the_process_there_and_is_an_error_here() -> None:
    with pytest.raises(KeyError):
        factors.fab_node("65nm")
    with pytest.raises(ValueError, match=r"unknown process '65nm'; known: 10nm"):
        method("act").evaluate(
            "carbon_per_area", process="65nm", fab_location="taiwan", fab_yield=0.875, abatement_percent=97
        )


def test_boards_in_a_wrong_unit_are_offered_by_no_method() -> None:
    assert "pcb" not in " ".join(method("act").formulas)
    assert "pcb" not in " ".join(method_factors.act().constants)


@pytest.mark.parametrize("kind", ["accelerator", "cpu", "server", "building"])
def test_a_generic_server_stands_in_silently_there_and_a_fallback_is_marked_here(kind: str) -> None:
    found = factors.find_hardware_factor("AWS Trainium2", kind)
    assert found is not None
    assert found.is_fallback
    assert found.factor.tier == "T4"
    assert found.factor.kgco2e > 0


def test_one_drive_has_three_figures_there_and_ours_is_an_interval_with_a_source() -> None:
    assert method_factors.act().constants["ssd.seagate_nytro_3530"] * 1_000 == pytest.approx(6.21)
    assert method_factors.greensku().constants["ssd.E1.S 2TB"] / 2 == pytest.approx(17.3, abs=0.05)
    assert PARTS["storage_ssd"].low <= 7.2 < 17.3 <= PARTS["storage_ssd"].high
    assert PARTS["storage_ssd"].source_ids


def test_accelerator_memory_is_counted_eight_fold_there() -> None:
    tool = method_factors.boavizta()
    h100 = tool.cards["NVIDIA H100 SXM 80GB"]
    per_gb = tool.vram_effective_mm2(h100) * tool.constants["gpu_vram"] / 80
    assert per_gb == pytest.approx(5.38, abs=0.01)  # 2343.17 mm2 * 0.18379 / 80
    assert tool.constants["gpu_vram"] * 100 / tool.constants["ram_die"] == pytest.approx(8.35, abs=0.01)
    assert PARTS["memory_hbm"].high < per_gb


def test_every_method_says_what_it_is() -> None:
    assert tuple(methods()) == METHOD_NAMES
    for found in methods().values():
        assert all((found.tool, found.version, found.counts, found.leaves_out, found.unit, found.reference))
        assert found.defects or found.name == "closed_form"
        assert found.source_id in factors.sources() or found.name == "sci"


def test_act_shares_its_nodes_and_grids_with_our_model_and_both_are_its_own() -> None:
    rows = [*factors.sourced_rows("fab_node.csv", verified=True), *factors.sourced_rows("fab_grid.csv")]
    assert {row.text("source_id") for row in rows} == {"act_abc9fbb"}


def _subject() -> Subject:
    return Subject("NVIDIA H100 SXM5 80GB", "accelerator")

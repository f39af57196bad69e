"""Bad numbers to every public function of the embodied models: the error names the field, the value and the range."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import bounds, factors, method_factors
from models.embodied import amortise, building, chip, server
from models.embodied.chip import DieGroup, FabNode
from models.embodied.methods.registry import METHOD_NAMES, method
from models.embodied.server import HostBill
from models.estimate import Estimate

NODE = factors.fab_node("5nm")
PARTS = factors.components()
MODULE = factors.module_constants()
KG = Estimate(1, 1, 1, "kgCO2e")


def host(**quantities: float) -> Estimate:
    return server.host_kgco2e(HostBill(KG, **({"dram_gb": 1} | quantities)), PARTS)


def package(die_area_mm2: float, dies_n: float, defect_density_per_cm2: float) -> Estimate:
    return chip.package_dies_kgco2e([DieGroup(dies_n, die_area_mm2, NODE)], defect_density_per_cm2)  # type: ignore[arg-type]


def accelerator(memory_gb: float, tdp_w: float) -> Estimate:
    return chip.accelerator_kgco2e([DieGroup(1, 100, NODE)], "hbm", memory_gb, tdp_w, MODULE)


def processor(silicon_area_mm2: float, dies_n: int) -> Estimate:
    return chip.processor_kgco2e(silicon_area_mm2, dies_n, NODE, PARTS)


def chip_of(die_area_mm2: float, yield_fraction: float) -> Estimate:
    return chip.chip_manufacturing_kgco2e(die_area_mm2, NODE, yield_fraction)


def transport(mass_kg: float, distance_km: float) -> Estimate:
    return server.transport_kgco2e(mass_kg, [("sea", distance_km)], PARTS)


def facility(it_capacity_kw: float) -> Estimate:
    return building.facility_kgco2e(it_capacity_kw, KG)


def fab(**fields: float) -> FabNode:
    return FabNode("5nm", **fields, source_id="x")


FAB = {
    "energy_kwh_per_cm2": 1.0,
    "gas_low_kg_per_cm2": 0.1,
    "gas_kg_per_cm2": 0.2,
    "gas_high_kg_per_cm2": 0.3,
    "materials_kg_per_cm2": 0.5,
    "grid_gco2e_per_kwh": 500.0,
}
GOOD: list[tuple[Callable[..., Any], dict[str, float]]] = [
    (fab, FAB),
    (chip.die_yield, {"die_area_mm2": 100, "defect_density_per_cm2": 0.1}),
    (chip.dies_per_wafer, {"die_area_mm2": 100, "wafer_diameter_mm": 300}),
    (chip.wafer_edge_factor, {"die_area_mm2": 100, "wafer_diameter_mm": 300}),
    (chip_of, {"die_area_mm2": 100, "yield_fraction": 0.5}),
    (package, {"die_area_mm2": 100, "dies_n": 2, "defect_density_per_cm2": 0.1}),
    (accelerator, {"memory_gb": 80, "tdp_w": 700}),
    (processor, {"silicon_area_mm2": 400, "dies_n": 2}),
    (host, {"dram_gb": 64, "ssd_tb": 1, "hdd_n": 1, "nic_n": 1, "chassis_n": 1}),
    (transport, {"mass_kg": 100, "distance_km": 100}),
    (facility, {"it_capacity_kw": 100}),
    (building.server_share_fraction, {"nameplate_kw": 1, "it_capacity_kw": 100}),
    (amortise.rate_gco2e_per_h, {"total_kgco2e": 100, "life_h": 1000}),
    (amortise.accrued_kgco2e, {"total_kgco2e": 100, "life_h": 1000, "in_service_h": 0, "start_h": 1, "end_h": 2}),
    (amortise.remaining_kgco2e, {"total_kgco2e": 100, "life_h": 1000, "in_service_h": 0, "at_h": 1}),
]
IMPOSSIBLE = (math.nan, math.inf, -math.inf, 1e30, None, "12", True)
SIGNED = {"in_service_h", "start_h", "end_h", "at_h"}
CASES = [
    pytest.param(function, good, field, bad, id=f"{function.__name__}-{field}-{bad}")
    for function, good in GOOD
    for field in good
    for bad in (*IMPOSSIBLE, *(() if field in SIGNED else (-1.0,)))
]


@pytest.mark.parametrize(("function", "good"), GOOD, ids=[function.__name__ for function, _ in GOOD])
def test_good_numbers_pass(function: Callable[..., Any], good: dict[str, float]) -> None:
    function(**good)


@pytest.mark.parametrize(("function", "good", "field", "bad"), CASES)
def test_an_impossible_number_is_refused_by_name_value_and_range(
    function: Callable[..., Any], good: dict[str, float], field: str, bad: Any
) -> None:
    with pytest.raises(
        ValueError, match=rf"{field} must be a finite number in [\[(].*\].*, not {re.escape(repr(bad))}"
    ):
        function(**good | {field: bad})


@pytest.mark.parametrize(
    ("function", "good", "field"),
    [(f, g, n) for f, g in GOOD for n in g if n in {"die_area_mm2", "yield_fraction", "life_h", "it_capacity_kw"}],
)
def test_zero_is_refused_where_it_divides(function: Callable[..., Any], good: dict[str, float], field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field} must be a finite number in \(0, "):
        function(**good | {field: 0})


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: chip_of(100, 1.01), r"yield_fraction must be a finite number in \(0, 1\], not 1.01"),
        (lambda: package(100, 1.5, 0.1), r"dies_n must be a whole number in \[1, 1e\+06\], not 1.5"),
        (lambda: chip.die_yield(100, 0.1, "best"), "unknown yield model 'best'; known: murphy"),
        (lambda: chip.dies_per_wafer(70_000), "die_area_mm2 70000 mm2 is too large"),
        (lambda: server.transport_kgco2e(1, [("ship", 1)], PARTS), "unknown transport mode 'ship'"),
        (lambda: building.server_share_fraction(2, 1), "does not fit"),
        (lambda: amortise.accrued_kgco2e(1, 1, 0, 2, 1), "before it starts"),
    ],
)
def test_other_bad_input_says_what_is_wrong(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_every_public_function_of_the_models_is_tried() -> None:
    tried = {function.__name__ for function, _ in GOOD}
    wrapped = {
        "chip_manufacturing_kgco2e": "chip_of",
        "package_dies_kgco2e": "package",
        "accelerator_kgco2e": "accelerator",
        "processor_kgco2e": "processor",
        "host_kgco2e": "host",
        "transport_kgco2e": "transport",
        "facility_kgco2e": "facility",
    }
    # These take estimates, which refuse bad numbers when they are made.
    of_estimates = {"server_kgco2e", "shell_and_plant_kgco2e"}
    for module in (amortise, building, chip, server):
        for name, found in inspect.getmembers(module, inspect.isfunction):
            if found.__module__ == module.__name__ and not name.startswith("_") and name not in of_estimates:
                assert wrapped.get(name, name) in tried, f"{module.__name__}.{name} is not tried with bad input"


FORMULAS: Mapping[tuple[str, str], dict[str, Any]] = {
    ("act", "carbon_per_area"): {
        "process": "7nm",
        "fab_location": "taiwan",
        "fab_yield": 0.875,
        "abatement_percent": 97,
    },
    ("act", "logic"): {
        "area_mm2": 100.0,
        "process": "7nm",
        "fab_location": "taiwan",
        "fab_yield": 0.875,
        "abatement_percent": 97,
        "ics_n": 1,
    },
    ("act", "capacity"): {
        "kind": "dram",
        "process": "lpddr4",
        "capacity_gb": 8.0,
        "fab_yield": 0.875,
        "ics_n": 1,
    },
    ("act", "bill"): {"name": "dellr740"},
    ("boavizta", "effective_area"): {"die_mm2": 100.0, "kerf_mm": 0.2, "wafer_mm": 300.0, "d0_per_cm2": 0.1},
    ("boavizta", "card_by_name"): {"name": "NVIDIA L4", "duration_h": 1.0, "life_h": 10.0},
    ("boavizta", "cpu"): {"die_mm2": 100.0, "units": 1},
    ("boavizta", "memory"): {"kind": "ram", "capacity_gb": 8.0, "density_gb_per_cm2": 1.0, "units": 1},
    ("boavizta", "hdd"): {"units": 1},
    ("boavizta", "server"): {"platform": "p5.48xlarge"},
    ("boavizta", "instance"): {"instance": "g5.xlarge", "duration_h": 1.0},
    ("cloud_carbon_footprint", "server"): {
        "sockets_n": 1,
        "memory_gb": 64.0,
        "hdds_n": 0,
        "ssds_n": 0,
        "gpus_n": 0,
    },
    ("cloud_carbon_footprint", "share"): {
        "platform_t": 1.0,
        "hours": 1.0,
        "life_h": 10.0,
        "instance_vcpus_n": 1,
        "largest_vcpus_n": 2,
    },
    ("cloud_carbon_footprint", "phantom_kwh"): {"embodied_kg": 1.0, "grid_kg_per_kwh": 0.4},
    ("ecologits", "latency_s"): {"active_b": 7.0, "output_tokens": 10, "batch": 64, "request_latency_s": 1.0},
    ("ecologits", "gpus_required"): {"total_b": 7.0, "bits": 16, "gpu_memory_gb": 80.0},
    ("ecologits", "request"): {
        "latency_s": 1.0,
        "gpus_n": 1,
        "server_gpus_n": 8,
        "server_kg": 5_700.0,
        "gpu_kg": 273.0,
        "life_s": 1e8,
        "batch": 64,
    },
    ("impact_framework", "server"): {"vcpus_n": 1, "memory_gb": 16.0, "hdds_n": 0, "ssds_n": 0, "gpus_n": 0},
    ("impact_framework", "embodied_g"): {"duration_s": 3_600.0, "usage_ratio": 1.0},
    ("sci", "embodied_g"): {
        "total_kg": 1.0,
        "reserved_h": 1.0,
        "life_h": 10.0,
        "resources_reserved": 1.0,
        "resources_total": 2.0,
    },
    ("llmcarbon", "part"): {"name": "H100"},
    ("llmcarbon", "run_t"): {"days": 1.0, "life_days": 1_825.0},
    ("greensku", "server"): {"config": "Baseline", "is_neutral": True},
    ("greensku", "building_share"): {
        "building_kg": 1.0,
        "server_life_months": 72.0,
        "building_life_months": 240.0,
    },
    ("closed_form", "yield"): {"model": "murphy", "area_cm2": 1.0, "d0_per_cm2": 0.1},
    ("closed_form", "dies_per_wafer"): {"die_mm2": 100.0},
    ("closed_form", "per_month"): {"total_kg": 1.0, "life_years": 30.0},
    ("closed_form", "per_unit"): {"total_kg": 1.0, "units_n": 8},
    ("closed_form", "module"): {
        "dies_mm2": [100.0],
        "process": "5nm",
        "fab_location": "taiwan",
        "hbm_gb": 80.0,
        "tdp_w": 700.0,
    },
}


@pytest.mark.parametrize(("name", "formula"), FORMULAS)
def test_a_formula_of_another_tool_refuses_each_bad_argument(name: str, formula: str) -> None:
    good = FORMULAS[name, formula]
    assert method(name).evaluate(formula, **good) > 0
    for field, value in good.items():
        if field == "is_neutral" or (name, field) == ("boavizta", "name"):
            continue
        bads = (
            ("no such thing",) if isinstance(value, str) else ([math.nan],) if isinstance(value, list) else IMPOSSIBLE
        )
        for bad in bads:
            with pytest.raises(ValueError, match=r"must be|unknown"):
                method(name).evaluate(formula, **good | {field: bad})


def test_every_formula_of_every_method_is_tried() -> None:
    every = {(name, formula) for name in METHOD_NAMES for formula in method(name).formulas}
    by_other_means = {("boavizta", "card"), ("ecologits", "llm_request")}
    of_a_version = {pair for pair in every if pair[0] == "ecologits_0_9_1"}
    assert set(FORMULAS) == every - by_other_means - of_a_version


@pytest.mark.parametrize("field", ["die_effective_mm2", "vram_gb", "vram_dies_n", "pcb_cm2", "casing_kg", "mass_kg"])
def test_a_card_refuses_bad_parts(field: str) -> None:
    tool = method_factors.boavizta()
    card = tool.cards["NVIDIA L4"]
    for bad in (math.nan, -1.0):
        with pytest.raises(ValueError, match=field):
            tool.card(card=replace(card, **{field: bad}))


def test_a_method_says_which_formulas_and_arguments_it_has() -> None:
    with pytest.raises(ValueError, match=r"method act has no formula 'magic'; known: bill"):
        method("act").evaluate("magic")
    with pytest.raises(ValueError, match=r"method boavizta, formula hdd: .*mass"):
        method("boavizta").evaluate("hdd", mass=1)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_passes_exactly_when_it_lies_in_the_range(value: float) -> None:
    if 0 < value <= 10:
        assert bounds.positive("x", value, 10, "kg") == value
    else:
        with pytest.raises(ValueError, match=r"x must be a finite number in \(0, 10\] kg, not"):
            bounds.positive("x", value, 10, "kg")

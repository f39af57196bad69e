"""Recorded runs of other tools as calls of our compatibility methods: one dispatch for all rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.embodied.methods.boavizta import Card
from models.embodied.methods.registry import method

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Vector:
    """One recorded run: its id, tool, function, inputs, and what came out."""

    row_id: str
    tool: str
    function: str
    inputs: Inputs
    expected: float


def read(path: Path) -> list[Vector]:
    """Read all recorded runs."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Vector(r["id"], r["tool"], r["function"], json.loads(r["inputs_json"]), float(r["expected"]))
            for r in csv.DictReader(file)
        ]


def renamed(pairs: dict[str, str], **fixed: Any) -> Callable[[Inputs], Inputs]:
    """Give a translation of inputs: every input must be named, one that maps to an empty text is not needed."""

    def translate(inputs: Inputs) -> Inputs:
        unknown = set(inputs) - set(pairs)
        assert not unknown, f"inputs that nobody reads: {sorted(unknown)}"
        return fixed | {pairs[name]: value for name, value in inputs.items() if pairs[name]}

    return translate


def card(inputs: Inputs) -> Inputs:
    """Give the card of a recorded run; the area of its memory is computed, not taken."""
    names = {
        "die_effective_mm2": "gpu_die_effective_mm2",
        "vram_dies_n": "vram_dies",
        **{n: n for n in ("vram_gb", "casing_kg", "heatsink_kg", "boat_km", "truck_km", "plane_km")},
        "mass_kg": "weight_kg",
        "pcb_cm2": "pwb_cm2",
    }
    assert set(inputs) == set(names.values()) | {"name", "vram_effective_mm2"}
    return {"card": Card(**{ours: inputs[theirs] for ours, theirs in names.items()})}


def module(inputs: Inputs) -> Inputs:
    """Give the calibrated module of a recorded run, after a look at the constants that it states."""
    assert (inputs["abatement"], inputs["d0"], inputs["fab_ci_g"]) == (97, 0.1, 583), "not the calibrated set"
    return {
        "dies_mm2": inputs["dies_mm2"],
        "process": f"{inputs['node']}nm",
        "fab_location": "taiwan",
        "hbm_gb": inputs["hbm_gb"],
        "tdp_w": inputs["tdp_w"],
    }


def hours(inputs: Inputs) -> Inputs:
    """Give the SCI example's life in hours."""
    return {"total_kg": inputs["te_kg"], "reserved_h": inputs["hours"], "life_h": inputs["years"] * 8_760}


def densities(kind: str) -> Callable[[Inputs], Inputs]:
    """Give the translation of memory or drives."""
    pairs = {"capacity": "capacity_gb", "density": "density_gb_per_cm2", "units": "units"}
    return renamed(pairs, kind=kind)


ACT_AREA = {
    "fab_ci": "fab_location",
    "fab_yield": "fab_yield",
    "gpa": "abatement_percent",
    "process": "process",
}
ACT_PARTS = {"capacity_gb": "capacity_gb", "fab_yield": "fab_yield", "n_ics": "ics_n", "process": "process"}
YIELD = {"area_cm2": "area_cm2", "d0": "d0_per_cm2"}
REQUEST = {
    **{n: n for n in ("active_b", "total_b", "bits", "output_tokens", "batch", "request_latency_s", "gpu_memory_gb")},
    "gpu_embodied_kg": "gpu_kg",
    "server_embodied_kg": "server_kg",
    "server_gpus": "server_gpus_n",
    "lifetime_s": "life_s",
    # Recorded on the way; the formula finds them itself, and a test of their own holds them.
    "gpus_required": "",
    "latency_s": "",
    "server_gpu_embodied_kg": "",
}
SCI_PARTS = {
    "duration": "duration_s",
    "vCPUs": "vcpus_n",
    "memory": "memory_gb",
    "gpu": "gpus_n",
    "ssd": "ssds_n",
    "hdd": "hdds_n",
    "usage-ratio": "usage_ratio",
}
SHARE = {
    "hours": "hours",
    "instance_vcpu": "instance_vcpus_n",
    "largest_vcpu": "largest_vcpus_n",
    "lifespan_h": "life_h",
    "scope3_t": "platform_t",
}
BUILDING = {
    "building_kg": "building_kg",
    "building_life_months": "building_life_months",
    "server_life_months": "server_life_months",
    "config": "",
}
# Tool, beginning of the recorded function -> method, formula, translation of the inputs.
DISPATCH: tuple[tuple[str, str, str, str, Callable[[Inputs], Inputs]], ...] = (
    ("ACT", "LogicModel.get_cpa", "act", "carbon_per_area", renamed(ACT_AREA)),
    (
        "ACT",
        "LogicModel.get_carbon",
        "act",
        "logic",
        renamed({**ACT_AREA, "area_mm2": "area_mm2", "n_ics": "ics_n", "name": ""}),
    ),
    ("ACT", "DRAMModel.get_carbon", "act", "capacity", renamed(ACT_PARTS, kind="dram")),
    ("ACT", "SSDModel.get_carbon", "act", "capacity", renamed(ACT_PARTS, kind="ssd")),
    ("ACT", "HDDModel.get_carbon", "act", "capacity", renamed(ACT_PARTS, kind="hdd")),
    ("ACT", "python -m act.act_model -m act/boms/dellr740.yaml", "act", "bill", renamed({}, name="dellr740")),
    ("Boavizta", "compute_single_impact(mapper_gpu", "boavizta", "card", card),
    (
        "Boavizta",
        "gpu embedded, duration",
        "boavizta",
        "card_by_name",
        renamed({"duration_h": "duration_h", "lifetime_h": "life_h", "name": "name"}),
    ),
    ("Boavizta", "cpu embedded", "boavizta", "cpu", renamed({"die_size": "die_mm2", "units": "units"}, units=1)),
    ("Boavizta", "ram embedded", "boavizta", "memory", densities("ram")),
    ("Boavizta", "ssd embedded", "boavizta", "memory", densities("ssd")),
    ("Boavizta", "hdd embedded", "boavizta", "hdd", renamed({"units": "units"})),
    (
        "Boavizta",
        "server archetype",
        "boavizta",
        "server",
        renamed({"archetype": "platform", "components_kg": "", "lifetime_h": ""}),
    ),
    (
        "Boavizta",
        "cloud instance",
        "boavizta",
        "instance",
        renamed({"instance": "instance", "provider": "", "platform_lifetime_h": ""}, duration_h=1),
    ),
    (
        "Boavizta",
        "gpu._calculate_effective_area",
        "boavizta",
        "effective_area",
        renamed({"d0_per_cm2": "d0_per_cm2", "die_mm2": "die_mm2", "kerf_mm": "kerf_mm", "wafer_mm": "wafer_mm"}),
    ),
    ("EcoLogits", "impacts.llm", "ecologits", "llm_request", renamed(REQUEST)),
    ("CCF", "EmbodiedEmissionsEstimator", "cloud_carbon_footprint", "share", renamed(SHARE)),
    ("GSF-IF", "SciEmbodied", "impact_framework", "embodied_g", renamed(SCI_PARTS)),
    (
        "LLMCarbon",
        "hardware_list.embodied_co2eq",
        "llmcarbon",
        "run_t",
        renamed({"days": "days", "lifespan_days": "life_days", "table": ""}),
    ),
    (
        "GreenSKU",
        "ServerCarbon(...).server_embodied",
        "greensku",
        "server",
        renamed({"config": "config", "neutral_factors": "is_neutral"}),
    ),
    ("GreenSKU", "ServerCarbon(...).component_dc_embodied", "greensku", "building_share", renamed(BUILDING)),
    ("SCI spec", "SCI spec example", "sci", "embodied_g", hours),
    ("closed-form", "yield_poisson", "closed_form", "yield", renamed(YIELD, model="poisson")),
    ("closed-form", "yield_murphy", "closed_form", "yield", renamed(YIELD, model="murphy")),
    ("closed-form", "yield_negbin", "closed_form", "yield", renamed(YIELD, model="negbin")),
    ("closed-form", "dies_per_wafer", "closed_form", "dies_per_wafer", renamed({"die_mm2": "die_mm2"})),
    ("closed-form", "calibrated GPU model", "closed_form", "module", module),
    ("published", "EcoDataCenter", "closed_form", "per_month", renamed({"kg": "total_kg", "years": "life_years"})),
    ("published", "HGX", "closed_form", "per_unit", renamed({"kg": "total_kg", "gpus": "units_n"})),
)


def ours(vector: Vector) -> float:
    """Give what our method of that tool makes of a recorded run's inputs.

    Raises:
        LookupError: if no method is named for the row: it must not be passed over.
    """
    for tool, function, name, formula, translate in DISPATCH:
        if vector.tool == tool and vector.function.startswith(function):
            return method(name).evaluate(formula, **translate(vector.inputs))
    msg = f"{vector.row_id}: no method for {vector.tool}, {vector.function}"
    raise LookupError(msg)

"""Every compatibility method by name, with its boundary and its known defects.

What belongs here: what each method is. What must not be here: formulas (one file a tool beside this one).
"""

from __future__ import annotations

from functools import cache

from models import bounds, method_factors
from models.embodied.methods.base import Formula, Method, Subject
from models.embodied.methods.impact_framework import sci_answer, sci_embodied_g

CLOSED_FORM = "closed_form"


def _act() -> Method:
    tool = method_factors.act()
    formulas: dict[str, Formula] = {
        "carbon_per_area": tool.carbon_per_area,
        "logic": tool.logic,
        "capacity": tool.capacity,
        "bill": tool.bill,
    }
    return Method(
        "act",
        "ACT",
        "abc9fbb",
        "logic dies by area and node, DRAM, SSD and HDD by capacity, packages",
        "HBM, GDDR and DDR5, heat sinks, chassis, building, wafer edge, yield by die size, any uncertainty",
        "kgCO2e",
        "Gupta et al., ACT (ISCA 2022); facebookresearch/ACT",
        (
            "memory of an accelerator is not counted",
            "an unknown process node ends the process",
            "boards of 0.4 to 0.9 kg per m2, about three orders below others (a unit error; not offered here)",
            "storage of finished drives is divided by a yield again",
        ),
        "act_abc9fbb",
        formulas,
        tool.answer,
    )


def _boavizta() -> Method:
    tool = method_factors.boavizta()
    formulas: dict[str, Formula] = {
        "effective_area": tool.effective_area,
        "card": tool.card,
        "card_by_name": tool.card_by_name,
        "cpu": tool.cpu,
        "memory": tool.memory,
        "hdd": tool.hdd,
        "server": tool.server,
        "instance": tool.instance,
    }
    return Method(
        "boavizta",
        "BoaviztAPI",
        "2.5.0",
        "cards (parts, transport, end of life), processors, memory, drives, board, supplies, case, assembly",
        "building, network, idle time; no interval for cards",
        "kgCO2e",
        "Boavizta/boaviztapi 2.5.0",
        (
            "accelerator memory counted at 4.6 to 5.4 kg per GB, where the HGX H100 footprint has 0.85",
            "some platforms of Google Cloud multiply the number of modules by the total memory (a2-megagpu: 825 t)",
            "until 2.2.0 a server of eight cards counted one",
            "a generic server of 3,660 kg stands in silently when one part has no factor",
            "names are matched by likeness",
        ),
        "boaviztapi_2_5_0",
        formulas,
        tool.answer,
    )


def _cloud_carbon_footprint() -> Method:
    tool = method_factors.cloud_carbon_footprint()
    formulas: dict[str, Formula] = {"server": tool.server, "share": tool.share, "phantom_kwh": tool.phantom_kwh}
    return Method(
        "cloud_carbon_footprint",
        "Cloud Carbon Footprint",
        "core 1.0.0, ccf-coefficients b0032d9",
        "a base server, more sockets, memory, drives, cards",
        "network, building, end of life; no type newer than A100",
        "kgCO2e (servers), tCO2e (shares)",
        "cloudcarbonfootprint.org, methodology, embodied emissions (after Teads)",
        (
            "keeps charging after the end of life: 50,000 h of a 35,040 h life make 6.67 t of 4.68 t",
            "turns embodied mass into kilowatt-hours and adds them to the energy",
            "a GPU server is shared by threads, whatever cards an instance has",
        ),
        "ccf_coefficients_b0032d9",
        formulas,
        tool.answer,
    )


def _ecologits(name: str, version: str) -> Method:
    tool = method_factors.ecologits(version)
    formulas: dict[str, Formula] = {
        "latency_s": tool.latency_s,
        "gpus_required": tool.gpus_required,
        "request": tool.request,
        "llm_request": tool.llm_request,
    }
    return Method(
        name,
        "EcoLogits",
        version,
        "cards and their share of an 8-GPU server, per request",
        "idle time (the server is never idle, batch 64), building, network",
        "kgCO2e",
        "genai-impact/ecologits, methodology, LLM inference",
        (
            "the card changed from 164 to 273 kg between versions, and nothing in a result says which was used",
            "a server that is always busy with a full batch: idle time belongs to nobody",
        ),
        "ecologits_0_11_3" if version == "0.11.3" else "ecologits_2d0a1c7",
        formulas,
        tool.answer,
    )


def _impact_framework() -> Method:
    tool = method_factors.impact_framework()
    formulas: dict[str, Formula] = {"server": tool.server, "embodied_g": tool.embodied_g}
    return Method(
        "impact_framework",
        "Impact Framework sci-embodied",
        "1.1.0 (0829a39)",
        "a base server, threads, memory, drives, cards",
        "network, building, end of life, idle time",
        "kgCO2e (servers), gCO2e (shares)",
        "Green-Software-Foundation/if, builtin sci-embodied",
        (
            "counts every thread as Cloud Carbon Footprint's socket of 100 kg",
            "swaps SSD (100 kg) and HDD (50 kg) of Cloud Carbon Footprint",
            "keeps charging after the end of life",
        ),
        "impact_framework_0829a39",
        formulas,
        tool.answer,
    )


def _sci() -> Method:
    return Method(
        "sci",
        "Software Carbon Intensity specification",
        "ISO/IEC 21031:2024 (29cab98)",
        "the share of a given embodied total that time and resources reserved make",
        "the total itself, and time that nobody reserves",
        "gCO2e",
        "Green Software Foundation, SCI specification, M = TE * TiR/EL * RR/ToR",
        ("unreserved time is nobody's: shares do not add up to the total",),
        "",
        {"embodied_g": sci_embodied_g},
        sci_answer,
    )


def _llmcarbon() -> Method:
    tool = method_factors.llmcarbon()
    formulas: dict[str, Formula] = {"part": tool.part, "run_t": tool.run_t}
    return Method(
        "llmcarbon",
        "LLMCarbon (MLCarbon)",
        "dbd96b7",
        "bare dies, DRAM, SSD of one table, over five years",
        "yield, HBM, packages, heat sinks, boards, chassis, building, idle time",
        "kgCO2e (parts), tCO2e (runs)",
        "Faiz et al., LLMCarbon (ICLR 2024); SotaroKaneda/MLCarbon",
        (
            "a die only: 14.7 kg for an H100 whose footprint is 164",
            "TPU v4 with 4 cm2, the size of the v4i",
            "the column of a part's total disagrees with amount times rate for SSD and others",
            "keeps charging after the end of life",
        ),
        "llmcarbon_hardware",
        formulas,
        tool.answer,
    )


def _greensku() -> Method:
    tool = method_factors.greensku()
    formulas: dict[str, Formula] = {"server": tool.server, "building_share": tool.building_share}
    return Method(
        "greensku",
        "GreenSKU framework",
        "b469a11",
        "processor, memory, drives, NIC, chassis, fans; rack and building apart",
        "accelerators, electrical and cooling plant, end of life; reused parts carry nothing",
        "kgCO2e",
        "Wang et al., Designing Cloud Servers for Lower Carbon (ISCA 2024); Azure/AzurePublicDataset",
        ("PUE, power factor and regulator loss multiply embodied parts: 1,506 kg instead of 1,913",),
        "greensku_b469a11",
        formulas,
        tool.answer,
    )


def _closed_form() -> Method:
    tool = method_factors.closed_form()
    formulas: dict[str, Formula] = {
        "yield": tool.yield_fraction,
        "dies_per_wafer": tool.dies_per_wafer,
        "per_month": tool.per_month,
        "per_unit": tool.per_unit,
        "module": tool.module_kg,
    }
    return Method(
        CLOSED_FORM,
        "wattledger component model",
        "calibrated on HGX H100",
        "module: dies, memory, heat sink, board, assembly, inbound transport",
        "host, network, building, end of life (levels of their own)",
        "kgCO2e",
        "docs/models/embodied.md, chip",
        (),
        "wattledger_embodied_calibration",
        formulas,
        tool.answer,
    )


METHOD_NAMES = (
    "act",
    "boavizta",
    "cloud_carbon_footprint",
    "ecologits",
    "ecologits_0_9_1",
    "impact_framework",
    "sci",
    "llmcarbon",
    "greensku",
    CLOSED_FORM,
)
"""Names of all methods, in the order in which they are shown."""


@cache
def _methods() -> dict[str, Method]:
    found = [
        _act(),
        _boavizta(),
        _cloud_carbon_footprint(),
        _ecologits("ecologits", "0.11.3"),
        _ecologits("ecologits_0_9_1", "0.9.1"),
        _impact_framework(),
        _sci(),
        _llmcarbon(),
        _greensku(),
        _closed_form(),
    ]
    return {method.name: method for method in found}


def method(name: str) -> Method:
    """Give a method by name.

    Args:
        name: one of ``METHOD_NAMES``.

    Raises:
        ValueError: if there is none of that name; the message names all.
    """
    bounds.known("method", name, METHOD_NAMES)
    return _methods()[name]


def methods() -> dict[str, Method]:
    """Give all methods by name, in the order of ``METHOD_NAMES``."""
    return {name: method(name) for name in METHOD_NAMES}


__all__ = ["METHOD_NAMES", "Method", "Subject", "method", "methods"]

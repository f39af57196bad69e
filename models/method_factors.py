"""The tables of other tools' constants (``models/data/method_*.csv``) as the typed tools that use them.

What belongs here: reading, checking and joining of those tables. What must not be here: formulas.
"""

from __future__ import annotations

from functools import cache

from models import factors
from models.embodied.chip import FabNode
from models.embodied.methods.act import Act, BillPart
from models.embodied.methods.boavizta import Boavizta, Card, Instance, Platform
from models.embodied.methods.closed_form import ClosedForm
from models.embodied.methods.cloud_carbon_footprint import CloudCarbonFootprint
from models.embodied.methods.ecologits import EcoLogits
from models.embodied.methods.greensku import GreenSku
from models.embodied.methods.impact_framework import ImpactFramework
from models.embodied.methods.llmcarbon import LlmCarbon, Part
from models.table import Row


@cache
def constants(method: str, version: str) -> dict[str, float]:
    """Give the constants of a tool by name; do not change the result.

    Args:
        method: as in ``method_constant.csv``.
        version: as there.

    Raises:
        FactorDataError: if a constant stands twice.
        KeyError: if the table has none of this tool and version.
    """
    found: dict[str, float] = {}
    for row in factors.sourced_rows("method_constant.csv", verified=True):
        if (row.text("method"), row.text("version")) != (method, version):
            continue
        name = row.text("constant")
        row.text("unit")
        if name in found:
            column = "constant"
            raise row.error(column, "stands twice")
        found[name] = row.number("value")
    if not found:
        raise KeyError(method, version)
    return found


@cache
def act() -> Act:
    """Give ACT abc9fbb."""
    bills: dict[str, list[BillPart]] = {}
    for row in _rows("method_act_bill.csv"):
        kind = row.choice("kind", frozenset({"logic", "dram", "ssd", "hdd"}))
        of_logic = (row.number("abatement_percent", 0, 100), row.text("fab_location")) if kind == "logic" else ()
        part = BillPart(
            row.integer("parts_n", 1),
            kind,
            row.text("process"),
            row.number("amount", 0),
            row.integer("ics_n"),
            *of_logic,
        )
        bills.setdefault(row.text("bill"), []).append(part)
    return Act(constants("act", "abc9fbb"), _nodes(), bills)


@cache
def boavizta() -> Boavizta:
    """Give BoaviztAPI 2.5.0."""
    k = constants("boavizta", "2.5.0")
    cards, card_of_model = {}, {}
    for row in _rows("method_boavizta_card.csv"):
        name = row.text("card")
        cards[name] = _card(row, k)
        card_of_model.update(dict.fromkeys(row.names("models"), name))
    instances = {
        row.text("instance"): Instance(
            row.text("platform"),
            row.number("vcpus_n", 1),
            row.number("memory_gb"),
            row.number("ssd_gb"),
            row.number("cards_n"),
        )
        for row in _rows("method_boavizta_instance.csv")
    }
    platforms, platform_of_model = _platforms()
    return Boavizta(k, cards, card_of_model, platforms, platform_of_model, instances)


@cache
def cloud_carbon_footprint() -> CloudCarbonFootprint:
    """Give Cloud Carbon Footprint with ccf-coefficients b0032d9."""
    return CloudCarbonFootprint(constants("cloud_carbon_footprint", "b0032d9"), _hosts())


@cache
def ecologits(version: str) -> EcoLogits:
    """Give EcoLogits at 0.11.3 or 0.9.1."""
    return EcoLogits(constants("ecologits", version))


@cache
def impact_framework() -> ImpactFramework:
    """Give Impact Framework 1.1.0 with its defaults."""
    return ImpactFramework(constants("impact_framework", "1.1.0"), _hosts())


@cache
def llmcarbon() -> LlmCarbon:
    """Give LLMCarbon as coded in MLCarbon dbd96b7."""
    parts, part_of_model = {}, {}
    for row in _rows("method_llmcarbon_part.csv"):
        name = row.text("part")
        parts[name] = Part(row.number("amount"), row.number("kg_per_amount"), row.integer("parts_n"))
        part_of_model.update(dict.fromkeys(row.names("models"), name))
    return LlmCarbon(constants("llmcarbon", "dbd96b7"), parts, part_of_model)


@cache
def greensku() -> GreenSku:
    """Give GreenSKU b469a11."""
    k = constants("greensku", "b469a11")
    servers: dict[str, list[tuple[str, int]]] = {}
    for row in _rows("method_greensku_server.csv"):
        part = row.choice("part", frozenset(k))
        servers.setdefault(row.text("server"), []).append((part, row.integer("parts_n", 1)))
    return GreenSku(k, servers)


@cache
def closed_form() -> ClosedForm:
    """Give our own functions with the calibrated constants."""
    return ClosedForm(_nodes(), factors.module_constants())


@cache
def _nodes() -> dict[tuple[str, str], FabNode]:
    """Every process node at every fab; both tables hold ACT's facts."""
    places = [row.text("location") for row in factors.sourced_rows("fab_grid.csv")]
    nodes = [row.text("node") for row in factors.sourced_rows("fab_node.csv", verified=True)]
    return {(node, place): factors.fab_node(node, place) for node in nodes for place in places}


@cache
def _platforms() -> tuple[dict[str, Platform], dict[str, str]]:
    """Server archetypes by name, and their names by our models."""
    platforms, of_model = {}, {}
    for row in _rows("method_boavizta_platform.csv"):
        name = row.text("platform")
        platforms[name] = Platform(
            row.integer("cpus_n", 1),
            row.number("cpu_die_mm2", 1),
            row.integer("cpu_threads_n", 1) if row.optional_text("cpu_threads_n") else None,
            row.integer("dimms_n", 1),
            row.number("dimm_gb", 1),
            row.integer("ssds_n"),
            row.number("ssd_gb"),
            row.optional_text("card"),
            row.integer("cards_n"),
            row.number("card_vram_gb"),
            row.number("life_h", 1),
        )
        of_model.update(dict.fromkeys(row.names("models"), name))
    return platforms, of_model


def _hosts() -> dict[str, Platform]:
    """What servers of our catalogue are made of."""
    platforms, of_model = _platforms()
    return {model: platforms[name] for model, name in of_model.items()}


def _card(row: Row, k: dict[str, float]) -> Card:
    """Give a card; what its table leaves empty is that of the Large GPU, as the tool does."""

    def given_or(column: str, name: str) -> float:
        value = row.optional_number(column)
        return k[name] if value is None else value

    return Card(
        row.number("die_effective_mm2", 1),
        row.number("vram_gb", 1),
        row.integer("vram_dies_n", 1),
        given_or("pcb_cm2", "large_gpu_pcb_area"),
        given_or("casing_kg", "large_gpu_casing_mass"),
        given_or("heatsink_kg", "large_gpu_heatsink_mass"),
        given_or("mass_kg", "large_gpu_mass"),
        k["large_gpu_boat"],
        k["large_gpu_truck"],
        k["large_gpu_plane"],
    )


def _rows(file: str) -> list[Row]:
    """Give the rows of a table, each sourced, dated and flagged."""
    return list(factors.sourced_rows(file, verified=True))

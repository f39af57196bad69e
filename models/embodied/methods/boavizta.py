"""BoaviztAPI: cards by parts and effective wafer area, servers by components, cloud instances by shares.

What belongs here: its formulas as they are. What must not be here: its constants and archetypes, our own model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from models import bounds
from models.embodied.chip import SEEDS, die_yield, wafer_edge_factor
from models.embodied.methods.base import Answer, Constants, Subject, nothing


@dataclass(frozen=True, slots=True)
class Card:
    """What it needs of a graphics card; masses and boards that its table leaves empty are those of its Large GPU.

    Attributes:
        die_effective_mm2: wafer area of the logic dies with losses [mm^2].
        vram_gb: memory [GB].
        vram_dies_n: memory dies that share the planar area.
        pcb_cm2: board [cm^2].
        casing_kg: casing [kg].
        heatsink_kg: heat sink [kg].
        mass_kg: whole card [kg].
        boat_km: sea leg [km].
        truck_km: road leg [km].
        plane_km: air leg [km].
    """

    die_effective_mm2: float
    vram_gb: float
    vram_dies_n: float
    pcb_cm2: float
    casing_kg: float
    heatsink_kg: float
    mass_kg: float
    boat_km: float
    truck_km: float
    plane_km: float


@dataclass(frozen=True, slots=True)
class Platform:
    """A server archetype: counts and sizes of its components, as the archetype states them."""

    cpus_n: int
    cpu_die_mm2: float
    cpu_threads_n: int | None
    dimms_n: int
    dimm_gb: float
    ssds_n: int
    ssd_gb: float
    card: str
    cards_n: int
    card_vram_gb: float
    life_h: float


@dataclass(frozen=True, slots=True)
class Instance:
    """A cloud instance: its platform and what it reserves of it."""

    platform: str
    vcpus_n: float
    memory_gb: float
    ssd_gb: float
    cards_n: float


@dataclass(frozen=True, slots=True)
class Boavizta:
    """BoaviztAPI with its tables.

    Attributes:
        constants: of ``method_constant.csv``.
        cards: by the name in its table.
        card_of_model: card name by our hardware model.
        platforms: server archetypes by name.
        platform_of_model: platform name by our server model.
        instances: cloud instances by name.
    """

    constants: Constants
    cards: Mapping[str, Card]
    card_of_model: Mapping[str, str]
    platforms: Mapping[str, Platform]
    platform_of_model: Mapping[str, str]
    instances: Mapping[str, Instance]

    def effective_area(self, *, die_mm2: float, kerf_mm: float, wafer_mm: float, d0_per_cm2: float) -> float:
        """Give the wafer area that one good die takes [mm^2]: kerf, wafer edge, ``exp(-sqrt(A*D0))``.

        Args:
            die_mm2: area of one die [mm^2].
            kerf_mm: added to the die's width [mm].
            wafer_mm: diameter of the wafer [mm].
            d0_per_cm2: defect density [1/cm^2].

        Raises:
            ValueError: if a number is out of range.

        Reference: BoaviztAPI 2.5.0, models/component/gpu.py.
        """
        bounds.positive("die_mm2", die_mm2, bounds.MAX_DIE_AREA_MM2, "mm2")
        bounds.number("kerf_mm", kerf_mm, 0.0, 10.0, "mm")
        cut_mm2 = (math.sqrt(die_mm2) + kerf_mm) ** 2
        return cut_mm2 * wafer_edge_factor(cut_mm2, wafer_mm) / die_yield(cut_mm2, d0_per_cm2, SEEDS)

    def card(self, *, card: Card) -> float:
        """Give one card over its whole life [kgCO2e]: parts, transport, end of life.

        Args:
            card: its parts.

        Raises:
            ValueError: if a part is negative or not finite.
        """
        k = self.constants
        masses = (card.casing_kg, card.heatsink_kg, card.mass_kg)
        for field, value in zip(("casing_kg", "heatsink_kg", "mass_kg"), masses, strict=True):
            bounds.number(field, value, 0.0, bounds.MAX_MASS_KG, "kg")
        bounds.number("pcb_cm2", card.pcb_cm2, 0.0, 1e6, "cm2")
        bounds.positive("die_effective_mm2", card.die_effective_mm2, bounds.MAX_DIE_AREA_MM2, "mm2")
        bounds.positive("vram_dies_n", card.vram_dies_n, bounds.MAX_COUNT, "1")
        bounds.positive("vram_gb", card.vram_gb, bounds.MAX_MEMORY_GB, "GB")
        parts = card.casing_kg * k["gpu_casing"] + card.heatsink_kg * k["gpu_heatsink"] + card.pcb_cm2 * k["gpu_pcb"]
        silicon = card.die_effective_mm2 * k["gpu_die"] + self.vram_effective_mm2(card) * k["gpu_vram"]
        per_kg = card.truck_km * k["gpu_truck"] + card.boat_km * k["gpu_boat"] + card.plane_km * k["gpu_plane"]
        moved = card.mass_kg * (k["gpu_upstream_transport"] + per_kg + k["gpu_end_of_life"])
        return parts + silicon + moved

    def vram_effective_mm2(self, card: Card) -> float:
        """Give the wafer area of the memory of a card [mm^2]: as if its capacity lay flat on its dies."""
        die_mm2 = card.vram_gb * self.constants["vram_area"] / card.vram_dies_n
        return card.vram_dies_n * self._effective(die_mm2)

    def card_by_name(self, *, name: str, duration_h: float, life_h: float) -> float:
        """Give the part of a card of its table that a duration takes, the whole at most [kgCO2e].

        Args:
            name: as its table spells it; a card that is not in the table is its Large GPU.
            duration_h: hours used [h].
            life_h: service life [h].

        Raises:
            ValueError: if the life is not positive or the duration negative.
        """
        return self.card(card=self.cards.get(name, self._large_gpu())) * self._fraction(duration_h, life_h)

    def cpu(self, *, die_mm2: float, units: float) -> float:
        """Give processors [kgCO2e]: ``(die * 0.0197 + 9.14) * n``.

        Args:
            die_mm2: silicon of one socket [mm^2].
            units: sockets [1].

        Raises:
            ValueError: if a number is out of range.
        """
        bounds.positive("die_mm2", die_mm2, bounds.MAX_DIE_AREA_MM2, "mm2")
        return (die_mm2 * self.constants["cpu_die"] + self.constants["cpu_base"]) * self._units(units)

    def memory(self, *, kind: str, capacity_gb: float, density_gb_per_cm2: float, units: float) -> float:
        """Give memory modules or solid-state drives [kgCO2e]: ``(capacity / density * 2.2 + base) * n``.

        Args:
            kind: ``ram`` or ``ssd``.
            capacity_gb: of one module or drive [GB].
            density_gb_per_cm2: of its dies [GB/cm^2].
            units: modules or drives [1].

        Raises:
            ValueError: if a number is out of range.
        """
        bounds.known("kind", kind, ("ram", "ssd"))
        bounds.number("capacity_gb", capacity_gb, 0.0, bounds.MAX_STORAGE_GB, "GB")
        bounds.positive("density_gb_per_cm2", density_gb_per_cm2, 1e6, "GB/cm2")
        die = capacity_gb / density_gb_per_cm2 * self.constants[f"{kind}_die"]
        return (die + self.constants[f"{kind}_base"]) * self._units(units)

    def hdd(self, *, units: float) -> float:
        """Give hard drives [kgCO2e]: 31.11 kg each.

        Args:
            units: drives [1].
        """
        return self.constants["hdd"] * self._units(units)

    def server_parts(self, platform: str) -> dict[str, float]:
        """Give every component of a server archetype [kgCO2e each kind].

        Args:
            platform: name of the archetype.

        Raises:
            ValueError: if it is not known.
        """
        k, p = self.constants, self._platform(platform)
        parts = {
            "ASSEMBLY": k["assembly"],
            "CASE": k["case_rack"],
            "CPU": self.cpu(die_mm2=p.cpu_die_mm2, units=p.cpus_n),
            "MOTHERBOARD": k["motherboard"],
            "POWER_SUPPLY": k["power_supplies_n"] * k["power_supply_mass"] * k["power_supply"],
            "RAM": self.memory(kind="ram", capacity_gb=p.dimm_gb, density_gb_per_cm2=k["ram_density"], units=p.dimms_n),
            "SSD": self.memory(kind="ssd", capacity_gb=p.ssd_gb, density_gb_per_cm2=k["ssd_density"], units=p.ssds_n),
        }
        if p.cards_n:
            card = self.cards.get(p.card, self._large_gpu(p.card_vram_gb))
            parts["GPU"] = p.cards_n * self.card(card=card)
        return parts

    def server(self, *, platform: str) -> float:
        """Give a server archetype over its whole life [kgCO2e].

        Args:
            platform: name of the archetype.

        Raises:
            ValueError: if it is not known.
        """
        return sum(self.server_parts(platform).values())

    def instance(self, *, instance: str, duration_h: float) -> float:
        """Give a cloud instance for a duration [kgCO2e].

        Memory, drives and cards go by what is reserved of them, everything else by threads.

        Args:
            instance: its name.
            duration_h: hours reserved [h].

        Raises:
            ValueError: if the instance is not known, or the duration negative.
        """
        bounds.known("instance", instance, tuple(self.instances))
        item = self.instances[instance]
        p, parts = self._platform(item.platform), self.server_parts(item.platform)
        by_threads = item.vcpus_n / ((p.cpu_threads_n or 1) * p.cpus_n)
        shares = {
            "RAM": item.memory_gb / (p.dimms_n * p.dimm_gb),
            "SSD": item.ssd_gb / (p.ssds_n * p.ssd_gb),
            "GPU": item.cards_n / p.cards_n if p.cards_n else 0.0,
        }
        total = sum(kg * shares.get(part, by_threads) for part, kg in parts.items())
        return total * self._fraction(duration_h, p.life_h)

    def answer(self, subject: Subject) -> Answer:
        """Give what it says about a card, a processor or an archetype of a server."""
        if subject.processor is not None:
            total = self.cpu(die_mm2=subject.processor.silicon_area_mm2, units=1)
            return Answer(total, "die and package of one socket", "the same flat rate per mm2 for every process node")
        if subject.model in self.card_of_model:
            total = self.card(card=self.cards[self.card_of_model[subject.model]])
            return Answer(
                total,
                "die, memory, board, casing, heat sink, transport, end of life",
                "memory counted as if it lay flat, with a yield for that area, at 8 times its own DRAM rate per area",
            )
        if subject.model in self.platform_of_model:
            platform = self.platform_of_model[subject.model]
            return Answer(
                self.server(platform=platform),
                f"whole archetype {platform}, its cards included",
                "its cards, see there",
            )
        if subject.kind == "accelerator":
            return nothing("not in the card table that we hold; the tool takes the nearest name, or its Large GPU")
        return nothing(f"no archetype that we hold is this model; for no server at all it takes {self._generic():g} kg")

    def _generic(self) -> float:
        return self.constants["generic_server"]

    def _platform(self, name: str) -> Platform:
        """Give a platform, or say which are known."""
        bounds.known("platform", name, tuple(self.platforms))
        return self.platforms[name]

    def _effective(self, die_mm2: float) -> float:
        """Give the effective area of a die with the tool's own wafer, kerf and defects [mm^2]."""
        k = self.constants
        return self.effective_area(
            die_mm2=die_mm2, kerf_mm=k["kerf"], wafer_mm=k["wafer_diameter"], d0_per_cm2=k["defect_density"]
        )

    def _large_gpu(self, vram_gb: float | None = None) -> Card:
        """Give the archetype that stands for a card that is not in the table, with the memory that is asked for."""
        k = self.constants
        return Card(
            self._effective(k["large_gpu_die_area"]),
            vram_gb or k["large_gpu_vram"],
            k["large_gpu_vram_dies"],
            k["large_gpu_pcb_area"],
            k["large_gpu_casing_mass"],
            k["large_gpu_heatsink_mass"],
            k["large_gpu_mass"],
            k["large_gpu_boat"],
            k["large_gpu_truck"],
            k["large_gpu_plane"],
        )

    def _units(self, units: float) -> float:
        return bounds.number("units", units, 0.0, bounds.MAX_COUNT, "1")

    def _fraction(self, duration_h: float, life_h: float) -> float:
        """Give the part of life that a duration takes, 1 at most."""
        bounds.positive("life_h", life_h, bounds.MAX_LIFE_H, "h")
        return min(bounds.number("duration_h", duration_h, 0.0, bounds.MAX_TIME_H, "h") / life_h, 1.0)

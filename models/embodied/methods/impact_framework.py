"""Impact Framework (``sci-embodied``) and the SCI formula: a server by parts, a share by time and resource.

What belongs here: their formulas as they are. What must not be here: constants, our own ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models import bounds
from models.embodied.methods.base import Answer, Constants, Subject, nothing
from models.embodied.methods.boavizta import Platform
from models.units import G_PER_KG


@dataclass(frozen=True, slots=True)
class ImpactFramework:
    """Impact Framework with its defaults.

    Attributes:
        constants: of ``method_constant.csv``.
        hosts: what servers of our catalogue are made of, by our model.
    """

    constants: Constants
    hosts: Mapping[str, Platform]

    def server(self, *, vcpus_n: float, memory_gb: float, hdds_n: float, ssds_n: float, gpus_n: float) -> float:
        """Give a server [kgCO2e]: every thread beyond the first counts as Cloud Carbon Footprint's socket.

        Args:
            vcpus_n: threads [1].
            memory_gb: memory [GB]; below the base's 16 GB it takes away, as in the tool.
            hdds_n: hard drives [1].
            ssds_n: solid-state drives [1].
            gpus_n: cards [1].

        Raises:
            ValueError: if a number is out of range.
        """
        k = self.constants
        bounds.positive("vcpus_n", vcpus_n, bounds.MAX_COUNT, "1")
        bounds.positive("memory_gb", memory_gb, bounds.MAX_MEMORY_GB, "GB")
        for field, value in (("hdds_n", hdds_n), ("ssds_n", ssds_n), ("gpus_n", gpus_n)):
            bounds.number(field, value, 0.0, bounds.MAX_COUNT, "1")
        extra = (vcpus_n - k["base_vcpus_n"]) * k["extra_vcpu"] + (memory_gb - k["base_memory"]) * k["memory"]
        return k["base"] + extra + hdds_n * k["hdd"] + ssds_n * k["ssd"] + gpus_n * k["gpu"]

    def embodied_g(
        self,
        *,
        duration_s: float,
        vcpus_n: float = 1.0,
        memory_gb: float = 16.0,
        hdds_n: float = 0.0,
        ssds_n: float = 0.0,
        gpus_n: float = 0.0,
        usage_ratio: float = 1.0,
    ) -> float:
        """Give a server's share [gCO2e]: ``total * usage ratio * time / life``; the defaults are the tool's.

        Args:
            duration_s: time [s].
            vcpus_n: threads [1].
            memory_gb: memory [GB].
            hdds_n: hard drives [1].
            ssds_n: solid-state drives [1].
            gpus_n: cards [1].
            usage_ratio: part of the server that is used [1].

        Raises:
            ValueError: if a number is out of range.
        """
        total = self.server(vcpus_n=vcpus_n, memory_gb=memory_gb, hdds_n=hdds_n, ssds_n=ssds_n, gpus_n=gpus_n)
        bounds.positive("duration_s", duration_s, 1e12, "s")
        bounds.positive("usage_ratio", usage_ratio, bounds.MAX_COUNT, "1")
        return total * G_PER_KG * usage_ratio * duration_s / self.constants["life"]

    def answer(self, subject: Subject) -> Answer:
        """Give a card, or a server whose parts we know."""
        if subject.kind == "accelerator":
            return Answer(self.constants["gpu"], "one card", "one figure for every card, from Cloud Carbon Footprint")
        if subject.model in self.hosts:
            p = self.hosts[subject.model]
            threads = (p.cpu_threads_n or 1) * p.cpus_n
            total = self.server(
                vcpus_n=threads, memory_gb=p.dimms_n * p.dimm_gb, hdds_n=0, ssds_n=p.ssds_n, gpus_n=p.cards_n
            )
            return Answer(
                total, "base server, threads, memory, drives, its cards", "100 kg a thread instead of a socket"
            )
        return nothing("it needs threads, memory, drives and cards of the server; we hold none for this model")


def sci_embodied_g(
    *, total_kg: float, reserved_h: float, life_h: float, resources_reserved: float = 1.0, resources_total: float = 1.0
) -> float:
    """Give the M term of SCI [gCO2e]: ``TE * TiR/EL * RR/ToR``.

    Args:
        total_kg: embodied emissions of the machine, TE [kgCO2e].
        reserved_h: time reserved, TiR [h].
        life_h: expected life, EL [h].
        resources_reserved: RR [1].
        resources_total: ToR [1].

    Raises:
        ValueError: if a number is out of range, or more is reserved than there is.

    Reference: Green Software Foundation, SCI specification (ISO/IEC 21031:2024), M.
    """
    bounds.number("total_kg", total_kg, 0.0, bounds.MAX_TOTAL_KGCO2E, "kg")
    bounds.number("reserved_h", reserved_h, 0.0, bounds.MAX_TIME_H, "h")
    bounds.positive("life_h", life_h, bounds.MAX_LIFE_H, "h")
    bounds.positive("resources_total", resources_total, bounds.MAX_TOTAL_KGCO2E, "1")
    bounds.number("resources_reserved", resources_reserved, 0.0, resources_total, "1")
    return total_kg * G_PER_KG * (reserved_h / life_h) * (resources_reserved / resources_total)


def sci_answer(_subject: Subject) -> Answer:
    """Say that the specification brings no factors of its own."""
    return nothing("a formula without factors: the embodied total TE is an input")

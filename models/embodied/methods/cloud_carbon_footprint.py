"""Cloud Carbon Footprint: a rack server by parts (after Teads), shared by threads and hours.

What belongs here: its formulas as they are. What must not be here: its constants, our own ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models import bounds
from models.embodied.methods.base import Answer, Constants, Subject, nothing
from models.embodied.methods.boavizta import Platform


@dataclass(frozen=True, slots=True)
class CloudCarbonFootprint:
    """Cloud Carbon Footprint with its constants.

    Attributes:
        constants: of ``method_constant.csv``.
        hosts: what servers of our catalogue are made of, by our model.
    """

    constants: Constants
    hosts: Mapping[str, Platform]

    def server(self, *, sockets_n: float, memory_gb: float, hdds_n: float, ssds_n: float, gpus_n: float) -> float:
        """Give a server [kgCO2e]: a base, and so much for each thing beyond it.

        Args:
            sockets_n: processors [1], at least 1.
            memory_gb: memory [GB]; below the base's 16 GB it takes away, as in the tool.
            hdds_n: hard drives [1].
            ssds_n: solid-state drives [1].
            gpus_n: cards [1].

        Raises:
            ValueError: if a number is out of range.
        """
        k = self.constants
        bounds.number("sockets_n", sockets_n, 1.0, bounds.MAX_COUNT, "1")
        bounds.number("memory_gb", memory_gb, 0.0, bounds.MAX_MEMORY_GB, "GB")
        for field, value in (("hdds_n", hdds_n), ("ssds_n", ssds_n), ("gpus_n", gpus_n)):
            bounds.number(field, value, 0.0, bounds.MAX_COUNT, "1")
        extra = (sockets_n - 1) * k["extra_socket"] + (memory_gb - k["base_memory"]) * k["memory"]
        return k["base"] + extra + hdds_n * k["hdd"] + ssds_n * k["ssd"] + gpus_n * k["gpu"]

    def share(
        self, *, platform_t: float, hours: float, life_h: float, instance_vcpus_n: float, largest_vcpus_n: float
    ) -> float:
        """Give the part of a platform that an instance takes [tCO2e]: ``TE * TiR/EL * vCPU / largest vCPU``.

        Nothing stops at the end of life, as in the tool.

        Args:
            platform_t: embodied emissions of the platform [tCO2e].
            hours: hours used [h].
            life_h: expected life [h].
            instance_vcpus_n: threads of the instance [1].
            largest_vcpus_n: threads of the largest instance of its family [1].

        Raises:
            ValueError: if a number is out of range.
        """
        bounds.number("platform_t", platform_t, 0.0, bounds.MAX_TOTAL_KGCO2E, "t")
        bounds.number("hours", hours, 0.0, bounds.MAX_TIME_H, "h")
        bounds.positive("life_h", life_h, bounds.MAX_LIFE_H, "h")
        bounds.positive("largest_vcpus_n", largest_vcpus_n, bounds.MAX_COUNT, "1")
        bounds.number("instance_vcpus_n", instance_vcpus_n, 0.0, bounds.MAX_COUNT, "1")
        return platform_t * (hours / life_h) * (instance_vcpus_n / largest_vcpus_n)

    def phantom_kwh(self, *, embodied_kg: float, grid_kg_per_kwh: float) -> float:
        """Give the electricity that the tool makes of embodied mass [kWh] and adds to its energy; never do this.

        Args:
            embodied_kg: embodied emissions [kgCO2e].
            grid_kg_per_kwh: intensity of the grid [kgCO2e/kWh].

        Raises:
            ValueError: if the intensity is not positive, or the mass negative.
        """
        bounds.positive("grid_kg_per_kwh", grid_kg_per_kwh, 10.0, "kg/kWh")
        return bounds.number("embodied_kg", embodied_kg, 0.0, bounds.MAX_TOTAL_KGCO2E, "kg") / grid_kg_per_kwh

    def answer(self, subject: Subject) -> Answer:
        """Give a card, one more socket, or a server whose parts we know."""
        if subject.kind == "accelerator":
            return Answer(self.constants["gpu"], "one card", "one figure for every card ever made, after Teads")
        if subject.kind == "cpu":
            return Answer(self.constants["extra_socket"], "one more socket", "one figure for every processor")
        if subject.model in self.hosts:
            p = self.hosts[subject.model]
            total = self.server(
                sockets_n=p.cpus_n, memory_gb=p.dimms_n * p.dimm_gb, hdds_n=0, ssds_n=p.ssds_n, gpus_n=p.cards_n
            )
            return Answer(total, "base server, sockets, memory, drives, its cards", "flat figures, cards at 150 kg")
        return nothing("it needs sockets, memory, drives and cards of the server; we hold none for this model")

"""GreenSKU (Microsoft): a server by parts, its rack and its building; operational factors leak into embodied.

What belongs here: its formulas as they are. What must not be here: its constants and configurations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models import bounds
from models.embodied.methods.base import Answer, Constants, Subject, nothing

FLAT_PARTS = ("misc", "fan")
"""Parts that the tool adds as they are; all others it multiplies by PUE and power factor, processors more."""
PROCESSORS = {"AMD Bergamo 128": "AMD EPYC 9754"}
"""Processor of the tool that is sold under a name; its Genoa of 80 cores is a custom part."""


@dataclass(frozen=True, slots=True)
class GreenSku:
    """GreenSKU with its tables.

    Attributes:
        constants: of ``method_constant.csv``.
        servers: parts (constant, how many) by configuration.
    """

    constants: Constants
    servers: Mapping[str, Sequence[tuple[str, int]]]

    def server(self, *, config: str, is_neutral: bool) -> float:
        """Give a server without rack and building [kgCO2e].

        Args:
            config: such as ``Baseline``.
            is_neutral: False for the published factors (PUE, power factor and regulator multiply embodied parts),
                True with all of them at 1, which is what the parts weigh.

        Raises:
            ValueError: if the configuration is not known.
        """
        bounds.known("config", config, tuple(self.servers))
        return sum(self._part(part, is_neutral=is_neutral) * n for part, n in self.servers[config])

    def building_share(self, *, building_kg: float, server_life_months: float, building_life_months: float) -> float:
        """Give the part of a building that belongs to one server generation [kgCO2e].

        Args:
            building_kg: the building [kgCO2e].
            server_life_months: life of the servers [months].
            building_life_months: life of the building [months].

        Raises:
            ValueError: if a number is out of range.
        """
        bounds.number("building_kg", building_kg, 0.0, bounds.MAX_TOTAL_KGCO2E, "kg")
        bounds.positive("building_life_months", building_life_months, 1_200.0, "months")
        bounds.number("server_life_months", server_life_months, 0.0, 1_200.0, "months")
        return building_kg * server_life_months / building_life_months

    def answer(self, subject: Subject) -> Answer:
        """Give its processors, its plain server, its building."""
        if subject.kind == "building":
            per_kw = self.constants["building"] / self.constants["building_power"]
            return Answer(per_kw, "shell, per kW of IT", "a lump estimate for 50 MW; no electrical and cooling plant")
        for part, model in PROCESSORS.items():
            if subject.model == model:
                return Answer(self.constants[f"cpu.{part}"], f"dies and packages of {part}", "ACT with estimated areas")
        if subject.model == "*generic server":
            total = self.server(config="Baseline", is_neutral=False)
            return Answer(total, "its baseline server without rack", "PUE and power factor multiply its parts")
        return nothing("it has two processors and six plain servers, no accelerators")

    def _part(self, part: str, *, is_neutral: bool) -> float:
        """Give one part [kgCO2e], with what leaks into it unless neutral."""
        k, kind = self.constants, part.partition(".")[0]
        if is_neutral or kind in FLAT_PARTS:
            return k[part]
        regulator = k["voltage_regulator"] if kind == "cpu" else 1.0
        return k[part] * k["pue"] * k["power_factor"] * regulator

"""LLMCarbon (as coded in MLCarbon): dies by area times one rate, spread over five years.

What belongs here: its formulas as they are. What must not be here: its table, our own model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models import bounds
from models.embodied.methods.base import Answer, Constants, Subject, nothing
from models.units import KG_PER_T


@dataclass(frozen=True, slots=True)
class Part:
    """A row of its hardware table.

    Attributes:
        amount: area [cm^2] or capacity [GB] of one part.
        kg_per_amount: rate [kgCO2e/cm^2 or /GB].
        parts_n: how many the table's run had.
    """

    amount: float
    kg_per_amount: float
    parts_n: int


@dataclass(frozen=True, slots=True)
class LlmCarbon:
    """LLMCarbon with its table.

    Attributes:
        constants: of ``method_constant.csv``.
        parts: by its name.
        part_of_model: its name by our hardware model.
    """

    constants: Constants
    parts: Mapping[str, Part]
    part_of_model: Mapping[str, str]

    def part(self, *, name: str) -> float:
        """Give one part [kgCO2e]: area or capacity times rate; no yield, no package.

        Args:
            name: such as ``H100``.

        Raises:
            ValueError: if the table has no such part.
        """
        bounds.known("part", name, tuple(self.parts))
        return self.parts[name].amount * self.parts[name].kg_per_amount

    def run_t(self, *, days: float, life_days: float) -> float:
        """Give the machines of the table for a run [tCO2e]; nothing stops at the end of life.

        Args:
            days: length of the run [days].
            life_days: service life [days].

        Raises:
            ValueError: if a number is out of range.

        Reference: Faiz et al., LLMCarbon (ICLR 2024), section 4.6.
        """
        bounds.number("days", days, 0.0, 1e6, "days")
        bounds.positive("life_days", life_days, 1e5, "days")
        total = sum(self.part(name=name) * part.parts_n for name, part in self.parts.items())
        return total * days / life_days / KG_PER_T

    def answer(self, subject: Subject) -> Answer:
        """Give the bare die of a device in its table."""
        if subject.kind == "cpu":
            return Answer(self.part(name="CPU"), "bare die of 1.47 cm2", "one small die for every processor")
        if subject.model in self.part_of_model:
            why = "bare die without yield, memory, package, heat sink or board"
            if subject.model == "Google TPU v4":
                why += "; 4 cm2 is the size of the v4i"
            return Answer(self.part(name=self.part_of_model[subject.model]), "bare die", why)
        return nothing("not in its hardware table")

"""Closed forms that tools and studies share: yields, dies of a wafer, straight line, the calibrated module.

What belongs here: our own functions under the names and units of published checks. What must not be here: new formulas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models import bounds
from models.embodied import chip
from models.embodied.amortise import accrued_kgco2e
from models.embodied.chip import DieGroup, FabNode, ModuleConstants
from models.embodied.methods.base import Answer, Subject, nothing
from models.units import HOURS_PER_YEAR, MM2_PER_CM2

MONTHS_PER_YEAR = 12.0
"""Months in one year [1], exact."""


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """Our own functions with the calibrated constants.

    Attributes:
        nodes: by (process node, location of the fab).
        module: constants of the calibrated module.
    """

    nodes: Mapping[tuple[str, str], FabNode]
    module: ModuleConstants

    def yield_fraction(self, *, model: str, area_cm2: float, d0_per_cm2: float) -> float:
        """Give a yield [1] of a die in cm^2; see ``chip.die_yield``."""
        bounds.positive("area_cm2", area_cm2, bounds.MAX_DIE_AREA_MM2 / MM2_PER_CM2, "cm2")
        return chip.die_yield(area_cm2 * MM2_PER_CM2, d0_per_cm2, model)

    def dies_per_wafer(self, *, die_mm2: float) -> float:
        """Give the gross dies of a 300 mm wafer [1]; see ``chip.dies_per_wafer``."""
        return chip.dies_per_wafer(die_mm2)

    def per_month(self, *, total_kg: float, life_years: float) -> float:
        """Give a month of a straight line [kgCO2e per month], the year as twelve equal months.

        Args:
            total_kg: embodied emissions [kgCO2e].
            life_years: service life [years].

        Raises:
            ValueError: if a number is out of range.
        """
        bounds.number("total_kg", total_kg, 0.0, bounds.MAX_TOTAL_KGCO2E, "kg")
        bounds.positive("life_years", life_years, bounds.MAX_LIFE_H / HOURS_PER_YEAR, "years")
        return accrued_kgco2e(total_kg, life_years * MONTHS_PER_YEAR, 0.0, 0.0, 1.0)

    def per_unit(self, *, total_kg: float, units_n: float) -> float:
        """Give one of equal units [kgCO2e].

        Args:
            total_kg: all units together [kgCO2e].
            units_n: how many [1].

        Raises:
            ValueError: if a number is out of range.
        """
        bounds.positive("units_n", units_n, bounds.MAX_COUNT, "1")
        return bounds.number("total_kg", total_kg, 0.0, bounds.MAX_TOTAL_KGCO2E, "kg") / units_n

    def module_kg(
        self, *, dies_mm2: Sequence[float], process: str, fab_location: str, hbm_gb: float, tdp_w: float
    ) -> float:
        """Give the calibrated accelerator module with HBM [kgCO2e]; see ``chip.accelerator_kgco2e``."""
        bounds.known("process", process, tuple(sorted({node for node, _ in self.nodes})))
        bounds.known("fab_location", fab_location, tuple(sorted({place for _, place in self.nodes})))
        groups = [DieGroup(1, area, self.nodes[process, fab_location]) for area in dies_mm2]
        return chip.accelerator_kgco2e(groups, "hbm", hbm_gb, tdp_w, self.module).central

    def answer(self, subject: Subject) -> Answer:
        """Give our own calibrated module without any published footprint."""
        if subject.accelerator is None:
            return nothing("the calibrated module needs dies, memory and power of an accelerator")
        spec = subject.accelerator
        found = chip.accelerator_kgco2e(spec.groups, spec.memory_kind, spec.memory_gb, spec.tdp_w, self.module)
        return Answer(
            found.central, "module: dies, memory, heat sink, board, assembly", "our component model, calibrated on H100"
        )

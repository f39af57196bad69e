"""ACT (Meta): dies by area and process node, memory and storage by capacity, a fixed yield, packages.

What belongs here: ACT's formulas as they are. What must not be here: its constants, our own chip model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models import bounds
from models.embodied.chip import FabNode
from models.embodied.methods.base import Answer, Constants, Subject, constant, nothing
from models.units import MM2_PER_CM2

ABATEMENT_PERCENT = (95.0, 97.0, 99.0)
"""Gas abatement of the tables [%]; 97 is the mean of the other two and the default. Reference: ACT abc9fbb."""
DEFAULT_ABATEMENT_PERCENT = 97.0
DEFAULT_FAB = "taiwan"
CAPACITY_KINDS = ("dram", "ssd", "hdd")


@dataclass(frozen=True, slots=True)
class BillPart:
    """Equal parts of a bill of materials.

    Attributes:
        parts_n: how many.
        kind: ``logic``, ``dram``, ``ssd`` or ``hdd``.
        process: process node, or memory process, or product of storage.
        amount: area of a logic part [mm^2], else capacity [GB], each part.
        ics_n: packages of each part.
        abatement_percent: gas abatement of a logic part [%].
        fab_location: grid of a logic part's fab.
    """

    parts_n: int
    kind: str
    process: str
    amount: float
    ics_n: int
    abatement_percent: float = DEFAULT_ABATEMENT_PERCENT
    fab_location: str = DEFAULT_FAB


@dataclass(frozen=True, slots=True)
class Act:
    """ACT with its tables.

    Attributes:
        constants: of ``method_constant.csv``.
        nodes: process node and grid of the fab by (node, location).
        bills: bills of materials by name.
    """

    constants: Constants
    nodes: Mapping[tuple[str, str], FabNode]
    bills: Mapping[str, Sequence[BillPart]]

    def carbon_per_area(self, *, process: str, fab_location: str, fab_yield: float, abatement_percent: float) -> float:
        """Give ``(CI_fab * EPA + GPA + MPA) / Y`` [kgCO2e/cm^2].

        Args:
            process: such as ``7nm``; eight nodes have data.
            fab_location: country or source of energy of the fab.
            fab_yield: fixed fraction of good dies [1], in (0, 1].
            abatement_percent: 95, 97 or 99 [%].

        Raises:
            ValueError: if node, location or abatement has no data, or the yield is outside (0, 1].

        Reference: Gupta et al., ACT (ISCA 2022), eq. 5.
        """
        bounds.positive("fab_yield", fab_yield, 1.0, "1")
        if abatement_percent not in ABATEMENT_PERCENT:
            msg = f"abatement_percent must be one of {ABATEMENT_PERCENT}, not {abatement_percent!r}"
            raise ValueError(msg)
        area = self._node(process, fab_location).carbon_per_area()
        return (
            dict(zip(ABATEMENT_PERCENT, (area.high, area.central, area.low), strict=True))[abatement_percent]
            / fab_yield
        )

    def logic(
        self,
        *,
        area_mm2: float,
        process: str,
        fab_location: str,
        fab_yield: float,
        abatement_percent: float,
        ics_n: float,
    ) -> float:
        """Give dies and packages [kgCO2e]: ``area * CPA + n * Kr``; packages are not divided by yield.

        Args:
            area_mm2: area of all dies [mm^2].
            process: such as ``7nm``.
            fab_location: grid of the fab.
            fab_yield: fixed fraction of good dies [1].
            abatement_percent: 95, 97 or 99 [%].
            ics_n: packages [1].

        Raises:
            ValueError: as ``carbon_per_area``, or if area or packages are negative.
        """
        bounds.positive("area_mm2", area_mm2, bounds.MAX_DIE_AREA_MM2, "mm2")
        per_cm2 = self.carbon_per_area(
            process=process, fab_location=fab_location, fab_yield=fab_yield, abatement_percent=abatement_percent
        )
        return area_mm2 / MM2_PER_CM2 * per_cm2 + self._packages(ics_n)

    def capacity(self, *, kind: str, process: str, capacity_gb: float, fab_yield: float, ics_n: float) -> float:
        """Give memory or storage [kgCO2e]: ``CPS * capacity / Y + n * Kr``.

        Args:
            kind: ``dram``, ``ssd`` or ``hdd``.
            process: such as ``ddr4_10nm``, ``nand_10nm`` or ``Exosx16``.
            capacity_gb: capacity [GB].
            fab_yield: fixed fraction of good dies [1]; storage values are divided by it too.
            ics_n: packages [1].

        Raises:
            ValueError: if kind or process is not known, or a number is out of range.
        """
        bounds.known("kind", kind, CAPACITY_KINDS)
        bounds.number("capacity_gb", capacity_gb, 0.0, bounds.MAX_STORAGE_GB, "GB")
        bounds.positive("fab_yield", fab_yield, 1.0, "1")
        per_gb = constant(self.constants, f"{kind} process", process)
        return capacity_gb * per_gb / fab_yield + self._packages(ics_n)

    def bill(self, *, name: str) -> float:
        """Give the total of a bill of materials [kgCO2e] with the default yield.

        Args:
            name: such as ``dellr740``.

        Raises:
            ValueError: if there is no such bill.
        """
        bounds.known("bill", name, tuple(self.bills))
        return sum(part.parts_n * self._part(part) for part in self.bills[name])

    def answer(self, subject: Subject) -> Answer:
        """Give what ACT says about a device: its dies and their packages, nothing else."""
        if subject.accelerator is not None:
            groups = [(g.dies_n, g.die_area_mm2, g.node) for g in subject.accelerator.groups]
        elif subject.processor is not None:
            chip = subject.processor
            groups = [(chip.dies_n, chip.silicon_area_mm2 / chip.dies_n, chip.node)]
        else:
            return nothing("ACT needs die area and process node; none are known of this model")
        total = 0.0
        for dies_n, area_mm2, node in groups:
            per_cm2 = node.carbon_per_area().central / self.constants["fab_yield"]
            total += dies_n * (area_mm2 / MM2_PER_CM2 * per_cm2 + self.constants["ic_package"])
        return Answer(
            total,
            "logic dies and their packages",
            "no HBM, GDDR, heat sink or board; one yield of 0.875 for every die size",
        )

    def _node(self, process: str, fab_location: str) -> FabNode:
        """Give a node at a fab, or say which are known."""
        bounds.known("fab_location", fab_location, tuple(sorted({place for _, place in self.nodes})))
        bounds.known("process", process, tuple(sorted({node for node, _ in self.nodes})))
        return self.nodes[process, fab_location]

    def _packages(self, ics_n: float) -> float:
        """Give the packages of a number of integrated circuits [kgCO2e]."""
        return bounds.number("ics_n", ics_n, 0.0, bounds.MAX_COUNT, "1") * self.constants["ic_package"]

    def _part(self, part: BillPart) -> float:
        """Give one part of a bill [kgCO2e]."""
        fab_yield = self.constants["fab_yield"]
        if part.kind == "logic":
            return self.logic(
                area_mm2=part.amount,
                process=part.process,
                fab_location=part.fab_location,
                fab_yield=fab_yield,
                abatement_percent=part.abatement_percent,
                ics_n=part.ics_n,
            )
        return self.capacity(
            kind=part.kind, process=part.process, capacity_gb=part.amount, fab_yield=fab_yield, ics_n=part.ics_n
        )

"""Chip level: logic dies, accelerator modules and processors, cradle to gate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models import bounds
from models.estimate import Estimate
from models.units import G_PER_KG, MM2_PER_CM2

MAX_ENERGY_KWH_PER_CM2 = 100.0
"""Greatest electricity of a process per wafer area taken [kWh/cm^2]; 3 nm has 3.25 (our judgement)."""
MAX_KG_PER_CM2 = 100.0
"""Greatest direct gases or materials per wafer area taken [kgCO2e/cm^2]; published nodes have 0.1 to 0.5."""
MAX_GRID_GCO2E_PER_KWH = 2_000.0
"""Greatest grid intensity taken [gCO2e/kWh]; coal alone is 740 to 1,000."""
MAX_WAFER_DIAMETER_MM = 450.0
"""Greatest wafer diameter taken [mm]; 450 mm was planned and never used."""
WAFER_DIAMETER_MM = 300.0
"""Diameter of the wafers of every node we hold [mm]."""
NEGBIN_ALPHA = 10.0
"""Defect clustering parameter of the negative-binomial yield [1]. Reference: ECO-CHIP (HPCA 2024)."""
SEEDS, POISSON, MURPHY, NEGBIN = "seeds", "poisson", "murphy", "negbin"
YIELD_MODELS = (MURPHY, POISSON, SEEDS, NEGBIN)


@dataclass(frozen=True, slots=True)
class FabNode:
    """Energy, gas and material of one process node, before yield, at one fab.

    Attributes:
        node: process node, such as ``5nm``.
        energy_kwh_per_cm2: electricity per wafer area [kWh/cm^2].
        gas_low_kg_per_cm2: direct gas emissions at 99 % abatement [kgCO2e/cm^2].
        gas_kg_per_cm2: the same at 97 %, central.
        gas_high_kg_per_cm2: the same at 95 %.
        materials_kg_per_cm2: upstream materials [kgCO2e/cm^2].
        grid_gco2e_per_kwh: intensity of the fab's electricity [gCO2e/kWh].
        source_id: key of ``source.csv``.
    """

    node: str
    energy_kwh_per_cm2: float
    gas_low_kg_per_cm2: float
    gas_kg_per_cm2: float
    gas_high_kg_per_cm2: float
    materials_kg_per_cm2: float
    grid_gco2e_per_kwh: float
    source_id: str

    def __post_init__(self) -> None:
        """Refuse a node whose energy, gases or grid cannot be.

        Raises:
            ValueError: naming the field, the value and the range.
        """
        bounds.positive("energy_kwh_per_cm2", self.energy_kwh_per_cm2, MAX_ENERGY_KWH_PER_CM2, "kWh/cm2")
        for field in ("gas_low_kg_per_cm2", "gas_kg_per_cm2", "gas_high_kg_per_cm2", "materials_kg_per_cm2"):
            bounds.number(field, getattr(self, field), 0.0, MAX_KG_PER_CM2, "kg/cm2")
        bounds.number("grid_gco2e_per_kwh", self.grid_gco2e_per_kwh, 0.0, MAX_GRID_GCO2E_PER_KWH, "g/kWh")

    def carbon_per_area(self) -> Estimate:
        """Give the emissions per wafer area before yield [kgCO2e/cm^2].

        ``CI_fab * EPA + GPA + MPA``; low and high differ by gas abatement only.

        Reference: Gupta et al., ACT (ISCA 2022), eq. 5 without the yield.
        """
        fixed = self.grid_gco2e_per_kwh / G_PER_KG * self.energy_kwh_per_cm2 + self.materials_kg_per_cm2
        return Estimate(
            fixed + self.gas_low_kg_per_cm2,
            fixed + self.gas_kg_per_cm2,
            fixed + self.gas_high_kg_per_cm2,
            "kgCO2e/cm2",
            "T3",
            (self.source_id,),
        )


@dataclass(frozen=True, slots=True)
class DieGroup:
    """Equal dies of one package: how many, how large [mm^2 each], on which node."""

    dies_n: int
    die_area_mm2: float
    node: FabNode


@dataclass(frozen=True, slots=True)
class ModuleConstants:
    """Constants of the calibrated accelerator module.

    Attributes:
        uplift: u, assembly and transport on top of parts [1].
        memory_kg_per_gb: m by memory kind (``hbm``, ``gddr``) [kgCO2e/GB].
        thermal_kg_per_w: t, heat sinks per design power [kgCO2e/W].
        fixed_kg: c, boards, connectors and mechanics [kgCO2e per module].
        defect_density_per_cm2: D0 [1/cm^2].
        band: low and high over central of tier T3 [1].
        source_ids: keys of ``source.csv``.
    """

    uplift: float
    memory_kg_per_gb: Mapping[str, float]
    thermal_kg_per_w: float
    fixed_kg: float
    defect_density_per_cm2: float
    band: tuple[float, float]
    source_ids: tuple[str, ...]


def die_yield(die_area_mm2: float, defect_density_per_cm2: float, model: str = MURPHY) -> float:
    """Give the fraction of good dies of a die started.

    Args:
        die_area_mm2: area of one die [mm^2].
        defect_density_per_cm2: D0 [1/cm^2].
        model: ``murphy`` (default), ``poisson``, ``seeds`` or ``negbin``.

    Returns:
        Yield in (0, 1].

    Raises:
        ValueError: if the area is not in (0, 70,686] mm^2, the density not in [0, 10] or the model unknown.

    Reference: Murphy (1964) ((1-exp(-x))/x)^2; Poisson exp(-x); Seeds as in BoaviztAPI 2.5.0 exp(-sqrt(x));
        negative binomial as in ECO-CHIP (1+x/10)^-10; x = A*D0.
    """
    bounds.positive("die_area_mm2", die_area_mm2, bounds.MAX_DIE_AREA_MM2, "mm2")
    bounds.number("defect_density_per_cm2", defect_density_per_cm2, 0.0, bounds.MAX_DEFECTS_PER_CM2, "1/cm2")
    bounds.known("yield model", model, YIELD_MODELS)
    defects = die_area_mm2 / MM2_PER_CM2 * defect_density_per_cm2
    if model == POISSON:
        return math.exp(-defects)
    if model == SEEDS:
        return math.exp(-math.sqrt(defects))
    if model == NEGBIN:
        return math.pow(1 + defects / NEGBIN_ALPHA, -NEGBIN_ALPHA)
    return (-math.expm1(-defects) / defects) ** 2 if defects > 0 else 1.0


def dies_per_wafer(die_area_mm2: float, wafer_diameter_mm: float = WAFER_DIAMETER_MM) -> float:
    """Give the gross dies of a round wafer, edge loss included.

    Args:
        die_area_mm2: area of one die [mm^2].
        wafer_diameter_mm: diameter of the wafer [mm].

    Returns:
        Dies per wafer [1], not rounded.

    Raises:
        ValueError: if the area is not positive, or the wafer has no place for one die.

    Reference: De Vries, Investigation of gross die per wafer formulas (IEEE TSM 2005): pi d^2/4S - pi d/sqrt(2S).
    """
    bounds.positive("die_area_mm2", die_area_mm2, bounds.MAX_DIE_AREA_MM2, "mm2")
    d = bounds.positive("wafer_diameter_mm", wafer_diameter_mm, MAX_WAFER_DIAMETER_MM, "mm")
    dies = math.pi * d**2 / (4 * die_area_mm2) - math.pi * d / math.sqrt(2 * die_area_mm2)
    if dies <= 0:
        msg = f"die_area_mm2 {die_area_mm2!r} mm2 is too large for the formula on a wafer of {d!r} mm"
        raise ValueError(msg)
    return dies


def wafer_edge_factor(die_area_mm2: float, wafer_diameter_mm: float = WAFER_DIAMETER_MM) -> float:
    """Give the wafer area used per die over the die's own area, [1], at least 1.

    Off by default: the calibration is done without it, and (off, D0 0.1) and (on, D0 0.05) fit equally well.

    Args:
        die_area_mm2: area of one die [mm^2].
        wafer_diameter_mm: diameter of the wafer [mm].

    Raises:
        ValueError: as ``dies_per_wafer``.

    Reference: docs/models/embodied.md, chip; W = (pi d^2/4)/(S*DPW).
    """
    dies = dies_per_wafer(die_area_mm2, wafer_diameter_mm)
    return math.pi * wafer_diameter_mm**2 / 4 / (die_area_mm2 * dies)


def chip_manufacturing_kgco2e(die_area_mm2: float, node: FabNode, yield_fraction: float) -> Estimate:
    """Cradle-to-gate emissions of one good die, without package.

    Args:
        die_area_mm2: area of the die [mm^2], one die.
        node: energy, gas and material use per area of the process node, and the fab's grid intensity.
        yield_fraction: good dies per die started, in (0, 1].

    Returns:
        Low, central and high emissions [kgCO2e per die]; the interval is that of gas abatement only.

    Raises:
        ValueError: if the area is not positive or the yield is outside (0, 1].

    Reference: Gupta et al., ACT (ISCA 2022), eq. 5.
    """
    bounds.positive("die_area_mm2", die_area_mm2, bounds.MAX_DIE_AREA_MM2, "mm2")
    bounds.positive("yield_fraction", yield_fraction, 1.0, "1")
    factor = die_area_mm2 / MM2_PER_CM2 / yield_fraction
    area = node.carbon_per_area()
    low, central, high = area.low * factor, area.central * factor, area.high * factor
    return Estimate(low, central, high, "kgCO2e", "T3", area.source_ids)


def package_dies_kgco2e(groups: Sequence[DieGroup], defect_density_per_cm2: float) -> Estimate:
    """Cradle-to-gate emissions of all logic dies of one package, each with its own Murphy yield.

    Args:
        groups: the dies by kind; at least one group.
        defect_density_per_cm2: D0 [1/cm^2].

    Returns:
        Low, central and high emissions [kgCO2e per package].

    Raises:
        ValueError: if there is no group, a group has no whole number of dies, or an area or D0 is out of range.

    Reference: docs/models/embodied.md, chip.
    """
    for group in groups:
        bounds.whole("dies_n", group.dies_n, 1, bounds.MAX_COUNT)
    parts = [
        chip_manufacturing_kgco2e(g.die_area_mm2, g.node, die_yield(g.die_area_mm2, defect_density_per_cm2)).scaled(
            g.dies_n
        )
        for g in groups
    ]
    if not parts:
        msg = "a package needs at least one group of dies"
        raise ValueError(msg)
    total = parts[0]
    for part in parts[1:]:
        total = total.plus(part)
    return total


def accelerator_kgco2e(
    groups: Sequence[DieGroup], memory_kind: str, memory_gb: float, tdp_w: float, constants: ModuleConstants
) -> Estimate:
    """Cradle-to-gate emissions of one accelerator module with its memory, cooling and boards.

    ``u * (sum(E_die) + m*GB + t*TDP + c)``, calibrated on the HGX H100 footprint.

    Args:
        groups: the logic dies.
        memory_kind: ``hbm`` or ``gddr``.
        memory_gb: memory on the module [GB].
        tdp_w: thermal design power [W].
        constants: u, m, t, c, D0 and the T3 band.

    Returns:
        Low, central and high emissions [kgCO2e per module].

    Raises:
        ValueError: if memory or power is out of range, or the memory kind has no constant.

    Reference: docs/models/embodied.md, chip; NVIDIA HGX H100 PCF summary (ISO 14067) split by part.
    """
    bounds.number("memory_gb", memory_gb, 0.0, bounds.MAX_MEMORY_GB, "GB")
    bounds.number("tdp_w", tdp_w, 0.0, bounds.MAX_DEVICE_POWER_W, "W")
    if memory_kind not in constants.memory_kg_per_gb:
        msg = f"no constant for memory kind {memory_kind!r}"
        raise ValueError(msg)
    dies = package_dies_kgco2e(groups, constants.defect_density_per_cm2)
    rest = constants.memory_kg_per_gb[memory_kind] * memory_gb + constants.thermal_kg_per_w * tdp_w + constants.fixed_kg
    central = constants.uplift * (dies.central + rest)
    sources = tuple(dict.fromkeys((*dies.source_ids, *constants.source_ids)))
    return Estimate(central, central, central, "kgCO2e", "T3", sources).banded(*constants.band, "T3")


def processor_kgco2e(
    silicon_area_mm2: float,
    dies_n: int,
    node: FabNode,
    constants: Mapping[str, Estimate],
) -> Estimate:
    """Cradle-to-gate emissions of one server processor (one socket).

    Central ``0.0197*A + 9.14``; low is ACT with Murphy yield over equal dies plus packages; high is 1.6 times central.
    Where ACT is above the central value it does not lower it.

    Args:
        silicon_area_mm2: silicon of all dies of the socket [mm^2].
        dies_n: number of dies.
        node: process node of the compute dies.
        constants: ``cpu_die`` [kg/mm^2], ``cpu_base`` [kg], ``ic_package`` [kg/IC], ``defect_density`` [1/cm^2],
            ``band_t3`` [1].

    Returns:
        Low, central and high emissions [kgCO2e per socket].

    Raises:
        ValueError: if the area or the number of dies is out of range.

    Reference: BoaviztAPI 2.5.0 factors (central); Gupta et al., ACT (ISCA 2022), eq. 5 (low).
    """
    bounds.whole("dies_n", dies_n, 1, bounds.MAX_COUNT)
    bounds.positive("silicon_area_mm2", silicon_area_mm2, bounds.MAX_DIE_AREA_MM2, "mm2")
    group = DieGroup(dies_n, silicon_area_mm2 / dies_n, node)
    act = package_dies_kgco2e([group], constants["defect_density"].central)
    act_kg = act.central + dies_n * constants["ic_package"].central
    central = constants["cpu_die"].central * silicon_area_mm2 + constants["cpu_base"].central
    high = max(act_kg, central * constants["band_t3"].high)
    sources = tuple(dict.fromkeys((*constants["cpu_die"].source_ids, *act.source_ids)))
    return Estimate(min(act_kg, central), central, high, "kgCO2e", "T3", sources)

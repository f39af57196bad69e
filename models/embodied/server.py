"""Server level: the host around the accelerators, and its transport."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models import bounds
from models.estimate import Estimate

TRANSPORT_MODES = ("sea", "road", "air")
MAX_SSD_TB = 100_000.0
"""Greatest solid-state storage of one machine taken [TB], 100 PB (our judgement)."""


@dataclass(frozen=True, slots=True)
class HostBill:
    """What a host is made of, accelerators apart.

    Attributes:
        processors: estimate of all processors together [kgCO2e].
        dram_gb: memory [GB].
        ssd_tb: solid-state storage [TB].
        hdd_n: hard drives [1].
        nic_n: 100 Gbit/s network cards [1].
        chassis_n: chassis with boards, supplies and assembly [1].
    """

    processors: Estimate
    dram_gb: float
    ssd_tb: float = 0.0
    hdd_n: float = 0.0
    nic_n: float = 0.0
    chassis_n: float = 1.0


def host_kgco2e(bill: HostBill, components: Mapping[str, Estimate]) -> Estimate:
    """Cradle-to-gate emissions of one host from its bill of materials.

    Args:
        bill: quantities.
        components: ``memory_dram`` [kg/GB], ``storage_ssd`` [kg/TB], ``storage_hdd`` [kg/drive], ``nic_100g`` [kg],
            ``chassis_boards_power`` [kg].

    Returns:
        Low, central and high emissions [kgCO2e per host]; parts added as fully correlated.

    Raises:
        ValueError: if a quantity is negative, not finite or absurd.

    Reference: docs/models/embodied.md, server; E_host = CPUs + DRAM + SSD/HDD + NICs + chassis and boards.
    """
    quantities = {
        "memory_dram": bill.dram_gb,
        "storage_ssd": bill.ssd_tb,
        "storage_hdd": bill.hdd_n,
        "nic_100g": bill.nic_n,
        "chassis_boards_power": bill.chassis_n,
    }
    total = bill.processors
    checked = (("dram_gb", bill.dram_gb, bounds.MAX_MEMORY_GB, "GB"), ("ssd_tb", bill.ssd_tb, MAX_SSD_TB, "TB"))
    counts = (("hdd_n", bill.hdd_n), ("nic_n", bill.nic_n), ("chassis_n", bill.chassis_n))
    for field, value, high, unit in (*checked, *((field, n, bounds.MAX_COUNT, "1") for field, n in counts)):
        bounds.number(field, value, 0.0, high, unit)
    for name, quantity in quantities.items():
        part = components[name]
        if quantity:
            total = total.plus(_in_kgco2e(part.scaled(quantity)))
    return total


def server_kgco2e(accelerators: Sequence[Estimate], host: Estimate) -> Estimate:
    """Cradle-to-gate emissions of a server: its accelerators and its host.

    Args:
        accelerators: one estimate a module [kgCO2e].
        host: the host without accelerators [kgCO2e].

    Returns:
        Low, central and high emissions [kgCO2e per server].

    Reference: docs/models/embodied.md, server; E_server = E_accelerators + E_host.
    """
    total = host
    for accelerator in accelerators:
        total = total.plus(accelerator)
    return total


def transport_kgco2e(
    mass_kg: float, legs_km: Sequence[tuple[str, float]], components: Mapping[str, Estimate]
) -> Estimate:
    """Emissions of delivering a machine (life-cycle stage A4).

    Args:
        mass_kg: shipped mass [kg].
        legs_km: mode (``sea``, ``road``, ``air``) and distance [km] of each leg.
        components: ``transport_sea``, ``transport_road``, ``transport_air`` [kgCO2e per kg km].

    Returns:
        Low, central and high emissions [kgCO2e].

    Raises:
        ValueError: if a mode is unknown, or mass or distance is out of range.

    Reference: docs/models/embodied.md, server; mass * sum(km * factor).
    """
    bounds.number("mass_kg", mass_kg, 0.0, bounds.MAX_MASS_KG, "kg")
    total = Estimate(0.0, 0.0, 0.0, "kgCO2e")
    for mode, distance_km in legs_km:
        bounds.known("transport mode", mode, TRANSPORT_MODES)
        bounds.number("distance_km", distance_km, 0.0, bounds.MAX_DISTANCE_KM, "km")
        total = total.plus(_in_kgco2e(components[f"transport_{mode}"].scaled(mass_kg * distance_km)))
    return total


def _in_kgco2e(estimate: Estimate) -> Estimate:
    """Give a component's estimate, times its quantity, as a mass [kgCO2e]."""
    return Estimate(estimate.low, estimate.central, estimate.high, "kgCO2e", estimate.tier, estimate.source_ids)

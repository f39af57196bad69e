"""Building level: shell and plant of a data centre, by IT capacity."""

from __future__ import annotations

from models import bounds
from models.estimate import Estimate

SHELL_FRACTION = 0.2
"""Shell in shell plus plant [1] where only the total is known.

Reference: docs/models/embodied.md, building (180 of 980 kg per kW).
"""


def facility_kgco2e(it_capacity_kw: float, per_kw: Estimate) -> Estimate:
    """Emissions of building a facility, when nothing better is known.

    Args:
        it_capacity_kw: IT power that the facility was built for [kW].
        per_kw: shell and plant per IT capacity [kgCO2e per kW].

    Returns:
        Low, central and high emissions [kgCO2e per facility].

    Raises:
        ValueError: if the capacity is not positive, not finite or absurd.

    Reference: docs/models/embodied.md, building; E = k * IT capacity.
    """
    bounds.positive("it_capacity_kw", it_capacity_kw, bounds.MAX_FACILITY_POWER_KW, "kW")
    total = per_kw.scaled(it_capacity_kw)
    return Estimate(total.low, total.central, total.high, "kgCO2e", total.tier, total.source_ids)


def shell_and_plant_kgco2e(facility: Estimate) -> tuple[Estimate, Estimate]:
    """Split a facility into shell (long life) and plant (shorter life); the two add up to it.

    Args:
        facility: shell and plant together [kgCO2e].

    Returns:
        Shell and plant [kgCO2e].

    Reference: docs/models/embodied.md, building; shell 20 % over 40 years, plant 80 % over 20 years.
    """
    return facility.scaled(SHELL_FRACTION), facility.scaled(1 - SHELL_FRACTION)


def server_share_fraction(nameplate_kw: float, it_capacity_kw: float) -> float:
    """Give the part of a facility that one server occupies while it is in service.

    Args:
        nameplate_kw: nameplate power of the server [kW].
        it_capacity_kw: IT power that the facility was built for [kW].

    Returns:
        Fraction [1], in [0, 1].

    Raises:
        ValueError: if the capacity is not positive, or the server is larger than the facility.

    Reference: docs/models/embodied.md, building; key by nameplate.
    """
    bounds.positive("it_capacity_kw", it_capacity_kw, bounds.MAX_FACILITY_POWER_KW, "kW")
    bounds.number("nameplate_kw", nameplate_kw, 0.0, bounds.MAX_FACILITY_POWER_KW, "kW")
    if nameplate_kw > it_capacity_kw:
        msg = f"a server of {nameplate_kw!r} kW does not fit into {it_capacity_kw!r} kW of IT capacity"
        raise ValueError(msg)
    return nameplate_kw / it_capacity_kw

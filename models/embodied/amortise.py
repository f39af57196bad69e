"""Straight-line amortisation: how much of an asset belongs to a span of time, never more than all of it."""

from __future__ import annotations

from models import bounds
from models.units import G_PER_KG


def rate_gco2e_per_h(total_kgco2e: float, life_h: float) -> float:
    """Give the straight-line rate of an asset in service.

    Args:
        total_kgco2e: embodied emissions of the asset [kgCO2e].
        life_h: service life [h].

    Returns:
        Rate [gCO2e per hour].

    Raises:
        ValueError: if the total is negative, the life not positive, or a number not finite.

    Reference: Green Software Foundation, SCI specification (ISO/IEC 21031:2024), M = TE * TiR / EL.
    """
    _check(total_kgco2e, life_h)
    return total_kgco2e * G_PER_KG / life_h


def accrued_kgco2e(total_kgco2e: float, life_h: float, in_service_h: float, start_h: float, end_h: float) -> float:
    """Give what an asset accrues in [start, end): nothing before service, nothing past its life.

    Over any partition of time the parts add up to the total at most; an asset past its life accrues 0.

    Args:
        total_kgco2e: embodied emissions of the asset [kgCO2e].
        life_h: service life [h].
        in_service_h: when the asset went into service [h, any origin].
        start_h: start of the span [h, same origin].
        end_h: end of the span [h, same origin], not before the start.

    Returns:
        Accrued emissions [kgCO2e], in [0, total].

    Raises:
        ValueError: if the total is negative, the life not positive, or the span ends before it starts.

    Reference: docs/models/embodied.md, amortisation, policy P1 rules (a) and (b).
    """
    _check(total_kgco2e, life_h)
    for field, moment_h in (("in_service_h", in_service_h), ("start_h", start_h), ("end_h", end_h)):
        bounds.number(field, moment_h, -bounds.MAX_TIME_H, bounds.MAX_TIME_H, "h")
    if end_h < start_h:
        msg = f"the span ends at {end_h!r} h, before it starts at {start_h!r} h"
        raise ValueError(msg)
    return total_kgco2e * (
        _used_fraction(life_h, end_h - in_service_h) - _used_fraction(life_h, start_h - in_service_h)
    )


def remaining_kgco2e(total_kgco2e: float, life_h: float, in_service_h: float, at_h: float) -> float:
    """Give the balance not yet accrued, which an early retirement writes off.

    Args:
        total_kgco2e: embodied emissions of the asset [kgCO2e].
        life_h: service life [h].
        in_service_h: when the asset went into service [h, any origin].
        at_h: the moment asked about [h, same origin].

    Returns:
        Remaining emissions [kgCO2e], in [0, total].

    Raises:
        ValueError: if the total is negative, the life not positive, or a number not finite.

    Reference: docs/models/embodied.md, amortisation, rule (b).
    """
    _check(total_kgco2e, life_h)
    for field, moment_h in (("in_service_h", in_service_h), ("at_h", at_h)):
        bounds.number(field, moment_h, -bounds.MAX_TIME_H, bounds.MAX_TIME_H, "h")
    return total_kgco2e * (1 - _used_fraction(life_h, at_h - in_service_h))


def _used_fraction(life_h: float, age_h: float) -> float:
    """Give the part of life that has passed at an age [h], held between 0 and 1."""
    return min(max(age_h / life_h, 0.0), 1.0)


def _check(total_kgco2e: float, life_h: float) -> None:
    """Refuse a total or a life that is out of range."""
    bounds.number("total_kgco2e", total_kgco2e, 0.0, bounds.MAX_TOTAL_KGCO2E, "kg")
    bounds.positive("life_h", life_h, bounds.MAX_LIFE_H, "h")

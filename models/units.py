"""Conversions between the units that sources publish and those of our tables.

Reference: BIPM, The International System of Units (2019); one international pound is 0.45359237 kg exactly.
"""

from __future__ import annotations

J_PER_KWH = 3_600_000.0
"""Joules in one kilowatt-hour [J/kWh], exact."""
G_PER_KG = 1_000.0
"""Grams in one kilogram [g/kg], exact."""
KG_PER_T = 1_000.0
"""Kilograms in one tonne [kg/t], exact."""
KG_PER_LB = 0.45359237
"""Kilograms in one international avoirdupois pound [kg/lb], exact."""
KWH_PER_MWH = 1_000.0
"""Kilowatt-hours in one megawatt-hour [kWh/MWh], exact."""
HOURS_PER_YEAR = 8_760.0
"""Hours in one year of service life [h]; 365 days, as every embodied source counts."""
MS_PER_HOUR = 3_600_000
"""Milliseconds in one hour [ms/h], exact."""
MM2_PER_CM2 = 100.0
"""Square millimetres in one square centimetre [mm^2/cm^2], exact."""


def kwh_from_j(energy_j: float) -> float:
    """Energy [kWh] of an energy in joules [J]."""
    return energy_j / J_PER_KWH


def j_from_kwh(energy_kwh: float) -> float:
    """Energy [J] of an energy in kilowatt-hours [kWh]."""
    return energy_kwh * J_PER_KWH


def g_per_kwh_from_lb_per_mwh(rate_lb_per_mwh: float) -> float:
    """Intensity [g/kWh] of a rate in pounds per megawatt-hour [lb/MWh], as eGRID publishes it."""
    return rate_lb_per_mwh * KG_PER_LB * G_PER_KG / KWH_PER_MWH


def kg_from_g(mass_g: float) -> float:
    """Mass [kg] of a mass in grams [g]."""
    return mass_g / G_PER_KG


def g_from_kg(mass_kg: float) -> float:
    """Mass [g] of a mass in kilograms [kg]."""
    return mass_kg * G_PER_KG


def t_from_kg(mass_kg: float) -> float:
    """Mass [t] of a mass in kilograms [kg]."""
    return mass_kg / KG_PER_T


def hours_from_years(years: float) -> float:
    """Service life [h] of a life in years of 365 days."""
    return years * HOURS_PER_YEAR

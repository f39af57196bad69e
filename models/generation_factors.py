"""Factor sets of generation, carbon-free fuels and the providers' fuel codes, read from the packaged tables.

What belongs here: reading and checking of ``generation_factor.csv``, ``carbon_free_fuel.csv`` and ``fuel_code.csv``.
What must not be here: equations (``generation``), or anything a provider sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from models.factors import BASES, sourced_rows
from models.generation import FUELS, STORAGE_FUELS, FactorSet, FuelFactor
from models.table import Row

SYSTEMS = frozenset({"eia", "entsoe"})
MAX_FACTOR = 3_000.0
"""Greatest emission factor that a table may hold [gCO2e/kWh]; the high end of hydropower is 2,200 (IPCC AR5)."""


@dataclass(frozen=True, slots=True)
class FuelCode:
    """A provider's code of a kind of generation.

    Attributes:
        system: ``eia`` (form 930) or ``entsoe`` (psrType).
        code: the code, such as ``COL`` or ``B05``.
        label: its name for people, which some files use in place of the code.
        fuel: our fuel, one of ``generation.FUELS``.
        is_storage: whether it is discharge of storage, which is not generation.
        source_id: key of ``source.csv``.
        note: what the mapping glosses over.
    """

    system: str
    code: str
    label: str
    fuel: str
    is_storage: bool
    source_id: str
    note: str


@cache
def factor_sets() -> dict[str, tuple[FactorSet, ...]]:
    """Give every factor set by name, one entry a basis; do not change the result.

    Raises:
        FactorDataError: if the table holds a value that cannot be used, or a factor twice.
    """
    found: dict[tuple[str, str], dict[str, FuelFactor]] = {}
    for row in sourced_rows("generation_factor.csv", verified=True):
        factors = found.setdefault((row.text("factor_set"), row.choice("basis", BASES)), {})
        factor = _factor(row)
        if factor.fuel in factors:
            msg = "fuel"
            raise row.error(msg, "stands twice in this factor set and basis")
        factors[factor.fuel] = factor
    names = dict.fromkeys(name for name, _ in found)
    return {name: tuple(FactorSet(*key, factors) for key, factors in found.items() if key[0] == name) for name in names}


@cache
def fuel_codes(system: str) -> dict[str, FuelCode]:
    """Give the fuel codes of a system by code; do not change the result.

    Args:
        system: ``eia`` or ``entsoe``.

    Raises:
        FactorDataError: if the table holds a value that cannot be used, or a code twice.
    """
    found: dict[str, FuelCode] = {}
    for row in sourced_rows("fuel_code.csv"):
        if row.choice("system", SYSTEMS) != system:
            continue
        code = _fuel_code(row)
        if code.code in found:
            msg = "code"
            raise row.error(msg, "stands twice")
        found[code.code] = code
    return found


@cache
def carbon_free_fuels() -> frozenset[str]:
    """Give the fuels that count as carbon-free.

    Raises:
        FactorDataError: if the table holds a value that cannot be used, a fuel twice, or lacks a fuel.
    """
    found: dict[str, bool] = {}
    row = None
    for row in sourced_rows("carbon_free_fuel.csv"):
        fuel = row.choice("fuel", FUELS - STORAGE_FUELS)
        if fuel in found:
            msg = "fuel"
            raise row.error(msg, "stands twice")
        found[fuel] = row.choice("is_carbon_free", frozenset({"true", "false"})) == "true"
    missing = FUELS - STORAGE_FUELS - found.keys()
    if missing and row is not None:
        msg = "fuel"
        raise row.error(msg, f"the table says nothing of {', '.join(sorted(missing))}")
    return frozenset(fuel for fuel, is_carbon_free in found.items() if is_carbon_free)


def _factor(row: Row) -> FuelFactor:
    """Give the factor of one row; low and high are both there, or neither."""
    columns = ("low_gco2e_per_kwh", "gco2e_per_kwh", "high_gco2e_per_kwh")
    central = row.number(columns[1], 0, MAX_FACTOR)
    low: float | None = None
    high: float | None = None
    if row.optional_text(columns[0]) or row.optional_text(columns[2]):
        low, central, high = row.interval(*columns)
    return FuelFactor(
        fuel=row.choice("fuel", FUELS - STORAGE_FUELS),
        gco2e_per_kwh=central,
        low_gco2e_per_kwh=low,
        high_gco2e_per_kwh=high,
        year=row.year(),
        verified=row.text("verified"),
        source_id=row.text("source_id"),
    )


def _fuel_code(row: Row) -> FuelCode:
    """Give the code of one row; storage must be what ``generation`` takes as storage."""
    fuel, is_storage = row.choice("fuel", FUELS), row.choice("is_storage", frozenset({"true", "false"})) == "true"
    if is_storage != (fuel in STORAGE_FUELS):
        msg = "is_storage"
        raise row.error(msg, f"does not fit the fuel {fuel}")
    return FuelCode(
        system=row.text("system"),
        code=row.text("code"),
        label=row.text("label"),
        fuel=fuel,
        is_storage=is_storage,
        source_id=row.text("source_id"),
        note=row.optional_text("note"),
    )

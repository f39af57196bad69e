"""LLMCarbon's own method, by name, so that a user sees what it does and where ours differs.

What belongs here: its formulas and its table's columns, unchanged. What must not be here: our forecast.

Its check is circular: efficiency, power, PUE, intensity and devices of a row come from the same report as the figure it
is held against; only 6 N D is tested.

Reference: LLMCarbon, MLCarbon dbd96b7, model.py (LLM.training_co2eq); Faiz et al. 2023 (arXiv 2309.14393).
"""

from __future__ import annotations

from dataclasses import dataclass

from models import table
from models.prediction.inputs import InputError
from models.table import Row

SECONDS_PER_DAY, HOURS_PER_DAY = 86_400.0, 24.0
"""Exact."""
COLUMNS = {
    "name": "name",
    "type": "architecture",
    "parameter # (B)": "parameters_b",
    "base model param. # (B)": "base_parameters_b",
    "token # (B)": "tokens_b",
    "CO2eq/KWh": "kgco2e_per_kwh",
    "PUE": "pue",
    "computing device": "device",
    "device TPD (W)": "device_tdp_w",
    "avg. system power (W)": "system_power_w",
    "peak TFLOPs/s": "peak_tflops",
    "achieved TFLOPs/s": "achieved_tflops",
    "hardware efficiency": "hardware_efficiency",
    "device #": "devices_n",
    "total zettaFLOPs": "reported_zflop",
    "training days": "reported_days",
    "actual tCO2eq": "reported_tco2e",
    "energy MWh": "reported_mwh",
}
"""Columns of LLMCarbon's ``database.csv`` and our names for them."""
OPTIONAL = frozenset({"base model param. # (B)", "total zettaFLOPs", "training days", "actual tCO2eq", "energy MWh"})
ARCHITECTURES = frozenset({"dense", "MoE"})


@dataclass(frozen=True, slots=True)
class LlmcarbonRow:
    """One row of ``database.csv``; units are in the names, None is an empty value."""

    name: str
    architecture: str
    parameters_b: float
    base_parameters_b: float | None
    tokens_b: float
    kgco2e_per_kwh: float
    pue: float
    device: str
    device_tdp_w: float
    system_power_w: float
    peak_tflops: float
    achieved_tflops: float
    hardware_efficiency: float
    devices_n: float
    reported_zflop: float | None
    reported_days: float | None
    reported_tco2e: float | None
    reported_mwh: float | None

    @property
    def active_parameters_b(self) -> float:
        """Parameters that its formula counts [billions]: the base model of a mixture of experts, else all."""
        return self.parameters_b if self.base_parameters_b is None else self.base_parameters_b


@dataclass(frozen=True, slots=True)
class LlmcarbonResult:
    """What its formulas give: zettaFLOP, days, MWh, tCO2e, and tCO2e over the reported one, less 1."""

    zflop: float
    days: float
    mwh: float
    tco2e: float
    delta: float | None


def is_llmcarbon(header: str) -> bool:
    """Tell whether the first line of a table is that of ``database.csv``."""
    return {"parameter # (B)", "token # (B)", "hardware efficiency"} <= set(header.strip().split(","))


def read(file: str, text: str) -> list[LlmcarbonRow]:
    """Give the rows of a ``database.csv``.

    Args:
        file: its name, for errors.
        text: its content.

    Raises:
        FactorDataError: if a value cannot be used.
        InputError: if a column is missing.
    """
    found = []
    for row in table.rows(file, text.lstrip("\ufeff")):
        missing = [column for column in COLUMNS if column not in row.values and column not in OPTIONAL]
        if missing:
            msg = f"{file}: the column {missing[0]!r} is missing; LLMCarbon's table has {', '.join(COLUMNS)}"
            raise InputError(msg)
        found.append(_row(row))
    return found


def training(row: LlmcarbonRow) -> LlmcarbonResult:
    """Give what LLMCarbon obtains for a row.

    Args:
        row: a row of its table.

    Reference: docs/models/prediction.md, LLMCarbon; zFLOP = 6 P D, days = zFLOP / (devices * peak * efficiency),
        MWh = power * devices * days * 24 / 1e6 * PUE, tCO2e = MWh * intensity.
    """
    flop = 6.0 * row.active_parameters_b * 1e9 * row.tokens_b * 1e9
    days = flop / (row.devices_n * row.peak_tflops * 1e12 * row.hardware_efficiency) / SECONDS_PER_DAY
    mwh = row.system_power_w * row.devices_n * days * HOURS_PER_DAY / 1e6 * row.pue
    tonnes = mwh * row.kgco2e_per_kwh
    delta = None if row.reported_tco2e is None else tonnes / row.reported_tco2e - 1
    return LlmcarbonResult(flop / 1e21, days, mwh, tonnes, delta)


def _row(row: Row) -> LlmcarbonRow:
    """Give one row, each value checked."""
    numbers = {
        ours: row.number(theirs, 1e-9) if theirs not in OPTIONAL else _optional(row, theirs)
        for theirs, ours in COLUMNS.items()
        if theirs not in {"name", "type", "computing device"}
    }
    architecture = row.choice("type", ARCHITECTURES)
    if architecture == "MoE" and numbers["base_parameters_b"] is None:
        column = "base model param. # (B)"
        raise row.error(column, "a mixture of experts needs the size of its base model")
    return LlmcarbonRow(row.text("name"), architecture, device=row.text("computing device"), **numbers)  # type: ignore[arg-type]


def _optional(row: Row, column: str) -> float | None:
    """Give a number of a column that may be empty or missing."""
    return row.optional_number(column) if column in row.values else None

"""Devices, published training runs, measured power and constants of the prediction, as typed rows.

What belongs here: reading and checking of their tables. What must not be here: equations.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from models.estimate import Estimate
from models.factors import sourced_rows
from models.prediction.inputs import InputError
from models.table import VERIFIED, FactorDataError, Row
from models.uncertain import Quantity, from_interval

PRECISIONS = ("fp32", "tf32", "16bit", "8bit", "4bit")
PRECISION_NAMES = {"bf16": "16bit", "fp16": "16bit", "float16": "16bit", "bfloat16": "16bit", "fp8": "8bit",
                   "int8": "8bit", "fp4": "4bit"}  # fmt: skip
"""Number formats that share one peak: ``bf16`` and ``fp16`` are ``16bit``, ``fp8`` and ``int8`` are ``8bit``."""
KINDS = frozenset({"run", "benchmark"})
BOUNDARIES = frozenset({"accelerator", "it", "facility"})
MEASURED = "measured"
ENERGY_BASES = frozenset({MEASURED, "modelled", "nameplate", "category"})
"""How a published energy came about; only a measured one may score a forecast of energy: the others restate hours."""


@dataclass(frozen=True, slots=True)
class Device:
    """What one accelerator can do.

    Attributes:
        name: our name.
        aliases: other spellings.
        vendor: its maker.
        generation: architecture, such as ``hopper``; runs of one generation inform each other.
        peak_tflops: dense peak by precision [TFLOP/s]; a precision that is missing is not known.
        memory_gb: memory [GB].
        bandwidth_gb_per_s: memory bandwidth [GB/s].
        tdp_w: design power of the accelerator [W]; None where its maker states none.
        embodied_model: name in the embodied catalogue.
        source_id: key of ``source.csv``.
        verified: how the row was checked.
        note: what else is to be known.
    """

    name: str
    aliases: tuple[str, ...]
    vendor: str
    generation: str
    peak_tflops: dict[str, float]
    memory_gb: float
    bandwidth_gb_per_s: float
    tdp_w: float | None
    embodied_model: str
    source_id: str
    verified: str
    note: str

    def peak_flop_per_s(self, precision: str) -> float:
        """Give the dense peak at a precision [FLOP/s].

        Raises:
            InputError: if no peak is known for it.
        """
        if precision not in self.peak_tflops:
            msg = f"precision = {precision!r}: {self.name} has a known peak for {', '.join(self.peak_tflops)} only"
            raise InputError(msg)
        return self.peak_tflops[precision] * 1e12


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One published run, or one benchmark of throughput.

    Attributes:
        run: its name.
        family: runs of one team and set-up; their errors go together.
        kind: ``run`` (with restarts and evaluation) or ``benchmark`` (steps alone).
        parameters_n: parameters.
        active_parameters_n: parameters that one token uses.
        tokens_n: tokens trained on; None where not stated.
        device: name of the device.
        devices_n: devices; None where not stated.
        device_hours: device-hours [h]; None where not stated.
        reported_utilisation: MFU as the authors report it [1], where hours or tokens are not stated.
        pue: as stated [1].
        gco2e_per_kwh: as stated.
        energy_kwh: as stated [kWh].
        energy_boundary: boundary of that energy; empty without one.
        energy_basis: one of ``ENERGY_BASES``; empty without one.
        kgco2e: as stated, location-based [kg].
        precision: key of ``PRECISIONS``.
        year: of the run.
        source_id: key of ``source.csv``.
        verified: how the row was checked.
        note: what else is to be known.
    """

    run: str
    family: str
    kind: str
    parameters_n: float
    active_parameters_n: float
    tokens_n: float | None
    device: str
    devices_n: float | None
    device_hours: float | None
    reported_utilisation: float | None
    pue: float | None
    gco2e_per_kwh: float | None
    energy_kwh: float | None
    energy_boundary: str
    energy_basis: str
    kgco2e: float | None
    precision: str
    year: int
    source_id: str
    verified: str
    note: str


@dataclass(frozen=True, slots=True)
class PowerMeasurement:
    """Average power of one device while it trained [W], at a boundary: ``accelerator`` or ``it`` (host included)."""

    measurement: str
    device: str
    boundary: str
    watts: float
    source_id: str


@cache
def devices() -> tuple[Device, ...]:
    """Give every accelerator whose performance is known."""
    return tuple(_device(row) for row in sourced_rows("device_performance.csv", verified=True))


def find_device(name: str) -> Device:
    """Give the device of a name, in any spelling.

    Raises:
        InputError: if it is not known; nothing stands in for it.
    """
    asked = _key(name)
    for device in devices():
        if asked in {_key(device.name), *map(_key, device.aliases)}:
            return device
    known = ", ".join(device.name for device in devices())
    msg = (
        f"device = {name!r} is not known; known: {known}; or give its peak with --peak-tflops and its --device-power-w"
    )
    raise InputError(msg)


@cache
def training_runs() -> tuple[TrainingRun, ...]:
    """Give every published run."""
    return tuple(_run(row) for row in sourced_rows("training_run.csv", verified=True))


@cache
def power_measurements() -> tuple[PowerMeasurement, ...]:
    """Give every measured power."""
    return tuple(
        PowerMeasurement(
            row.text("measurement"),
            find_device(row.text("device")).name,
            row.choice("boundary", frozenset({"accelerator", "it"})),
            row.number("watts_per_device", 1, 10_000),
            row.text("source_id"),
        )
        for row in sourced_rows("training_power.csv", verified=True)
    )


@cache
def constant(name: str) -> Quantity:
    """Give a constant of ``prediction_constant.csv`` as an input of its own; the unit is on it."""
    for row in sourced_rows("prediction_constant.csv", verified=True):
        if row.text("constant") == name:
            judged = row.choice("verified", VERIFIED) == "engineering_judgement"
            interval = row.interval("low", "central", "high")
            estimate = Estimate(*interval, row.text("unit"), "T5" if judged else "T4", (row.text("source_id"),))
            return from_interval(f"constant.{name}", estimate, level=0.90)
    raise KeyError(name)


def _device(row: Row) -> Device:
    """Give one device."""
    peaks = {name: row.optional_number(f"peak_{name}_tflops", 0.1) for name in PRECISIONS}
    return Device(
        name=row.text("device"),
        aliases=row.names("aliases"),
        vendor=row.text("vendor"),
        generation=row.text("generation"),
        peak_tflops={name: peak for name, peak in peaks.items() if peak is not None},
        memory_gb=row.number("memory_gb", 1, 2_000),
        bandwidth_gb_per_s=row.number("memory_bandwidth_gb_per_s", 1, 100_000),
        tdp_w=row.optional_number("tdp_w", 1, 5_000),
        embodied_model=row.text("embodied_model"),
        source_id=row.text("source_id"),
        verified=row.text("verified"),
        note=row.optional_text("note"),
    )


def _run(row: Row) -> TrainingRun:
    """Give one run, in units without prefix."""
    total = row.number("params_b", 1e-4) * 1e9
    active, tokens = row.optional_number("active_params_b", 1e-4), row.optional_number("tokens_b", 1e-3)
    energy, mass = row.optional_number("mwh"), row.optional_number("tco2e")
    intensity = row.optional_number("kgco2e_per_kwh", 0, 2)
    basis, boundary = row.optional_text("energy_basis"), row.optional_text("energy_boundary")
    if (energy is None) != (basis not in ENERGY_BASES) or (energy is None) != (boundary not in BOUNDARIES):
        column = "mwh"
        raise row.error(column, "an energy needs its boundary and its basis, and they need an energy")
    found = TrainingRun(
        run=row.text("run"),
        family=row.text("family"),
        kind=row.choice("kind", KINDS),
        parameters_n=total,
        active_parameters_n=total if active is None else active * 1e9,
        tokens_n=None if tokens is None else tokens * 1e9,
        device=find_device(row.text("device")).name,
        devices_n=row.optional_number("devices_n", 1),
        device_hours=row.optional_number("device_hours", 1e-3),
        reported_utilisation=row.optional_number("mfu", 1e-3, 1),
        pue=row.optional_number("pue", 1, 3),
        gco2e_per_kwh=None if intensity is None else intensity * 1e3,
        energy_kwh=None if energy is None else energy * 1e3,
        energy_boundary=boundary,
        energy_basis=basis,
        kgco2e=None if mass is None else mass * 1e3,
        precision=row.choice("precision", frozenset(PRECISIONS)),
        year=row.year(),
        source_id=row.text("source_id"),
        verified=row.text("verified"),
        note=row.optional_text("note"),
    )
    if found.active_parameters_n > found.parameters_n:
        msg = f"training_run.csv, line {row.line}: more active parameters than parameters"
        raise FactorDataError(msg)
    return found


def _key(name: str) -> str:
    """Give a name without case, vendor, blanks and signs."""
    bare = re.sub(r"^(nvidia|amd|google|intel|tesla|instinct)\s+", "", name.strip().lower())
    return re.sub(r"[^a-z0-9]", "", bare)

"""What a user asks a forecast for: one flat set of fields, the same from flags, TOML and CSV.

What belongs here: the fields and their reading. What must not be here: files, and what is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from models.prediction.architecture import Architecture, Experts
from models.prediction.inputs import BOUNDS, InputError, checked, count
from models.prediction.llmcarbon import LlmcarbonRow
from models.prediction.tables import PRECISION_NAMES, PRECISIONS

PUBLISHED = "published"
"""Value of ``experimentation_share`` that asks for the range of published shares."""
MEDIA = frozenset({"ssd", "hdd"})
MODEL = "the model"


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run as its owner states it; None and empty texts are not stated, and never silently filled.

    Counts are of parameters, tokens, devices, requests; powers in W; ``gco2e_per_kwh`` location-based; ``days`` wall
    time. ``experimentation_share`` is energy of all other runs over that of this one, or ``published``.
    ``trials_n`` runs of ``trial_tokens_n`` tokens on ``trial_parameters_n`` parameters are stated experiments.
    """

    name: str = MODEL
    parameters_n: float | None = None
    active_parameters_n: float | None = None
    tokens_n: float | None = None
    device: str = ""
    devices_n: float | None = None
    days: float | None = None
    precision: str = "16bit"
    recompute: str = "none"
    sequence_length_n: float | None = None
    utilisation_fraction: float | None = None
    device_power_w: float | None = None
    peak_tflops: float | None = None
    pue: float | None = None
    gco2e_per_kwh: float | None = None
    zone: str = ""
    region: str = ""
    year: float | None = None
    fine_tuning_tokens_n: float | None = None
    fine_tuning_frozen: bool = False
    experimentation_share: float | str | None = None
    trials_n: float | None = None
    trial_parameters_n: float | None = None
    trial_tokens_n: float | None = None
    requests_per_day_n: float | None = None
    input_tokens_n: float | None = None
    output_tokens_n: float | None = None
    batch_n: float | None = None
    weight_bytes: float | None = None
    serving_devices_n: float | None = None
    inference_days: float | None = None
    storage_tb: float | None = None
    storage_days: float | None = None
    storage_media: str = ""
    data_processing_kwh: float | None = None
    shape: Architecture | None = None


COUNTS = frozenset(
    {
        "parameters_n", "active_parameters_n", "tokens_n", "devices_n", "fine_tuning_tokens_n", "trials_n",
        "trial_parameters_n", "trial_tokens_n", "requests_per_day_n", "input_tokens_n", "output_tokens_n", "batch_n",
        "serving_devices_n", "sequence_length_n",
    }
)  # fmt: skip
"""Fields that may be written with a suffix, such as 7B."""
TEXTS = frozenset({"name", "device", "precision", "recompute", "zone", "region", "storage_media"})
FLAGS = frozenset({"fine_tuning_frozen"})
BOUND_OF = {
    "fine_tuning_tokens_n": "tokens_n",
    "trial_tokens_n": "tokens_n",
    "trial_parameters_n": "parameters_n",
    "trials_n": "devices_n",
    "serving_devices_n": "devices_n",
    "inference_days": "days",
    "storage_days": "days",
    "data_processing_kwh": "energy_kwh",
}
"""Bounds of fields that share those of another."""
RANGES = {"year": (1990.0, 2100.0), "peak_tflops": (0.01, 1e6)}
"""Bounds of fields without a unit of ``inputs.BOUNDS``."""


def plan(values: Mapping[str, Any], where: str = "the plan") -> RunPlan:
    """Give a plan from named values, as TOML, CSV or flags hold them.

    Args:
        values: by field; texts may carry suffixes such as ``7B``; empty texts and None are not stated.
        where: what to name in an error.

    Raises:
        InputError: if a field is not known or its value cannot be.
    """
    known = {field.name for field in fields(RunPlan)}
    stray = sorted(set(values) - known)
    if stray:
        msg = f"{where}: the field {stray[0]!r} is not known; known: {', '.join(sorted(known))}"
        raise InputError(msg)
    stated = {name: value for name, value in values.items() if value not in (None, "")}
    read = {name: _value(name, value) for name, value in stated.items()}
    if "precision" in read:
        read["precision"] = _precision(read["precision"])
    if "storage_media" in read and read["storage_media"] not in MEDIA:
        msg = f"storage_media must be ssd or hdd, not {read['storage_media']!r}"
        raise InputError(msg)
    return RunPlan(**read)


def from_llmcarbon(row: LlmcarbonRow) -> RunPlan:
    """Give the plan of a row of LLMCarbon's table, without its own efficiency, power, days and results."""
    return RunPlan(
        name=row.name,
        parameters_n=row.parameters_b * 1e9,
        active_parameters_n=row.active_parameters_b * 1e9,
        tokens_n=row.tokens_b * 1e9,
        device=row.device,
        devices_n=row.devices_n,
        pue=row.pue,
        gco2e_per_kwh=row.kgco2e_per_kwh * 1e3,
    )


def _value(name: str, value: Any) -> Any:  # noqa: ANN401 - TOML, CSV and flags hold values of any type
    """Give the value of one field, checked."""
    if name == "shape":
        return _shape(value)
    if name in TEXTS:
        return str(value).strip()
    if name in FLAGS:
        return _flag(name, value)
    if name == "experimentation_share" and str(value).strip() == PUBLISHED:
        return PUBLISHED
    bound = BOUND_OF.get(name, name)
    if name in COUNTS:
        return count(str(value), bound, name)
    try:
        number = value if isinstance(value, (bool, int, float)) else float(str(value))
    except ValueError as error:
        msg = f"{name} must be a number, not {value!r}"
        raise InputError(msg) from error
    if name in RANGES:
        low, high = RANGES[name]
        if isinstance(number, bool) or not low <= number <= high:
            msg = f"{name} = {number:g} is outside [{low:g}, {high:g}]"
            raise InputError(msg)
        return float(number)
    assert bound in BOUNDS
    return checked(bound, number, name)


def _flag(name: str, value: object) -> bool:
    """Give a truth value of a boolean or of the texts true and false."""
    shown = str(value).strip().lower()
    if shown not in {"true", "false"}:
        msg = f"{name} must be true or false, not {value!r}"
        raise InputError(msg)
    return shown == "true"


def _precision(name: str) -> str:
    """Give our name of a number format."""
    found = PRECISION_NAMES.get(name.lower(), name.lower())
    if found not in PRECISIONS:
        msg = f"precision = {name!r} is not known; known: {', '.join([*PRECISIONS, *PRECISION_NAMES])}"
        raise InputError(msg)
    return found


def _shape(value: object) -> Architecture:
    """Give the architecture of a table of its fields."""
    if isinstance(value, Architecture):
        return value
    if not isinstance(value, Mapping):
        msg = f"shape must be a table of the architecture's fields, not {value!r}"
        raise InputError(msg)
    given: dict[str, Any] = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
    try:
        if isinstance(given.get("experts"), Mapping):
            given["experts"] = Experts(**given["experts"])
        return Architecture(**given)
    except TypeError as error:
        known = ", ".join(field.name for field in fields(Architecture))
        msg = f"shape: {str(error).partition('() ')[2] or error}; its fields are {known}"
        raise InputError(msg) from error

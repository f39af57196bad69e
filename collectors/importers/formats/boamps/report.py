"""A BoAmps report: what its fields mean, in the ledger's words.

What belongs here: fields of the BoAmps data model (https://github.com/Boavizta/BoAmps/tree/main/model), their units and
closed sets. What must not be here: landing rows, files.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from ....contract import MAX_TIME_MS, MIN_TIME_MS
from ...errors import MISSING_VALUE, OUT_OF_RANGE, UNPARSEABLE_NUMBER, RefusedError
from ...moments import moment_ms

CODECARBON = "codecarbon"
REPORT_END = "report-end"
PARAMETERS_PER_UNIT = 1e9
"""``parametersNumber`` counts in billions."""
MOST_PARAMETERS = 1e5
"""Billions of parameters above which the number is no number of billions: 100 trillion."""
MS_PER_S = 1_000
_MOST_KWH = 1e9
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PHASES = {
    "datacreation": "data_processing",
    "preprocessing": "data_processing",
    "training": "training",
    "retraining": "training",
    "finetuning": "fine_tuning",
    "evaluation": "evaluation",
    "inference": "inference",
}
_PROVIDERS = {"google": "gcp", "amazon": "aws", "microsoft": "azure"}
# Percentage errors that the data model gives the three words.
_ERROR_FRACTION = {"high": 0.10, "medium": 0.25, "low": 0.50}


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a report.

    Attributes:
        method: measuring tool.
        version: its version, or ``None``.
        start_ms: start of its interval [epoch ms].
        end_ms: its end [epoch ms].
        energy_kwh: energy that it states [kWh].
        labels: what else it says.
    """

    method: str
    version: str | None
    start_ms: int
    end_ms: int
    energy_kwh: float
    labels: Mapping[str, str]

    @property
    def is_meter(self) -> bool:
        """Tell whether an instrument measured the machine, not a program parts of it."""
        return "wattmeter" in self.method.lower()

    def overlaps(self, other: Measure) -> bool:
        """Tell whether two measures have time in common."""
        return self.start_ms < other.end_ms and other.start_ms < self.end_ms


@dataclass(frozen=True, slots=True)
class Report:
    """One report.

    Attributes:
        fields: the report as it was read.
    """

    fields: Mapping[str, Any]

    def part(self, *path: str) -> Any:  # noqa: ANN401 - JSON
        """Return a field, ``None`` if it or what contains it is missing or empty."""
        value: Any = self.fields
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return None if value in ("", [], {}) else value

    def text(self, *path: str) -> str | None:
        """Return a field as text."""
        value = self.part(*path)
        return str(value) if isinstance(value, (str, int, float)) else None

    def number(self, *path: str) -> float | None:
        """Return a field as a finite number, ``None`` if it is none."""
        return number_of(self.part(*path))

    def items(self, *path: str) -> list[Mapping[str, Any]]:
        """Return the objects of a list."""
        value = self.part(*path)
        return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []

    @property
    def is_from_codecarbon(self) -> bool:
        """Tell whether the report speaks of a run of CodeCarbon, whose id it then has."""
        methods = {str(item.get("measurementMethod", "")).lower() for item in self.items("measures")}
        return methods == {CODECARBON} and bool(_UUID.fullmatch(self.text("header", "reportId") or ""))

    @property
    def job_id(self) -> str:
        """Return the job: that of CodeCarbon's run, else one named after the report or, without an id, its content."""
        report_id = self.text("header", "reportId")
        if report_id is None:
            content = json.dumps(self.fields, sort_keys=True).encode()
            return f"boamps-{hashlib.sha256(content).hexdigest()[:16]}"
        return f"{CODECARBON}-{report_id.lower()}" if self.is_from_codecarbon else f"boamps-{report_id}"

    @property
    def phase(self) -> str | None:
        """Return the life-cycle phase; ``None`` where the stage is none that the data model names, or several."""
        stage = re.sub(r"[^a-z+]", "", (self.text("task", "taskStage") or "").lower())
        phases = {_PHASES.get(part) for part in stage.split("+")}
        return phases.pop() if len(phases) == 1 else None

    @property
    def model(self) -> str | None:
        """Return the foundation model, else the algorithm, if the report names one only."""
        names = [
            item.get("foundationModelName") or item.get("algorithmName") for item in self.items("task", "algorithms")
        ]
        return str(names[0]) if len(names) == 1 and names[0] else None

    @property
    def parameters_n(self) -> int | None:
        """Return the number of parameters [1]; ``None`` where it is missing, or no number of billions."""
        items = self.items("task", "algorithms")
        billions = number_of(items[0].get("parametersNumber")) if len(items) == 1 else None
        if billions is None or not 0 < billions <= MOST_PARAMETERS:
            return None
        return round(billions * PARAMETERS_PER_UNIT)

    @property
    def provider(self) -> str | None:
        """Return the cloud provider in the ledger's words."""
        name = self.text("infrastructure", "cloudProvider")
        return _PROVIDERS.get(name.lower(), name.lower()) if name else None

    @property
    def error_fraction(self) -> float | None:
        """Return the error that the report states of its figures, as a fraction of them."""
        return _ERROR_FRACTION.get((self.text("quality") or "").lower())

    def tokens_n(self, usage: str) -> int | None:
        """Return the tokens of all requests: the mean tokens of one, as the data model has it, times the requests [1].

        Args:
            usage: ``input`` or ``output``.
        """
        requests = self.number("task", "nbRequest")
        amounts = [
            number_of(item.get("dataQuantity"))
            for item in self.items("task", "dataset")
            if item.get("dataUsage") == usage and item.get("dataType") == "token"
        ]
        known = [amount for amount in amounts if amount is not None]
        return round(requests * sum(known)) if requests and known and len(known) == len(amounts) else None

    def measures(self, zone: tzinfo, without_time: str) -> Iterator[Measure | RefusedError]:
        """Yield the measures, and in place of one that cannot be used what is wrong with it.

        Args:
            zone: zone of its times.
            without_time: ``report-end`` to take the date of the report as the end of a measure that states no time.
        """
        for number, fields in enumerate(self.items("measures"), 1):
            try:
                yield self._measure(fields, zone, without_time)
            except RefusedError as error:
                yield RefusedError(error.reason, f"measure {number}: {error}")

    def _measure(self, fields: Mapping[str, Any], zone: tzinfo, without_time: str) -> Measure:
        method = str(fields.get("measurementMethod") or "unknown")
        energy_kwh = _needed(fields, "powerConsumption", "kWh", _MOST_KWH)
        length_ms = max(round(_needed(fields, "measurementDuration", "s", _MOST_KWH) * MS_PER_S), 1)
        begun, reported = fields.get("measurementDateTime"), self.text("header", "reportDatetime")
        if begun:
            stamp_ms, is_end = moment_ms(str(begun), zone), method.lower() == CODECARBON and str(begun) == reported
        elif reported and without_time == REPORT_END:
            stamp_ms, is_end = moment_ms(reported, zone), True
        else:
            msg = "states no measurementDateTime; --without-time report-end takes the date of the report as its end"
            raise RefusedError(MISSING_VALUE, msg)
        start_ms = stamp_ms - length_ms if is_end else stamp_ms
        if not MIN_TIME_MS <= start_ms <= start_ms + length_ms <= MAX_TIME_MS:
            raise RefusedError(OUT_OF_RANGE, "its interval is not between 2000 and 2100")
        kept = ("manufacturer", "cpuTrackingMode", "gpuTrackingMode", "powerCalibrationMeasurement")
        labels = {name: str(fields[name]) for name in kept if fields.get(name) not in (None, "")}
        version = str(fields["version"]) if fields.get("version") else None
        return Measure(method, version, start_ms, start_ms + length_ms, energy_kwh, labels)


def number_of(value: object) -> float | None:
    """Return a JSON value, or a text that holds a number, as a finite number; ``None`` if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _needed(fields: Mapping[str, Any], name: str, unit: str, most: float) -> float:
    value = fields.get(name)
    if value in (None, ""):
        raise RefusedError(MISSING_VALUE, f"states no {name}")
    number = number_of(value)
    if number is None:
        raise RefusedError(UNPARSEABLE_NUMBER, f"{name} {value!r} is no number")
    if not 0 <= number <= most:
        raise RefusedError(OUT_OF_RANGE, f"{name} is {number} {unit}; it must be between 0 and {most:g}")
    return number

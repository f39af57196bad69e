"""The two logs of a carbontracker run: records, and what each says.

What belongs here: lines, records and their numbers. What must not be here: landing rows.

The standard log holds the epochs (duration and mean power of each component), the output log what the user was shown
(actual and predicted consumption). Both stamp a record with local time in whole seconds; a record may run over several
lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_RECORD = re.compile(r"(\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})(?:[.,]\d+)? - (.*)", re.DOTALL)
_CLOCK = re.compile(r"(\d+):(\d{1,2}):(\d{1,2}(?:\.\d+)?)")
_VERSION = re.compile(r"carbontracker version (\S+)")
_PUE = re.compile(r"PUE coefficient of (\d+(?:\.\d+)?)")
_FOUND = "The following components were found:"
_COMPONENT = re.compile(r"(?:^|[.\s])\s*(GPU|CPU) with device\(s\) ")
_EPOCH = re.compile(r"Epoch (\d+):")
_DURATION = re.compile(r"Duration: (.+)")
_POWER = re.compile(r"Average power usage \(W\) for (\w+): (.+)", re.DOTALL)
_CONSUMPTION = re.compile(
    r"(Actual|Predicted) consumption(?: for (-?\d+) epoch\(s\))?:\s*"
    r"Time:\s*(\S+)\s*Energy:\s*(\S+) kWh\s*CO2eq:\s*(\S+) g\b",
    re.DOTALL,
)
_INTENSITY = re.compile(
    r"Average carbon intensity during training was (\S+) gCO2(?:eq)?/kWh(?: at detected location: (.+?))?\.?\s*$",
    re.DOTALL,
)


class Record(NamedTuple):
    """One record of a log.

    Attributes:
        line: number of its first line, from 1.
        stamp: local time as written.
        text: what it says, all its lines.
    """

    line: int
    stamp: str
    text: str


@dataclass(slots=True)
class Epoch:
    """One epoch.

    Attributes:
        line: line on which it is reported.
        stamp: local time at its end, as written.
        number: number of the epoch.
        duration_s: its length [s]; ``None`` where it cannot be read.
        power_w: component -> mean power [W]: one number a device, or a single number where the log averages over the
            devices; ``None`` where nothing was measured.
        is_mean_of_devices: components of which the single number is the mean over their devices.
    """

    line: int
    stamp: str
    number: int
    duration_s: float | None = None
    power_w: dict[str, list[float] | None] = field(default_factory=dict)
    is_mean_of_devices: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Section:
    """What a standard log says about one run.

    Attributes:
        version: version of carbontracker, or ``None``.
        pue: overhead in the consumption that it states, or ``None``.
        devices: component (``gpu``, ``cpu``) -> names of its devices.
        epochs: epochs in the order in which they ended.
        intensity: mean carbon intensity that it states [gCO2e/kWh], or ``None``.
        location: place that it detected by its network address, or ``None``.
    """

    version: str | None = None
    pue: float | None = None
    devices: dict[str, list[str]] = field(default_factory=dict)
    epochs: list[Epoch] = field(default_factory=list)
    intensity: float | None = None
    location: str | None = None


class Consumption(NamedTuple):
    """Consumption that an output log states.

    Attributes:
        line: line of the record.
        stamp: local time at which it was told.
        is_prediction: whether it is predicted.
        epochs_n: number of epochs that it covers, or ``None``.
        duration_s: sum of their durations [s].
        energy_kwh: energy, overhead included [kWh].
        emissions_g: emissions [gCO2e]; ``None`` where the log states no number.
    """

    line: int
    stamp: str
    is_prediction: bool
    epochs_n: int | None
    duration_s: float
    energy_kwh: float
    emissions_g: float | None


def records(lines: Iterable[str]) -> Iterator[Record]:
    """Yield the records of a log; a line without a stamp belongs to the record before it."""
    held: Record | None = None
    for number, line in enumerate(lines, 1):
        if match := _RECORD.match(line):
            if held is not None:
                yield held
            held = Record(number, match[1], match[2])
        elif held is not None:
            held = held._replace(text=f"{held.text}\n{line}")
    if held is not None:
        yield held


def sections(lines: Iterable[str]) -> Iterator[Section]:
    """Yield the runs of a standard log: one, or more where several runs wrote into one file.

    A power that is reported without its epoch is passed over: there is no interval for it.
    """
    section = Section()
    for record in records(lines):
        text = record.text
        if match := _VERSION.search(text):
            if section.version is not None or section.epochs:
                yield section
                section = Section()
            section.version = match[1]
        elif match := _PUE.search(text):
            section.pue = float(match[1])
        elif _FOUND in text:
            section.devices = _devices(text.partition(_FOUND)[2])
        elif match := _EPOCH.match(text):
            section.epochs.append(Epoch(record.line, record.stamp, int(match[1])))
        elif match := _INTENSITY.match(text):
            section.intensity, section.location = _number(match[1]), match[2]
        elif section.epochs:
            _complete(section.epochs[-1], text)
    yield section


def consumptions(lines: Iterable[str]) -> Iterator[Consumption]:
    """Yield what an output log states, in its order; a statement that is cut off is passed over."""
    for record in records(lines):
        match = _CONSUMPTION.search(record.text)
        if match is None:
            continue
        duration_s, energy_kwh = seconds_of(match[3]), _number(match[4])
        if duration_s is not None and energy_kwh is not None:
            epochs_n = int(match[2]) if match[2] else None
            yield Consumption(
                record.line,
                record.stamp,
                match[1] == "Predicted",
                epochs_n,
                duration_s,
                energy_kwh,
                _number(match[5]),
            )


def seconds_of(text: str) -> float | None:
    """Return a time written as ``hours:minutes:seconds`` [s], ``None`` if it is none."""
    match = _CLOCK.fullmatch(text.strip())
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]) if match else None


def _complete(epoch: Epoch, text: str) -> None:
    if match := _DURATION.match(text):
        epoch.duration_s = seconds_of(match[1])
    elif match := _POWER.match(text):
        component, value = match[1].lower(), match[2].strip()
        powers = [_number(part) for part in value.strip("[]").split()]
        known = [power for power in powers if power is not None]
        epoch.power_w[component] = known if known and len(known) == len(powers) else None
        if known and not value.startswith("["):
            epoch.is_mean_of_devices.add(component)


def _devices(text: str) -> dict[str, list[str]]:
    """Return the device names by component; names may hold dots and blanks."""
    parts = _COMPONENT.split(text)
    return {
        component.lower(): [name.strip() for name in names.strip().removesuffix(".").split(",")]
        for component, names in zip(parts[1::2], parts[2::2], strict=True)
    }


def _number(text: str) -> float | None:
    """Return a finite number that is not negative, ``None`` if the text is none (``None``, ``nan``)."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None

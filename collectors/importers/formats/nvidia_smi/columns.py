"""Header and cells of an ``nvidia-smi`` log: which column is which, and what a cell says.

What belongs here: names, units and markers of ``nvidia-smi --query-gpu``. What must not be here: files, devices, rows
of the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ....contract import MAX_POWER_MW
from ...errors import NON_POSITIVE_POWER, OUT_OF_RANGE, UNPARSEABLE_NUMBER, SourceError

POWER_SOURCES = {
    "power.draw": "nvml_power",
    "power.draw.average": "nvml_power_average",
    "power.draw.instant": "nvml_power_instant",
}
"""Columns that state the power of the board, the one that is taken by default first, and what lands as their source."""
POWER_COLUMNS = tuple(POWER_SOURCES)
ID_COLUMNS = ("uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "index")
"""Columns that tell which GPU a row is of, the most stable first; the tool knows some by two names."""
_TIME = "timestamp"
_UTILISATION = "utilization.gpu"
_HEADER = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_.]*)\s*(?:\[([^\]]*)\])?\s*$")
_MARKER = re.compile(r"^\[(.*)\]$|^(N/A|ERR!)$")
# Markers in place of a value, and the contract's reason for the gap. Seen in logs of drivers 450 to 580.
_REASONS = {
    "n/a": "not_supported",
    "not supported": "not_supported",
    "not found": "not_supported",
    "function not found": "not_supported",
    "requested functionality has been deprecated": "not_supported",
    "gpu is lost": "driver_lost",
    "gpu requires reset": "driver_lost",
    "gpu requires restart": "driver_lost",
    "reset required": "driver_lost",
    "insufficient permissions": "permission_denied",
}
_ANY_OTHER = "read_failed"
_MW_PER_W = 1_000
_MOST_PERCENT = 100


class Columns(NamedTuple):
    """Where the fields stand in a row.

    Attributes:
        cells_n: cells of a row.
        time: place of the time.
        power: place of the power.
        utilisation: place of the utilisation, or ``None``.
        ids: places of the columns that tell which GPU, the most stable first, with their names.
        names: all column names, for what else is read.
        power_name: name of the power column.
        comma: what separates cells.
    """

    cells_n: int
    time: int
    power: int
    utilisation: int | None
    ids: tuple[tuple[str, int], ...]
    names: tuple[str, ...]
    power_name: str
    comma: str


class Power(NamedTuple):
    """What a power cell says: one of the three.

    Attributes:
        power_mw: power [mW].
        gap_reason: why there is none.
        refusal: reason and detail for refusing the row.
    """

    power_mw: int | None = None
    gap_reason: str | None = None
    refusal: tuple[str, str] | None = None


def names_of(line: str) -> tuple[tuple[str, str | None], ...] | None:
    """Return the names and units of a header line, ``None`` if the line is none."""
    found = [_HEADER.match(cell) for cell in line.split(",")]
    if len(found) < 2 or not all(found):  # a log needs a time and a value
        return None
    names = tuple((match[1], match[2]) for match in found if match)
    # A row of markers such as "[N/A], [N/A]" has no name before the brackets, so it never comes here.
    return names if any(name == _TIME or name in POWER_COLUMNS for name, _ in names) else None


def columns_of(names: Sequence[tuple[str, str | None]], comma: str, wanted: str | None, log: str) -> Columns:
    """Return where the fields stand.

    Args:
        names: names and units of the header.
        comma: what separates cells.
        wanted: power column that was asked for, or ``None``.
        log: name under which the log is told.

    Raises:
        SourceError: if the header lacks the time or the power, or its unit is not W.
    """
    places = {name: at for at, (name, _) in enumerate(names)}
    if _TIME not in places:
        raise SourceError(log, "has no column timestamp; log with --query-gpu=timestamp,uuid,power.draw")
    power = next((name for name in ((wanted,) if wanted else POWER_COLUMNS) if name in places), None)
    if power is None:
        msg = f"has no column {wanted or 'power.draw'}; it has {', '.join(name for name, _ in names)}"
        raise SourceError(log, msg)
    unit = names[places[power]][1]
    if unit not in (None, "W"):
        msg = f"states {power} in {unit!r}, not in W"
        raise SourceError(log, msg)
    return Columns(
        len(names),
        places[_TIME],
        places[power],
        places.get(_UTILISATION),
        tuple((name, places[name]) for name in ID_COLUMNS if name in places),
        tuple(name for name, _ in names),
        power,
        comma,
    )


def is_marker(cell: str) -> bool:
    """Return whether a cell holds a marker such as ``[N/A]`` in place of a value."""
    return _MARKER.match(cell.strip()) is not None


def power_of(cell: str) -> Power:
    """Return what a power cell says.

    Args:
        cell: a number of watts, with or without ``W`` behind it, or a marker.
    """
    text = cell.strip()
    if match := _MARKER.match(text):
        return Power(gap_reason=_REASONS.get((match[1] or match[2]).strip().lower(), _ANY_OTHER))
    try:
        power_mw = round(float(text.removesuffix("W")) * _MW_PER_W)
    except (ValueError, OverflowError):
        return Power(refusal=(UNPARSEABLE_NUMBER, f"{text!r} is no power"))
    if power_mw < 0:
        return Power(refusal=(NON_POSITIVE_POWER, f"{text} W; no GPU draws less than 0"))
    if power_mw > MAX_POWER_MW:
        return Power(refusal=(OUT_OF_RANGE, f"{text} W is more than any device draws"))
    return Power(power_mw)


def percent_of(cell: str) -> int | None:
    """Return a utilisation [%], ``None`` where none is stated; only the power of a row is needed."""
    text = cell.strip().removesuffix("%").strip()
    return int(text) if text.isdecimal() and int(text) <= _MOST_PERCENT else None


def shape_of(cell: str) -> str:
    """Return the form of a cell: its digits before the point do not count, those behind it do."""
    whole, point, rest = cell.strip().partition(".")
    return re.sub(r"\d+", "0", whole) + point + re.sub(r"\d", "0", rest)

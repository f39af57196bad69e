"""Rows of the CSV files of CodeCarbon: what one line says by itself.

What belongs here: header, cells, numbers and times of one line, of ``emissions.csv`` and of a tasks file. What must not
be here: anything that needs a second line. A file may be cut at any line and come in parts.
"""

from __future__ import annotations

import csv
import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import NamedTuple

from ....contract import MAX_TIME_MS, MIN_TIME_MS
from ...energy import MJ_PER_KWH
from ...errors import OUT_OF_RANGE, TORN_ROW, RefusedError, RejectedRow, SourceError
from ...format import LeftOut, Source, rejected
from ...moments import MomentError, moment_ms

REQUIRED = (
    "timestamp",
    "run_id",
    "duration",
    "emissions",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "energy_consumed",
)
"""Columns without which a file is none of CodeCarbon's, or older than its 29-column form."""
TASK = "task_name"
"""Column that a tasks file has and ``emissions.csv`` has not."""
_NUMBERS = REQUIRED[2:]
_KEPT = frozenset(
    {
        *REQUIRED,
        TASK,
        *("project_name", "experiment_id", "tracking_mode", "codecarbon_version", "os", "pue", "water_consumed"),
        *("cpu_model", "cpu_count", "gpu_model", "gpu_count", "ram_total_size", "emissions_rate"),
        *("country_iso_code", "region", "longitude", "latitude", "on_cloud", "cloud_provider", "cloud_region"),
    }
)
"""Columns that are held until the end of an import; each text is held once."""
_RUN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_SHOWN_TEXT = 2_000
_MAX_NUMBER = 1e9
"""Largest duration [s] and energy [kWh] that is taken: 32 years, and what still fits into a counter of millijoules."""

MS_PER_S = 1_000
J_PER_KWH = 3_600_000.0
_MEAN_POWER_SINCE = (3, 2)
"""First version whose powers are means over the run (CodeCarbon 3.2.0, November 2025); earlier ones state the last."""
_TASKS_FACTOR = 3.0
"""Energy over mean power, in durations, from which a duration cannot be that of the run.

A mean over two readings of which one is zero gives 2, over three of which two are zero 3; the duration of the last of
many tasks gives their number.
"""


class NotCodeCarbonError(SourceError):
    """A file that is none of CodeCarbon's."""


class EnergyMJ(NamedTuple):
    """Energy of the parts of a machine, overhead taken out [mJ].

    Attributes:
        cpu: all processors.
        gpu: all GPUs.
        dram: memory.
    """

    cpu: int
    gpu: int
    dram: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a file.

    Attributes:
        file: file, as it is told.
        number: number of the line, from 1, headers not counted.
        cells: its cells by column, blanks around them taken away, as far as they are needed.
        start_ms: start of the interval, a whole second at or before the true start [epoch ms].
        end_ms: an instant in the second in which the line was written [epoch ms].
        duration_s: duration as written [s].
        emissions_kg: emissions as written [kgCO2e].
        energy_kwh: energy as written, overhead included [kWh].
        energy_mj: energy by part, overhead taken out.
        pue: overhead that was taken out.
        is_stretched: whether ``start_ms`` comes from energy and mean power, because the duration is that of a task.
    """

    file: str
    number: int
    cells: Mapping[str, str]
    start_ms: int
    end_ms: int
    duration_s: float
    emissions_kg: float
    energy_kwh: float
    energy_mj: EnergyMJ
    pue: float
    is_stretched: bool

    @property
    def run_id(self) -> str:
        """Return the run that the line speaks of."""
        return self.cells["run_id"].lower()

    @property
    def task(self) -> str | None:
        """Return the task that the line speaks of; ``None`` where it speaks of a run."""
        return self.cells.get(TASK)

    def text(self, column: str) -> str | None:
        """Return a cell, ``None`` if it is empty or the file has no such column."""
        return self.cells.get(column) or None

    def number_of(self, column: str) -> float | None:
        """Return a cell as a number, ``None`` if it is none."""
        try:
            value = float(self.cells.get(column, ""))
        except ValueError:
            return None
        return value if math.isfinite(value) else None


def rows_of(source: Source, path: Path, zone: tzinfo) -> Iterator[Row | RejectedRow | LeftOut]:
    """Yield what each line of a file is: a row, a refused row, or a header that is repeated.

    Args:
        source: the import.
        path: one of its files.
        zone: zone of the times in the file.

    Raises:
        NotCodeCarbonError: if the first line is no header of CodeCarbon's.
        SourceError: if the file cannot be read.
    """
    shown, header, number = source.shown(path), None, 0
    for line in source.lines(path):
        # Each line by itself: a stray quote must not swallow the lines after it.
        cells = [cell.strip() for cell in next(csv.reader([line]), [])] if len(line) <= csv.field_size_limit() else []
        if set(REQUIRED) <= set(cells):
            if header is not None:
                yield LeftOut(1)
            header = cells
        elif header is None:
            missing = ", ".join(column for column in REQUIRED if column not in cells)
            raise NotCodeCarbonError(shown, f"is no emissions or tasks file of CodeCarbon: its header lacks {missing}")
        elif line.strip():
            number += 1
            yield _row(shown, number, line, header, cells, zone)
    if header is None:
        raise NotCodeCarbonError(shown, "is empty")


def _row(shown: str, number: int, line: str, header: list[str], values: list[str], zone: tzinfo) -> Row | RejectedRow:
    table = "stated_figure" if TASK in header else "power_sample"
    try:
        if len(values) != len(header):
            raise RefusedError(TORN_ROW, f"has {len(values)} cells where the header has {len(header)}")
        return _parsed(shown, number, dict(zip(header, values, strict=True)), zone)
    except MomentError as error:
        return rejected(table, error.reason, f"timestamp {error}", shown, number, {"text": line[:_SHOWN_TEXT]})
    except RefusedError as error:
        return rejected(table, error.reason, str(error), shown, number, {"text": line[:_SHOWN_TEXT]})


def _parsed(shown: str, number: int, cells: dict[str, str], zone: tzinfo) -> Row:
    if not _RUN_ID.fullmatch(cells["run_id"]):
        raise RefusedError(TORN_ROW, f"run_id {cells['run_id']!r} is no UUID: a fragment of a line")
    # Never empty where it exists, and near the end: empty in a line that was cut off and filled up with commas.
    if cells.get("on_cloud", "N") not in ("Y", "N"):
        raise RefusedError(TORN_ROW, f"on_cloud {cells['on_cloud']!r} is neither Y nor N: a fragment of a line")
    values = {column: _number(column, cells[column]) for column in _NUMBERS}
    pue = _number("pue", cells["pue"]) if cells.get("pue") else 1.0
    if pue <= 0:
        raise RefusedError(OUT_OF_RANGE, f"pue is {pue}; it must be above 0")
    length_s, is_stretched = _length_s(cells, values)
    end_ms = moment_ms(cells["timestamp"], zone) // MS_PER_S * MS_PER_S + _ms(values["duration"]) % MS_PER_S
    start_ms = (end_ms - _ms(length_s)) // MS_PER_S * MS_PER_S - MS_PER_S
    if not MIN_TIME_MS <= start_ms <= end_ms <= MAX_TIME_MS:
        raise RefusedError(
            OUT_OF_RANGE, f"{cells['timestamp']} and {length_s:.0f} s before it are outside 2000 to 2100"
        )
    energy = EnergyMJ(*(round(values[part] * MJ_PER_KWH / pue) for part in ("cpu_energy", "gpu_energy", "ram_energy")))
    return Row(
        shown,
        number,
        {name: sys.intern(value) for name, value in cells.items() if name in _KEPT},
        start_ms,
        end_ms,
        values["duration"],
        values["emissions"],
        values["energy_consumed"],
        energy,
        pue,
        is_stretched,
    )


def _number(column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise RefusedError(TORN_ROW, f"{column} {text!r} is no number: a fragment of a line") from None
    if not 0 <= value <= _MAX_NUMBER:
        raise RefusedError(OUT_OF_RANGE, f"{column} is {text}; it must be between 0 and {_MAX_NUMBER:g}")
    return value


def _ms(seconds: float) -> int:
    return round(seconds * MS_PER_S)


def _length_s(cells: Mapping[str, str], values: Mapping[str, float]) -> tuple[float, bool]:
    """Return how long the row's interval is [s], and whether that had to be worked out from energy and power.

    A run made of tasks states the duration of its last task only. Where the powers are means over the run, energy
    over power is the time that was measured.
    """
    duration_s = values["duration"]
    version = re.match(r"(\d+)\.(\d+)", cells.get("codecarbon_version", ""))
    if TASK in cells or version is None or (int(version[1]), int(version[2])) < _MEAN_POWER_SINCE:
        return duration_s, False
    try:
        power_w = sum(float(cells.get(column) or 0) for column in ("cpu_power", "gpu_power", "ram_power"))
    except ValueError:
        return duration_s, False
    measured_s = values["energy_consumed"] * J_PER_KWH / power_w if power_w > 0 else 0.0
    if measured_s > _TASKS_FACTOR * duration_s and measured_s - duration_s > 1:
        return measured_s, True
    return duration_s, False

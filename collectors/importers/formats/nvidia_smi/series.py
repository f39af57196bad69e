"""Readings of GPUs as columns, and the energy of each GPU with the error of its sensor.

What belongs here: what is made of readings once they are read. What must not be here: cells and lines (``nvidia_smi``,
``columns``).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from ....contract import POWER_SAMPLE
from ...format import Item, Rows
from ...staging import Figure
from ..shared.integral import Integral, integrate
from ..shared.stated import UNKNOWN, Statement

SENSOR_ERROR_FRACTION = 0.05
"""Systematic error of the sensor of one board, both ways [fraction]: Yang, Adamek, Armour, arXiv:2312.02741 (2023),
over 70 boards. What a load adds whose period is near the sensor's own is not in it."""
NO_POWER = -1
"""Stands in a series where a row states a gap [mW]."""
_BATCH_ROWS = 100_000
_MS_PER_S = 1_000


@dataclass(slots=True)
class Gpu:
    """Readings of one GPU.

    Attributes:
        device: device id.
        facts: what the log says of the GPU, for example its name.
        times_ms: stamps in rising order [epoch ms].
        powers_mw: power at these stamps [mW], or ``NO_POWER``.
        late: power by stamp of the rows that are stamped before the one before them.
        last_ms: latest stamp [epoch ms].
    """

    device: str
    facts: Mapping[str, str] = field(default_factory=dict)
    times_ms: array[int] = field(default_factory=lambda: array("q"))
    powers_mw: array[int] = field(default_factory=lambda: array("q"))
    late: dict[int, int] = field(default_factory=dict)
    last_ms: int = -1

    def known(self, ts_ms: int) -> int | None:
        """Return the power that was read at a stamp [mW], ``None`` if there is none of it."""
        at = bisect_left(self.times_ms, ts_ms)
        if at < len(self.times_ms) and self.times_ms[at] == ts_ms:
            return self.powers_mw[at]
        return self.late.get(ts_ms)

    def add(self, ts_ms: int, power_mw: int) -> None:
        """Add a reading whose stamp is not known yet."""
        if ts_ms > self.last_ms:
            self.times_ms.append(ts_ms)
            self.powers_mw.append(power_mw)
            self.last_ms = ts_ms
        else:
            self.late[ts_ms] = power_mw

    def readings(self) -> list[tuple[int, int]]:
        """Return stamps [epoch ms] and powers [mW] in order of time, gaps left out."""
        pairs = list(zip(self.times_ms, self.powers_mw, strict=True))
        if self.late:
            pairs = sorted([*pairs, *self.late.items()])
        return [pair for pair in pairs if pair[1] != NO_POWER]


class Batch:
    """Rows that are held until they are worth a table."""

    def __init__(self, host: str) -> None:
        """Begin with none.

        Args:
            host: host of all rows.
        """
        self._host = host
        self._clear()

    def _clear(self) -> None:
        self._times: list[int] = []
        self._devices: list[str] = []
        self._powers: list[int | None] = []
        self._percents: list[int | None] = []
        self._gaps: list[str | None] = []
        self._sources: list[str] = []

    def add(
        self,
        ts_ms: int,
        device: str,
        power_mw: int | None,
        percent: int | None,
        gap_reason: str | None,
        source: str,
    ) -> bool:
        """Add a row; returns whether it is time to take the rows."""
        self._times.append(ts_ms)
        self._devices.append(device)
        self._powers.append(power_mw)
        self._percents.append(percent)
        self._gaps.append(gap_reason)
        self._sources.append(source)
        return len(self._times) >= _BATCH_ROWS

    def take(self) -> Iterator[Item]:
        """Yield the rows as one table, if there are any."""
        count = len(self._times)
        if not count:
            return
        columns: dict[str, pa.Array] = {
            "ts_ms": pa.array(self._times, pa.int64()),
            "device": pa.array(self._devices, pa.string()),
            "power_mw": pa.array(self._powers, pa.int64()),
            "util_percent": pa.array(self._percents, pa.uint8()),
            "gap_reason": pa.array(self._gaps, pa.string()),
            "source": pa.array(self._sources, pa.string()),
        }
        fixed = {
            "host": self._host,
            "kind": "gpu",
            "point": "board",
            "session": 0,
            "is_estimate": False,
        }
        schema = POWER_SAMPLE.arrow_schema()
        for item in schema:
            if item.name not in columns:
                columns[item.name] = pa.repeat(pa.scalar(fixed.get(item.name), item.type), count)
        yield Rows("power_sample", pa.table([columns[name] for name in schema.names], schema=schema), read=count)
        self._clear()


def energy_items(host: str, gpu: Gpu, column: str) -> Iterator[Item]:
    """Yield the energy of a GPU over its log, with the error of its sensor.

    Args:
        host: its host.
        gpu: its readings.
        column: column that they come from.
    """
    readings = gpu.readings()
    if len(readings) < 2:  # one reading has no length
        return
    start_ms, end_ms = readings[0][0], readings[-1][0]
    energy = integrate(readings, start_ms, end_ms)
    subject = f"{host} {gpu.device}"
    low_j, high_j = (energy.energy_j * (1 + sign * SENSOR_ERROR_FRACTION) for sign in (-1, 1))
    for method, value in (("integral", energy.energy_j), ("integral_low", low_j), ("integral_high", high_j)):
        yield Figure(subject, method, value, "J")
    yield Figure(subject, "integral_coverage", energy.covered_ms / (end_ms - start_ms), "fraction")
    yield Rows("stated_figure", [_stated(subject, gpu, column, (start_ms, end_ms), energy, (low_j, high_j))])


def _stated(
    subject: str, gpu: Gpu, column: str, span: tuple[int, int], energy: Integral, bounds: tuple[float, float]
) -> dict[str, object]:
    labels = {**gpu.facts, "column": column, "covered_s": f"{energy.covered_ms / _MS_PER_S:g}"}
    version = labels.pop("driver_version", UNKNOWN)
    statement = Statement("nvidia_smi", "trapezoid", "device", subject, *span, version, labels=labels)
    return statement.figure("energy", energy.energy_j, "J", low=bounds[0], high=bounds[1])

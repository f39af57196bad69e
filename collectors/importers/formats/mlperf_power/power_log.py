"""Power log of a node or switch in an MLPerf Training run, and MLPerf's own way of making energy of it.

What belongs here: the keys of this log and the official method. What must not be here: the run itself, rows of the
ledger.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

from ...errors import TORN_ROW, UNPARSEABLE_NUMBER, UNPARSEABLE_TIME, RejectedRow
from ...format import rejected
from ..shared.logfiles import LogFile
from .mllog import Record, Unread, epoch_ms, number, records

MS_PER_S = 1_000


@dataclass(slots=True)
class Channel:
    """What a power log says.

    Attributes:
        name: name of the log, for example ``node_0``.
        shown: name under which it is told.
        start_ms: stamp of ``power_measurement_start`` [epoch ms].
        stop_ms: stamp of ``power_measurement_stop`` [epoch ms].
        efficiency: ``conversion_eff``.
        constant_w: ``interconnect_power_est`` [W].
        point: ``ac`` or ``dc``, if it is said.
        readings: line, stamp [epoch ms] and power [W] in the order of the file.
        refused: lines that cannot be read.
    """

    name: str
    shown: str
    start_ms: int | None = None
    stop_ms: int | None = None
    efficiency: float = 1.0
    constant_w: float | None = None
    point: str | None = None
    readings: list[tuple[int, int, float]] = field(default_factory=list)
    refused: list[RejectedRow] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Kind of device."""
        return "switch" if self.name.startswith("sw") else "node"

    @property
    def is_constant(self) -> bool:
        """Whether there is an estimate in place of readings."""
        return self.constant_w is not None and not self.readings


def official_energy_j(channel: Channel, run_ms: int) -> float:
    """Return the energy of a channel over the run as MLPerf counts it.

    Every reading stands for the time since the one before it. Their mean over the measurement is stretched to the run.
    Where the measurement ends at or before its start, as stamps of some submitters do, it ends with the last reading.

    Args:
        channel: the power log; all its readings count, whatever their sign.
        run_ms: length of the run [ms].

    Returns:
        Energy [J]; 0 without a reading.

    Reference: mlcommons/logging, result_summarizer, ``_compute_power_node`` and ``_compute_power_sw``.
    """
    if channel.constant_w is not None:
        return channel.efficiency * channel.constant_w * run_ms / MS_PER_S
    readings = sorted((ts_ms, at) for at, (_, ts_ms, _) in enumerate(channel.readings))
    if not readings:
        return 0.0
    start_ms = channel.start_ms if channel.start_ms is not None else readings[0][0]
    last_ms = readings[-1][0]
    stop_ms = channel.stop_ms if channel.stop_ms is not None and channel.stop_ms > start_ms else last_ms
    inside = [(ts_ms, channel.readings[at][2]) for ts_ms, at in readings if start_ms <= ts_ms <= stop_ms]
    stamps = [start_ms, *(ts_ms for ts_ms, _ in inside)]
    lengths_ms = (after - before for before, after in itertools.pairwise(stamps))
    sum_wms = math.fsum(watts * length_ms for (_, watts), length_ms in zip(inside, lengths_ms, strict=True))
    return channel.efficiency * sum_wms * run_ms / (stop_ms - start_ms) / MS_PER_S if stop_ms > start_ms else 0.0


def read_channel(log: LogFile, shift_ms: int) -> Channel:
    """Return what a power log says.

    Args:
        log: the log.
        shift_ms: what to add to its stamps [ms].
    """
    channel = Channel(log.path.stem, log.shown)
    for record in records(log.lines()):
        if isinstance(record, Unread):
            channel.refused.append(_refusal(log, TORN_ROW, "is cut off", record.row, {"line": record.text[:200]}))
            continue
        at_ms, value = epoch_ms(record.time_ms), number(record.value)
        if said := record.metadata.get("measurement_type"):
            channel.point = str(said).lower()
        if record.key == "conversion_eff" and value is not None:
            channel.efficiency = value
        elif record.key == "interconnect_power_est" and value is not None:
            channel.constant_w = value
        elif record.key == "power_measurement_start" and at_ms is not None:
            channel.start_ms = at_ms + shift_ms
        elif record.key == "power_measurement_stop" and at_ms is not None:
            channel.stop_ms = at_ms + shift_ms
        elif record.key == "power_reading":
            _take_reading(channel, log, record, at_ms, value, shift_ms)
    return channel


def _take_reading(
    channel: Channel, log: LogFile, record: Record, at_ms: int | None, value: float | None, shift_ms: int
) -> None:
    shown = {"time_ms": record.time_ms, "value": record.value}
    if value is None:
        channel.refused.append(_refusal(log, UNPARSEABLE_NUMBER, f"{record.value!r} is no power", record.row, shown))
    elif at_ms is None:
        channel.refused.append(
            _refusal(log, UNPARSEABLE_TIME, f"{record.time_ms!r} is no time in epoch ms", record.row, shown)
        )
    else:
        channel.readings.append((record.row, at_ms + shift_ms, value))


def _refusal(log: LogFile, reason: str, detail: str, row: int, values: dict[str, Any]) -> RejectedRow:
    return rejected("power_sample", reason, detail, log.shown, row, values)

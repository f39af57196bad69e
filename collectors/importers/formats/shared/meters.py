"""Power readings of all devices of one import, each taken once.

What belongs here: what several logs of one device have in common: repeated readings, contradicting ones, and two
machines under one name. What must not be here: any log format.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Generator, Iterable
from typing import NamedTuple

from ...errors import CONFLICTING_ROW, SourceError
from ...format import Item, LeftOut, Rows, rejected

_LEAST_SHARED = 4
"""Readings at the same time from which two logs of one name are compared; fewer may be chance."""


class Meter(NamedTuple):
    """A device whose power is read; columns of ``power_sample``.

    Attributes:
        host: host name.
        device: device id.
        kind: kind of device.
        point: where it is measured.
        source: interface.
        is_estimate: whether its power is modelled.
    """

    host: str
    device: str
    kind: str
    point: str
    source: str
    is_estimate: bool = False


class Reading(NamedTuple):
    """One reading of a log.

    Attributes:
        row: number of its line, or ``None`` where it stands in no line.
        ts_ms: time [epoch ms].
        power_mw: power [mW].
    """

    row: int | None
    ts_ms: int
    power_mw: int


Series = list[tuple[int, int]]
"""Time [epoch ms] and power [mW], in order of time, each time once."""


class Meters:
    """All readings taken so far."""

    def __init__(self) -> None:
        """Begin with none."""
        self._known: dict[tuple[str, str], dict[int, int]] = {}
        self._logs: dict[tuple[str, str], list[tuple[str, Series]]] = {}

    def take(self, meter: Meter, log: str, readings: Iterable[Reading]) -> Generator[Item, None, Series]:
        """Yield the rows of a log that are new, and refuse those that contradict.

        Args:
            meter: device that the log speaks of.
            log: name under which the log is told.
            readings: its readings in any order.

        Returns:
            What the log says of the device, as far as it is taken.

        Raises:
            SourceError: if an earlier log of the same name has other readings at the same time.
        """
        readings = list(readings)
        key = meter.host, meter.device
        known = self._known.setdefault(key, {})
        self._refuse_another_machine(meter, log, readings)
        taken: dict[int, int] = {}
        fresh: list[Reading] = []
        repeated = 0
        for reading in readings:
            first_mw = known.get(reading.ts_ms)
            if first_mw is None:
                fresh.append(reading)
            elif first_mw == reading.power_mw:
                repeated += 1
            else:
                detail = f"a second reading of {meter.host} {meter.device} at {reading.ts_ms} ms; the first stays"
                values = {"ts_ms": reading.ts_ms, "power_mw": reading.power_mw, "first_power_mw": first_mw}
                yield rejected("power_sample", CONFLICTING_ROW, detail, log, reading.row, values)
            taken[reading.ts_ms] = known.setdefault(reading.ts_ms, reading.power_mw)
        if repeated and not meter.is_estimate:
            yield LeftOut(repeated)
        series = sorted(taken.items())
        self._logs.setdefault(key, []).append((log, series))
        if fresh:
            yield Rows("power_sample", [_row(meter, reading) for reading in fresh], read=_read_n(meter, fresh))
        return series

    def _refuse_another_machine(self, meter: Meter, log: str, readings: list[Reading]) -> None:
        """Two machines under one name would give a series that jumps between them; it must not land."""
        if not readings or meter.is_estimate:
            return
        first_ms, last_ms = min(r.ts_ms for r in readings), max(r.ts_ms for r in readings)
        for other, series in self._logs.get((meter.host, meter.device), ()):
            theirs = dict(series[bisect_left(series, (first_ms, -1)) : bisect_left(series, (last_ms + 1, -1))])
            if not theirs:
                continue
            ours = {r.ts_ms: r.power_mw for r in readings if series[0][0] <= r.ts_ms <= series[-1][0]}
            shared = sum(theirs.get(ts_ms) == power_mw for ts_ms, power_mw in ours.items())
            together = len(theirs.keys() | ours.keys())
            if together >= _LEAST_SHARED and 2 * shared < together:
                msg = (
                    f"and {other} both are of host {meter.host} at the same time and differ, so that they are of two "
                    "machines; give --host a pattern that tells them apart, for example {system}-{number}-{channel}"
                )
                raise SourceError(log, msg)


def _read_n(meter: Meter, fresh: list[Reading]) -> int:
    return 0 if meter.is_estimate else len(fresh)


def _row(meter: Meter, reading: Reading) -> dict[str, object]:
    return {
        "ts_ms": reading.ts_ms,
        "host": meter.host,
        "device": meter.device,
        "kind": meter.kind,
        "parent": None,
        "point": meter.point,
        "power_mw": reading.power_mw,
        "session": 0,
        "source": meter.source,
        "is_estimate": meter.is_estimate,
    }

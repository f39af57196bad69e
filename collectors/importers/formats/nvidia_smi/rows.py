"""Rows of ``nvidia-smi`` logs: the time, the GPU and the power of each, taken once.

What belongs here: one row after the other. What must not be here: files and headers (``nvidia_smi``), the meaning of
cells (``columns``), what is made of the readings (``series``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ....contract import MAX_TIME_MS, MIN_TIME_MS
from ...errors import CONFLICTING_ROW, MISSING_VALUE, UNPARSEABLE_TIME
from ...format import Finding, Item, LeftOut, Options, rejected
from ...moments import MomentError, moment_ms, zone_of
from .columns import POWER_SOURCES, Columns, Power, is_marker, percent_of, power_of
from .series import NO_POWER, Batch, Gpu, energy_items

_STAMP = "%Y/%m/%d %H:%M:%S.%f"
_MINUTE_LENGTH = 16
_SECOND = re.compile(r"^:[0-5]\d\.\d{3}$")
_MS_PER_S = 1_000
_MS_PER_MINUTE = 60_000
_UNNAMED = "", ""
_FACTS = {"name": "gpu", "gpu_name": "gpu", "driver_version": "driver_version", "mig.mode.current": "mig"}
_PREFIXES = {"pci.bus_id": "gpu-", "gpu_bus_id": "gpu-", "index": "gpu-index-"}
"""What makes a device id of a value that is none; a UUID is one."""


class Line(NamedTuple):
    """A line with where it stands.

    Attributes:
        shown: name under which the file is told.
        number: its number, from 1.
        text: the line.
        is_last: whether it is the last one of the file.
    """

    shown: str
    number: int
    text: str
    is_last: bool


class SmiRows:
    """Rows of all files, one after the other.

    Attributes:
        unnamed: device of rows that name none.
        last_ms: stamp of the last row that was read [epoch ms].
    """

    def __init__(self, options: Options) -> None:
        """Begin with none.

        Args:
            options: options of the import.
        """
        self.unnamed = options.get("device", "gpu-0")
        self.last_ms: int | None = None
        self._host, self._zone = options["host"], zone_of(options["zone"])
        self._batch = Batch(self._host)
        self._gpus: dict[str, Gpu] = {}
        self._by_id: dict[tuple[str, str], Gpu] = {}
        # The same minute, second, power and utilisation stand in many rows; each text is read once.
        self._minutes: dict[str, int | MomentError] = {}
        self._seconds: dict[str, int] = {}
        self._powers: dict[str, Power] = {}
        self._percents: dict[str, int | None] = {"": None}
        self._conflicts_n = self._late_n = 0

    def begin(self) -> None:
        """Begin a file: an index may name another GPU than in the file before."""
        self._by_id.clear()

    def take(self, line: Line, cells: list[str], columns: Columns) -> Iterator[Item]:
        """Take a row; yields what is to be told of it, and rows when there are many."""
        try:
            ts_ms = self._moment(cells[columns.time])
        except MomentError as error:
            yield refused(line, error.reason, str(error))
            return
        power = self._powers.get(cells[columns.power])
        if power is None:
            power = self._powers[cells[columns.power]] = power_of(cells[columns.power])
        if power.refusal is not None:
            yield refused(line, *power.refusal)
            return
        gpu = self._gpu(cells, columns)
        if gpu is None:
            yield refused(line, MISSING_VALUE, "does not tell which GPU it is of")
            return
        self.last_ms = ts_ms
        power_mw = NO_POWER if power.power_mw is None else power.power_mw
        if ts_ms <= gpu.last_ms:
            first_mw = gpu.known(ts_ms)
            self._late_n += first_mw is None
            if first_mw is not None:
                yield self._second(line, gpu, ts_ms, first_mw == power_mw)
                return
        gpu.add(ts_ms, power_mw)
        percent = self._percent(cells, columns.utilisation)
        source = POWER_SOURCES[columns.power_name]
        if self._batch.add(ts_ms, gpu.device, power.power_mw, percent, power.gap_reason, source):
            yield from self._batch.take()

    def finish(self, column: str) -> Iterator[Item]:
        """Yield the last rows, what looks wrong, and the energy of each GPU."""
        yield from self._batch.take()
        if self._late_n:
            yield Finding(f"{self._late_n} rows are stamped before the row above them; was the clock set back?")
        if self._conflicts_n and self.unnamed in self._gpus:
            yield Finding("rows of one stamp differ: the log is of several GPUs, and it names none; log uuid as well")
        for gpu in self._gpus.values():
            if gpu.facts.get("mig") == "Enabled":
                yield Finding(f"{gpu.device} is split (MIG); its power is that of the whole GPU, not of an instance")
            yield from energy_items(self._host, gpu, column)

    def _second(self, line: Line, gpu: Gpu, ts_ms: int, is_equal: bool) -> Item:
        if is_equal:
            return LeftOut(1)
        self._conflicts_n += 1
        return refused(line, CONFLICTING_ROW, f"is a second reading of {gpu.device} at {ts_ms} ms; the first stays")

    def _moment(self, text: str) -> int:
        """Return a stamp [epoch ms].

        Raises:
            MomentError: if it is none, or no time of its zone.
        """
        minute, second = text[:_MINUTE_LENGTH], text[_MINUTE_LENGTH:]
        start_ms = self._minutes.get(minute)
        if start_ms is None:
            try:
                start_ms = moment_ms(minute + ":00.000", self._zone, _STAMP)
                if not MIN_TIME_MS <= start_ms <= MAX_TIME_MS - _MS_PER_MINUTE:
                    start_ms = MomentError(UNPARSEABLE_TIME, f"{text!r} is not between 2000 and 2100")
            except MomentError as error:
                start_ms = error
            self._minutes[minute] = start_ms
        if isinstance(start_ms, MomentError):
            raise MomentError(start_ms.reason, str(start_ms))
        after_ms = self._seconds.get(second)
        if after_ms is None:
            if not _SECOND.match(second):
                raise MomentError(UNPARSEABLE_TIME, f"{text!r} is no time of the form 2024/01/31 13:45:12.345")
            after_ms = self._seconds[second] = int(second[1:3]) * _MS_PER_S + int(second[4:])
        return start_ms + after_ms

    def _percent(self, cells: list[str], place: int | None) -> int | None:
        cell = "" if place is None else cells[place]
        try:
            return self._percents[cell]
        except KeyError:
            return self._percents.setdefault(cell, percent_of(cell))

    def _gpu(self, cells: list[str], columns: Columns) -> Gpu | None:
        if not columns.ids:
            return self._by_id.get(_UNNAMED) or self._new(_UNNAMED, self.unnamed, cells, columns)
        name, place = columns.ids[0]
        gpu = self._by_id.get((name, cells[place]))
        return gpu or self._gpu_by_any(cells, columns)

    def _gpu_by_any(self, cells: list[str], columns: Columns) -> Gpu | None:
        """Return the GPU of a row whose best name is new or, where the GPU is lost, missing."""
        told = [(name, cells[place]) for name, place in columns.ids if not is_marker(cells[place]) and cells[place]]
        if not told:
            return None
        best = told[0]
        if best[0] == columns.ids[0][0]:
            gpu: Gpu | None = self._new(best, _PREFIXES.get(best[0], "") + best[1].strip(), cells, columns)
        else:
            gpu = next((self._by_id[name] for name in told if name in self._by_id), None)
        if gpu is not None:
            self._by_id.update(dict.fromkeys(told, gpu))
        return gpu

    def _new(self, name: tuple[str, str], device: str, cells: list[str], columns: Columns) -> Gpu:
        gpu = self._gpus.get(device)
        if gpu is None:
            facts = zip(columns.names, cells, strict=True)
            told = {_FACTS[fact]: cell.strip() for fact, cell in facts if fact in _FACTS and not is_marker(cell)}
            gpu = self._gpus[device] = Gpu(device, told)
        self._by_id[name] = gpu
        return gpu


def refused(line: Line, reason: str, detail: str) -> Item:
    """Return a refused line.

    Args:
        line: the line.
        reason: one of the reasons for which a row is refused.
        detail: what is wrong with it.
    """
    return rejected("power_sample", reason, detail, line.shown, line.number, {"line": line.text[:200]})

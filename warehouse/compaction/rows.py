"""The rows of an hour in memory: numbers in numpy arrays, texts as codes, nothing twice.

What belongs here: the columns, their codes, and the order of the rows. What must not be here: reading or writing files.

A row costs 41 bytes. Its host, device and point are one number (the series), and so are its kind, parent, source,
is_estimate and gap_reason (the label), because both take few values. Series and time share one 64-bit key, so that one
stable sort of integers puts all rows into the order of the hour file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from warehouse.hourfile import MS_PER_HOUR

Ints = npt.NDArray[np.signedinteger[Any]]

TIME_BITS = 22
TIME_MASK = (1 << TIME_BITS) - 1
assert MS_PER_HOUR <= TIME_MASK
# Stand for NULL in memory; ingest refuses values below 0 and utilisations above 100.
NO_VALUE = -1
NO_UTIL = 255
_STEP_ROWS = 1 << 18

SERIES_FIELDS = ("host", "device", "point")
LABEL_FIELDS = ("kind", "parent", "source", "gap_reason", "is_estimate")
LABEL_TEXTS = LABEL_FIELDS[:4]


class Codes:
    """Numbers for values, given in the order in which they come."""

    def __init__(self) -> None:
        """Begin without any value."""
        self.values: list[tuple[Any, ...]] = []
        self._code_of: dict[tuple[Any, ...], int] = {}

    def of(self, values: list[tuple[Any, ...]]) -> npt.NDArray[np.int64]:
        """Return the code of each value; new values get the next one."""
        codes = np.empty(len(values), np.int64)
        for at, value in enumerate(values):
            code = self._code_of.get(value)
            if code is None:
                code = self._code_of[value] = len(self.values)
                self.values.append(value)
            codes[at] = code
        return codes


@dataclass(slots=True)
class Part:
    """Rows about to be added, as arrays of equal length; NULL is ``NO_VALUE`` or ``NO_UTIL``.

    Attributes:
        series: code of host, device and point.
        ms: milliseconds since the start of the hour [ms].
        power_mw: power [mW].
        energy_mj: cumulative energy [mJ].
        session: counter session.
        util_percent: utilisation [%].
        label: code of kind, parent, source, gap_reason and is_estimate.
        source_file: index of the source.
        source_row: row number in the source.
    """

    series: Ints
    ms: Ints
    power_mw: Ints
    energy_mj: Ints
    session: Ints
    util_percent: npt.NDArray[np.uint8]
    label: Ints
    source_file: Ints | int
    source_row: Ints


@dataclass(slots=True)
class Block:
    """Neighbouring rows in the order of the hour file: as ``Part``, but with ranks of series and epoch times."""

    series: npt.NDArray[np.int64]
    ts_ms: npt.NDArray[np.int64]
    power_mw: npt.NDArray[np.int64]
    energy_mj: npt.NDArray[np.int64]
    session: npt.NDArray[np.int32]
    util_percent: npt.NDArray[np.uint8]
    label: npt.NDArray[np.int32]
    source_file: npt.NDArray[np.int32]
    source_row: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Some rows: their keys, and where they stand in the arrays."""

    key: npt.NDArray[np.int64]
    place: npt.NDArray[np.int32]


class Names:
    """The texts behind the codes of series and labels.

    Attributes:
        series: host, device and point, sorted bytewise; the rank of a series is its place here.
        texts: the texts of all labels, sorted.
        text_of: for each text of a label, the place in ``texts`` by label, -1 for NULL.
        is_estimate: by label.
    """

    def __init__(self, series: list[tuple[str, ...]], labels: list[tuple[Any, ...]]) -> None:
        """Sort the texts.

        Args:
            series: host, device and point of each series, in their final order.
            labels: values of ``LABEL_FIELDS`` by code.
        """
        self.series = series
        self.texts = sorted({text for label in labels for text in label[: len(LABEL_TEXTS)] if text is not None})
        place = {text: at for at, text in enumerate(self.texts)} | {None: NO_VALUE}
        self.text_of = {
            name: np.array([place[label[at]] for label in labels], np.int64) for at, name in enumerate(LABEL_TEXTS)
        }
        self.is_estimate = np.array([bool(label[-1]) for label in labels], np.bool_)


@dataclass(slots=True)
class Rows:
    """Rows of one hour, added in order of precedence.

    Attributes:
        hour_ms: start of the hour [epoch ms].
        capacity_n: most rows that may be added.
        rows_n: rows added so far.
    """

    hour_ms: int
    capacity_n: int
    rows_n: int = 0
    series: Codes = field(default_factory=Codes)
    labels: Codes = field(default_factory=Codes)
    _key: npt.NDArray[np.int64] = field(init=False)
    _columns: dict[str, npt.NDArray[Any]] = field(init=False)

    def __post_init__(self) -> None:
        """Reserve the arrays; pages that are never written cost no memory."""
        self._key = np.empty(self.capacity_n, np.int64)
        self._columns = {
            "power_mw": np.empty(self.capacity_n, np.int64),
            "energy_mj": np.empty(self.capacity_n, np.int64),
            "session": np.empty(self.capacity_n, np.int32),
            "util_percent": np.empty(self.capacity_n, np.uint8),
            "label": np.empty(self.capacity_n, np.int32),
            "source_file": np.empty(self.capacity_n, np.int32),
            "source_row": np.empty(self.capacity_n, np.int32),
        }

    def add(self, part: Part) -> None:
        """Add rows behind those that are there."""
        place = slice(self.rows_n, self.rows_n + len(part.ms))
        np.left_shift(part.series, TIME_BITS, out=self._key[place])
        self._key[place] |= part.ms
        for name, column in self._columns.items():
            column[place] = getattr(part, name)
        self.rows_n = place.stop

    def sort(self) -> tuple[Chosen, Names]:
        """Put all rows into the order of the hour file; of equal keys, the row that was added first comes first.

        Ends the adding of rows, and frees their keys.

        Returns:
            All rows by key (rank of the series and time), and the texts behind the codes.
        """
        order = sorted(range(len(self.series.values)), key=self.series.values.__getitem__)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        key = self._key[: self.rows_n]
        for start in range(0, self.rows_n, _STEP_ROWS):  # in steps: no second array of all rows
            step = key[start : start + _STEP_ROWS]
            step[:] = (rank[step >> TIME_BITS] << TIME_BITS) | (step & TIME_MASK)
        place = np.argsort(key, kind="stable").astype(np.int32)
        chosen = Chosen(key[place], place)
        self._key = np.empty(0, np.int64)
        return chosen, Names([self.series.values[code] for code in order], self.labels.values)

    def block(self, chosen: Chosen, start: int = 0, end: int | None = None) -> Block:
        """Return some of the chosen rows.

        Args:
            chosen: rows in order.
            start: first of them.
            end: behind the last of them; by default all.
        """
        key, place = chosen.key[start:end], chosen.place[start:end]
        return Block(
            series=key >> TIME_BITS,
            ts_ms=(key & TIME_MASK) + self.hour_ms,
            **{name: column[place] for name, column in self._columns.items()},
        )

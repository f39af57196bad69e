"""Logs of ``nvidia-smi --query-gpu=... --format=csv -l`` or ``-lms``.

What belongs here: the lines of these files, headers, and the format itself. What must not be here: rows
(``rows``), names and markers of the tool (``columns``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from ...errors import TORN_ROW, SourceError
from ...format import Assumption, Finding, Format, Item, Option, Options, Source, files_matching
from .columns import POWER_COLUMNS, Columns, columns_of, is_marker, names_of, shape_of
from .rows import Line, SmiRows, refused

_HEADER_LINES = 100
"""A file without a header in so many lines is no log of nvidia-smi."""
_COMPRESSED = (b"\x1f\x8b", b"BZ", b"\xfd7")
"""First bytes of gzip, bzip2 and xz."""
_NAMES = tuple(name + end for name in ("*.csv", "*.log") for end in ("", ".gz", ".xz", ".bz2"))


class _Log:
    """All files of one import."""

    def __init__(self, source: Source, options: Options) -> None:
        self._source, self._options = source, options
        self._rows = SmiRows(options)
        self._unnamed: list[tuple[str, int, int]] = []
        self._column = ""

    def items(self) -> Iterator[Item]:
        """Yield the items of all files.

        Raises:
            SourceError: if no file is a log of nvidia-smi.
        """
        for path in self._source.files:
            yield from self._file(path)
        if not self._column:
            msg = f"no header of nvidia-smi in the first {_HEADER_LINES} lines; for logs without one give --columns"
            raise SourceError(str(self._source.root), msg)
        yield from self._rows.finish(self._column)

    def _file(self, path: Path) -> Iterator[Item]:
        shown = self._source.shown(path)
        lines = _numbered(shown, self._source.lines(path))
        columns = self._given()
        before: list[Line] = []
        if columns is None:
            columns, before = self._header(islice(lines, _HEADER_LINES), shown)
        if columns is None:
            yield Finding(f"{shown} is left out: it has no header of nvidia-smi in its first {_HEADER_LINES} lines")
            return
        for line in before:
            yield refused(line, TORN_ROW, "stands before the header")
        self._column = columns.power_name
        if not columns.ids:
            yield Assumption(f"the log names no GPU; all its rows are taken as of one, {self._rows.unnamed}")
        elif columns.ids[0][0] == "index":
            yield Assumption("a GPU keeps its index; the log has no uuid, and a reboot may renumber the GPUs")
        yield from self._lines(lines, columns, shown, is_ended=_is_ended(path))

    def _given(self) -> Columns | None:
        given = self._options.get("columns")
        if given is None:
            return None
        names = names_of(given)
        if names is None:
            msg = f"--columns {given!r} are no columns of nvidia-smi; write for example timestamp,uuid,power.draw"
            raise SourceError(None, msg)
        return columns_of(names, ", ", self._options.get("power_column"), "--columns")

    def _header(self, lines: Iterable[Line], shown: str) -> tuple[Columns | None, list[Line]]:
        """Return what the first header says, if there is one, and the lines before it."""
        before: list[Line] = []
        for line in lines:
            if names := names_of(line.text):
                comma = ", " if ", " in line.text else ","
                return columns_of(names, comma, self._options.get("power_column"), shown), before
            if line.text.strip():
                before.append(line)
        return None, before

    def _lines(self, lines: Iterable[Line], columns: Columns, shown: str, *, is_ended: bool) -> Iterator[Item]:
        rows, first_ms, earlier = self._rows, None, ""
        rows.begin()
        for line in lines:
            cells = line.text.split(columns.comma)
            if len(cells) != columns.cells_n or cells[columns.time] == "timestamp":
                again, other = self._header([line], shown)
                if again:  # the tool was started anew, perhaps with other columns
                    columns, earlier = again, ""
                if other:
                    detail = "is cut off" if line.is_last else f"has {len(cells)} cells, the header {columns.cells_n}"
                    yield refused(line, TORN_ROW, detail)
                continue
            if line.is_last and not (is_ended or _is_whole(cells[-1], earlier)):
                yield refused(line, TORN_ROW, "is cut off")
                continue
            earlier = cells[-1]
            yield from rows.take(line, cells, columns)
            first_ms = rows.last_ms if first_ms is None else first_ms
        if not columns.ids and first_ms is not None:
            self._refuse_overlap(shown, first_ms, rows.last_ms or first_ms)

    def _refuse_overlap(self, shown: str, first_ms: int, last_ms: int) -> None:
        for other, other_first_ms, other_last_ms in self._unnamed:
            if first_ms <= other_last_ms and other_first_ms <= last_ms:
                msg = f"and {other} are of the same time, and neither names its GPU; import each with its own --device"
                raise SourceError(shown, msg)
        self._unnamed.append((shown, first_ms, last_ms))


def _numbered(shown: str, lines: Iterable[str]) -> Iterator[Line]:
    """Yield the lines of a file; that a line is the last one is known only when there is no next."""
    number, before = 0, None
    for number, line in enumerate(lines, 1):
        if before is not None:
            yield Line(shown, number - 1, before, is_last=False)
        before = line
    if before is not None:
        yield Line(shown, number, before, is_last=True)


def _is_ended(path: Path) -> bool:
    """Return whether a file is known to end with a line end; of a compressed one that is not known."""
    with path.open("rb") as file:
        if not path.stat().st_size or file.read(2) in _COMPRESSED:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _is_whole(cell: str, before: str) -> bool:
    """Return whether the last cell of a file has the form of the one above; nvidia-smi may be stopped in mid-line."""
    if is_marker(cell) or not before:
        return True
    return "[" not in cell if is_marker(before) else shape_of(cell) == shape_of(before)


def _find(path: Path) -> list[Path]:
    return files_matching(
        path, *(pattern + end for pattern in ("*.csv", "*.log") for end in ("", ".gz", ".xz", ".bz2"))
    )


def _read(source: Source, options: Options) -> Iterator[Item]:
    yield from _Log(source, options).items()


FORMAT = Format(
    "nvidia-smi",
    "logs of nvidia-smi --query-gpu=... --format=csv",
    _find,
    _read,
    (
        Option("host", "Host on which it was logged; the log does not name it.", required=True),
        Option("zone", "Zone of its local times: Europe/Berlin, UTC, +08:00; the log states none.", required=True),
        Option("device", "Name of the GPU where the log has neither uuid, pci.bus_id nor index; gpu-0 if not given."),
        Option("power_column", "Column that is read; by default the first that there is.", choices=POWER_COLUMNS),
        Option("columns", "Columns of a log without a header (--format=csv,noheader), as they were asked for."),
    ),
)

"""The records of a log: lines of CSV or of JSON, as fields that are known.

What belongs here: the two ways of writing, and which column is which field. What must not be here: what a field means.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import SourceError
from ...format import Source
from .fields import ALIASES, plain
from .otlp import KEY as EXPORT
from .otlp import records_of

_TIMES = ("end", "time", "start")
_MAX_CELL = 1 << 20
_SHOWN = 12


class Record(NamedTuple):
    """One line of a log.

    Attributes:
        row: its number, from 1, a header not counted.
        fields: text of each known field; ``None`` where the line is left out on purpose.
        problem: what is wrong with the line as a whole, or ``None``.
    """

    row: int
    fields: dict[str, str] | None
    problem: str | None = None


def records(source: Source, path: Path, columns: Mapping[str, str]) -> Iterator[Record | dict[str, str]]:
    """Yield the records of a file; of CSV first which column is which field.

    Args:
        source: the files of the import.
        path: the file.
        columns: field -> column, where the user says it.

    Raises:
        SourceError: if it is no log of requests.
    """
    lines = source.lines(path)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        return
    if first.lstrip().startswith("{"):
        yield from _json_records(first, lines, columns)
    elif first.lstrip().startswith("["):
        raise SourceError(
            source.shown(path), "is one JSON array; write one object a line, for example by `jq -c '.[]'`"
        )
    else:
        yield from _csv_records(source.shown(path), first, lines, columns)


def _csv_records(
    shown: str, first: str, lines: Iterator[str], columns: Mapping[str, str]
) -> Iterator[Record | dict[str, str]]:
    delimiter = max(",;\t|", key=first.count)
    (header,) = csv.reader([first], delimiter=delimiter)
    taken = _columns(shown, header, columns)
    yield {field: header[index].strip() for field, index in taken.items()}
    csv.field_size_limit(_MAX_CELL)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    row = 0
    while True:
        row += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(row, None, str(error))
            continue
        if not cells:
            row -= 1
        elif len(cells) != len(header):
            yield Record(row, None, f"it has {len(cells)} cells, the header {len(header)}")
        else:
            yield Record(row, {field: cells[index].strip() for field, index in taken.items()})


def _columns(shown: str, header: list[str], stated: Mapping[str, str]) -> dict[str, int]:
    """Return which column is which field."""
    names = [name.strip() for name in header]
    known = [plain(name) for name in names]
    taken: dict[str, int] = {}
    for field, aliases in ALIASES.items():
        if field in stated:
            if stated[field] not in names:
                there = ", ".join(names[:_SHOWN])
                raise SourceError(shown, f"has no column {stated[field]!r}; it has {there}")
            taken[field] = names.index(stated[field])
            continue
        place = next((known.index(alias) for alias in aliases if alias in known), None)
        if place is not None:
            taken[field] = place
    if "time" in stated:
        taken = {field: place for field, place in taken.items() if field not in ("end", "start")}
    if not any(field in taken for field in _TIMES):
        there = ", ".join(names[:_SHOWN])
        raise SourceError(shown, f"has no column that is known for a time; it has {there}: name it with --time-column")
    return taken


def _json_records(first: str, lines: Iterator[str], columns: Mapping[str, str]) -> Iterator[Record]:
    for row, line in enumerate(itertools.chain([first], lines), 1):
        if line.strip():
            yield from _of_line(row, line, columns)


def _of_line(row: int, line: str, columns: Mapping[str, str]) -> Iterator[Record]:
    try:
        found = json.loads(line)
        if not isinstance(found, dict):
            yield Record(row, None, "it is no JSON object")
        elif EXPORT in found:
            yield from [Record(row, fields) for fields in records_of(found)]
        else:
            yield Record(row, _fields(found, columns))
    except (ValueError, RecursionError) as error:
        yield Record(row, None, f"it is no JSON: {error}")
    except (TypeError, AttributeError, KeyError) as error:
        yield Record(row, None, f"it is no export of OpenTelemetry: {type(error).__name__} {error}")


def _fields(found: dict[str, Any], columns: Mapping[str, str]) -> dict[str, str]:
    """Return the known fields of an object; inner objects count by their path, ``usage.prompt_tokens``."""
    flat = dict(_flat("", found))
    known: dict[str, str] = {}
    for name, text in flat.items():
        # What OpenAI's batches wrap: {"response": {"status_code": ..., "body": {...}}}.
        known.setdefault(plain(name.removeprefix("response.").removeprefix("body.")), text)
    taken: dict[str, str] = {}
    for field, aliases in ALIASES.items():
        told = next((known[alias] for alias in aliases if known.get(alias)), None)
        if told is not None:
            taken[field] = told
    if "time" in columns:
        taken = {field: text for field, text in taken.items() if field not in ("end", "start")}
    stated = {field: flat.get(name, "") for field, name in columns.items()}
    return taken | stated


def _flat(prefix: str, found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in found.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        elif value is None or isinstance(value, list):
            continue
        elif isinstance(value, float) and value.is_integer():
            yield f"{prefix}{name}", str(int(value))
        else:
            yield f"{prefix}{name}", str(value).strip()

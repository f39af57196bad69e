"""``wattledger import requests``: a log of requests as work by the minute.

What belongs here: options, the course of an import and what it tells. What must not be here: fields, files, sums.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from ...errors import TORN_ROW, SourceError
from ...format import (
    Assumption,
    Finding,
    Format,
    Item,
    LeftOut,
    Option,
    Options,
    Rows,
    Source,
    files_matching,
    rejected,
)
from ...moments import zone_of
from .fields import WORDS, FieldError, Stated, Who, request_of
from .minutes import CUT, MINUTE_MS, WHOLE, RequestMinutes
from .records import Record, records

_TABLE = "work_counter"
_PATTERNS = tuple(
    f"*.{kind}{packed}" for kind in ("csv", "tsv", "jsonl", "ndjson", "json") for packed in ("", ".gz", ".bz2", ".xz")
)
_COLUMNS = ("time", "model", "input", "output", "status")
_BATCH_ROWS = 20_000

_OPTIONS = (
    Option("model", "model of requests that name none"),
    Option("model_version", "its version; without it none"),
    Option("service", "service that answered, where the log names none"),
    Option("job_id", "job that answered, where the log names none"),
    Option("rename", "your names for models as logged: LOGGED=YOURS,LOGGED2=YOURS2"),
    Option("zone", "zone of times that state none: an IANA name such as Europe/Berlin, UTC, or +08:00"),
    *(
        Option(f"{name}_column", f"column of the {WORDS.get(name, name)}, if it is not found by itself")
        for name in _COLUMNS
    ),
    Option(
        "edges",
        "first and last minute: whole, or cut where this log begins and ends because another goes on there",
        choices=(WHOLE, CUT),
        default=WHOLE,
    ),
)


def _find(path: Path) -> list[Path]:
    return files_matching(path, *_PATTERNS)


def _read(source: Source, options: Options) -> Iterator[Item]:
    """Yield refused and left out rows as they come, and the minutes at the end: a log need not be in order."""
    stated, columns = (
        _stated(options),
        {name: options[f"{name}_column"] for name in _COLUMNS if f"{name}_column" in options},
    )
    minutes = RequestMinutes()
    taken = 0
    for path in source.files:
        shown = source.shown(path)
        for record in records(source, path, columns):
            if isinstance(record, Record):
                item = _take(record, stated, minutes, shown)
                if item is None:
                    taken += 1
                else:
                    yield item
            else:
                serves = ", ".join(f"{WORDS.get(field, field)} = {name!r}" for field, name in record.items())
                yield Assumption(f"columns of {shown}: {serves}")
    if not taken:
        raise SourceError(
            str(source.root), "not one request could be read; see the options for columns, model and zone"
        )
    yield from _told(minutes, options)
    rows: list[dict[str, object]] = []
    for row in minutes.rows(options["edges"]):
        rows.append(row)
        if len(rows) == _BATCH_ROWS:
            yield Rows(_TABLE, rows)
            rows = []
    yield Rows(_TABLE, rows, read=taken)


def _take(record: Record, stated: Stated, minutes: RequestMinutes, shown: str) -> Item | None:
    """Add a request; return what is to be said of a record that is none."""
    if record.problem is not None:
        return rejected(_TABLE, TORN_ROW, record.problem, shown, record.row, {})
    if record.fields is None:
        return LeftOut(1)
    try:
        minutes.add(request_of(record.fields, stated))
    except FieldError as error:
        return rejected(_TABLE, error.reason, str(error), shown, record.row, record.fields)
    return None


def _stated(options: Options) -> Stated:
    names: dict[str, str] = {}
    for part in filter(None, options.get("rename", "").split(",")):
        logged, equals, name = part.partition("=")
        if not equals or not logged.strip() or not name.strip():
            msg = f"--rename {part!r} is not of the form LOGGED=YOURS"
            raise SourceError(None, msg)
        names[logged.strip()] = name.strip()
    who = Who(options.get("job_id"), options.get("service"), options.get("model", ""), options.get("model_version"))
    return Stated(zone_of(options["zone"]) if "zone" in options else None, who, names)


def _told(minutes: RequestMinutes, options: Options) -> Iterator[Item]:
    yield Assumption("a request counts in the minute of its end, or of the only time that is logged")
    if "zone" in options:
        yield Assumption(f"times that state no zone are local time in {options['zone']}")
    first, last = (_minute(at_ms) for at_ms in (minutes.first_ms or 0, minutes.last_ms or 0))
    if options["edges"] == WHOLE:
        yield Assumption(
            f"no other log has requests of the minutes {first} and {last}: where one has, import both together, as "
            "files of a folder, or each with --edges cut; otherwise the second goes to quarantine as a conflict"
        )
    else:
        yield Assumption(f"no other log repeats a request of this one, from {first} to {last}")
    for word, count in zip(("input", "output"), minutes.untold_n, strict=True):
        if count:
            yield Finding(f"{count} answered requests do not tell their {word} tokens; these are missing in the sums")


def _minute(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(at_ms // MINUTE_MS * 60))


FORMAT = Format(
    "requests",
    "logs of requests to models, one a row: CSV, JSON lines, or spans of OpenTelemetry; a file or a folder",
    _find,
    _read,
    _OPTIONS,
)

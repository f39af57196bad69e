"""Journals become landing files: ``python -m <package>.land``, in a process that lives for a second.

What belongs here: from the journals of a folder to the rows of the landing contract, and the end of jobs whose
collector died. What must not be here: the format of a journal, or the form of a landing file.

A journal is deleted only after all its rows are landed and synced. A crash in between lands them again under the same
names with the same bytes, so that nothing is there twice.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import __version__
from ..contract import META_DROPPED, POWER_SAMPLE
from ..importers.errors import OUT_OF_RANGE, REJECTED_FOLDER, RejectedRow
from ..landing.refusal import LandingError
from ..landing.stores import host_hash, store_of
from ..landing.writer import LandingWriter
from .journal import NO_CODE, NOT_KNOWN, lock
from .journal_reader import Journal, read_journal
from .landing_child import LandingReport
from .spool import SUFFIX

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator, Sequence

_NAME = re.compile(r"^(?P<writer>[0-9a-f]{12}-[0-9a-f]{8})-(?P<number>[0-9]{6,})\.journal$")
_FILES_EACH = 1_000  # sequence numbers that one journal has in a folder


def main(argv: Sequence[str] | None = None) -> int:
    """Land the journals of a folder and print what became of them as JSON.

    Returns:
        0 if nothing waits, else 4.
    """
    parser = argparse.ArgumentParser(prog="land")
    parser.add_argument("--spool", type=Path, required=True)
    parser.add_argument("--landing", required=True)
    parser.add_argument("--host")
    parser.add_argument("--report", choices=("counts", "full"), default="full")
    given = parser.parse_args(argv)
    os.nice(5)
    report = land(given.spool, given.landing, host=given.host)
    shown = {
        "landed": report.landed if given.report == "full" else (),
        "landed_n": report.landed_n,
        "waiting": report.waiting if given.report == "full" else report.waiting[:1],
        "problems": report.problems[:5],
    }
    sys.stdout.write(json.dumps(shown))
    return 4 if report.waiting else 0


def land(spool: Path, landing: str, *, host: str | None = None) -> LandingReport:
    """Land all journals of a folder that no living collector writes.

    Args:
        spool: folder of the journals.
        landing: landing folder or address of an object store.
        host: host whose journals are landed; ``None`` for those of every host.
    """
    landed: list[str] = []
    waiting: list[str] = []
    problems: list[str] = []
    names = sorted(path.name for path in spool.glob(f"*{SUFFIX}")) if spool.is_dir() else []
    newest: dict[str, str] = {}
    for name in names:
        if match := _NAME.match(name):
            newest[match["writer"]] = name
    for name in names:
        if host is not None and not name.startswith(host_hash(host)):
            continue
        path = spool / name
        try:
            for item in _land_one(path, landing, is_newest=name in newest.values()):
                (problems if item.startswith(_PROBLEM) else landed).append(item.removeprefix(_PROBLEM))
        except BlockingIOError:
            continue
        except Exception as error:  # noqa: BLE001 - one journal must not keep the others from landing
            waiting.append(str(path))
            problems.append(f"cannot land {path.name}: {type(error).__name__}: {error}")
    return LandingReport(tuple(landed), len(landed), tuple(waiting), tuple(problems))


_PROBLEM = "\0"


def _land_one(path: Path, landing: str, *, is_newest: bool) -> Iterator[str]:
    """Land one journal and delete it; yield the files, and problems that cost single rows.

    Raises:
        BlockingIOError: if a living collector writes it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # another process was faster
        return
    with os.fdopen(descriptor, "rb") as file:
        if not lock(descriptor):
            raise BlockingIOError
        if not path.exists():
            return
        journal = read_journal(file.read())
        match = _NAME.match(path.name)
        if not journal.header or match is None:
            yield from _set_aside(path)
            return
        writer = LandingWriter(
            landing,
            match["writer"],
            host=journal.header["host"],
            boot_id=journal.header["boot_id"],
            collector_version=journal.header.get("version", __version__),
            first_sequence=int(match["number"]) * _FILES_EACH,
        )
        refused: list[RejectedRow] = []
        for table, rows in _tables(journal, is_newest=is_newest):
            extra = {META_DROPPED: str(_dropped_n(journal))} if journal.dropped and table == "power_sample" else {}
            for landed in _write(writer, table, rows, journal.last_ms, extra, refused):
                yield str(landed)
        if refused:
            lines = "".join(row.to_json() + "\n" for row in refused).encode()
            name = f"collector-{path.stem}.jsonl"
            store_of(landing).put_new((REJECTED_FOLDER,), name, lines, journal.header["host"])
            yield f"{_PROBLEM}{len(refused)} rows of {path.name} break the contract, see {REJECTED_FOLDER}/{name}"
        path.unlink()


def _set_aside(path: Path) -> Iterator[str]:
    """Keep a file that is no journal any more under another name; an empty one was never begun."""
    if path.stat().st_size == 0:
        path.unlink()
        return
    path.rename(path.with_suffix(".damaged"))
    yield f"{_PROBLEM}{path.name} has no readable header; it is kept as {path.stem}.damaged"


def _tables(journal: Journal, *, is_newest: bool) -> Iterator[tuple[str, pa.Table | list[dict[str, Any]]]]:
    if journal.samples or journal.dropped:
        yield "power_sample", _samples(journal)
    rows: dict[str, list[dict[str, Any]]] = {}
    for table, row in journal.rows:
        rows.setdefault(table, []).append(row)
    if is_newest and not journal.is_whole:
        for table, row, column in journal.will:
            done = {**row, column: journal.last_ms}
            if "start_ms" not in done or done["start_ms"] < done["end_ms"]:
                rows.setdefault(table, []).append(done)
    for table, found in rows.items():
        yield table, [_with_labels(row) for row in found]


def _with_labels(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose labels are pairs again; JSON has none, and Arrow takes nothing else for a map."""
    return {**row, "labels": [tuple(pair) for pair in row["labels"]]} if row.get("labels") else row


def _dropped_n(journal: Journal) -> int:
    return sum(count for count, _, _ in journal.dropped.values())


def _samples(journal: Journal) -> pa.Table:
    """Return the samples of a journal, and a row without a value for each device that lost some."""
    devices = journal.devices
    order = {number: index for index, number in enumerate(devices)}
    blocks = journal.samples
    number = pa.array([order[value] for block in blocks for value in block["device"]], pa.int32())
    text = pa.array([journal.texts.get(index) for index in range(max(journal.texts, default=-1) + 1)], pa.string())

    def told(name: str) -> pa.Array:
        return pa.array([device[name] for device in devices.values()], POWER_SAMPLE.column(name).type).take(number)

    def integers(name: str, null: int | None = None) -> pa.Array:
        kind = POWER_SAMPLE.column(name).type
        column = pa.concat_arrays([_array(block[name]) for block in blocks]) if blocks else pa.array([], kind)
        if null is not None:
            column = pc.if_else(pc.equal(column, null), pa.scalar(None, column.type), column)
        return column.cast(kind)

    def texts(name: str) -> pa.Array:
        codes = pa.array([value for block in blocks for value in block[name]], pa.int32())
        return text.take(pc.if_else(pc.equal(codes, NO_CODE), pa.scalar(None, pa.int32()), codes))

    columns = {
        "ts_ms": integers("ts_ms"),
        "host": pa.repeat(pa.scalar(journal.header["host"]), len(number)),
        "device": told("device"),
        "kind": told("kind"),
        "parent": told("parent"),
        "point": told("point"),
        "power_mw": integers("power_mw", NOT_KNOWN),
        "energy_mj": integers("energy_mj", NOT_KNOWN),
        "session": integers("session"),
        "util_percent": integers("util_percent", NO_CODE),
        "source": texts("source"),
        "is_estimate": told("is_estimate"),
        "gap_reason": texts("gap_reason"),
    }
    table = pa.table(columns)
    lost = [
        {
            "ts_ms": last_ms,
            "host": journal.header["host"],
            **{name: devices[number][name] for name in ("device", "kind", "parent", "point", "source", "is_estimate")},
            "session": 0,
            "gap_reason": "dropped",
        }
        for number, (_, _, last_ms) in journal.dropped.items()
        if number in devices
    ]
    return pa.concat_tables([table, pa.Table.from_pylist(lost, table.schema)]) if lost else table


_TYPES = {"q": pa.int64(), "i": pa.int32(), "H": pa.uint16(), "B": pa.uint8()}


def _array(values: array[int]) -> pa.Array:
    return pa.Array.from_buffers(_TYPES[values.typecode], len(values), [None, pa.py_buffer(values.tobytes())])


def _write(
    writer: LandingWriter,
    table: str,
    rows: pa.Table | list[dict[str, Any]],
    written_ms: int,
    extra: dict[str, str],
    refused: list[RejectedRow],
) -> list[Path | str]:
    """Write rows; one that breaks the contract is set aside, so that it neither is lost nor blocks the others."""
    while True:
        try:
            return writer.write(table, rows, written_ms=written_ms, extra=extra)
        except LandingError as error:
            at = error.row
            if at is None:
                raise
            row = rows.slice(at, 1).to_pylist()[0] if isinstance(rows, pa.Table) else rows[at]
            refused.append(RejectedRow(table, OUT_OF_RANGE, str(error), writer.writer, None, row))
            if isinstance(rows, pa.Table):
                rows = pa.concat_tables([rows.slice(0, at), rows.slice(at + 1)])
            else:
                rows = rows[:at] + rows[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())

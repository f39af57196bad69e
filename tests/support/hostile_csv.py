"""Broken CSV documents made from a sound one: every column in every wrong way, and rows in wrong company."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator

from tests.support.hostile import BROKEN_NUMBERS, TIME, Mutant, broken_times

Table = list[list[str]]


def mutants(body: bytes) -> list[Mutant]:
    """Return the mutants of a CSV document with a header and at least three rows."""
    table = [row for row in csv.reader(io.StringIO(body.decode("utf-8-sig"))) if row]
    made = [*_whole(table, body)]
    for column, name in enumerate(table[0]):
        made += [Mutant(f"{name}: {change}", text(changed)) for change, changed in _column(table, column)]
    return made


def text(table: Table, delimiter: str = ",") -> bytes:
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter, lineterminator="\n").writerows(table)
    return written.getvalue().encode()


def _whole(table: Table, body: bytes) -> Iterator[Mutant]:
    head, rows = table[0], table[1:]
    middle = len(rows) // 2
    shuffled = random.Random(7).sample(rows, len(rows))
    made: dict[str, bytes] = {
        "no header": text(rows),
        "header twice": text([head, head, *rows]),
        "header in the middle": text([head, *rows[:middle], head, *rows[middle:]]),
        "reversed": text([head, *rows[::-1]]),
        "shuffled": text([head, *shuffled]),
        "each row twice": text([head, *rows, *rows]),
        "rows too short": text([head, *[row[:-1] for row in rows]]),
        "one row too short": text([head, *rows[:middle], rows[middle][:1], *rows[middle + 1 :]]),
        "rows too long": text([head, *[[*row, "x"] for row in rows]]),
        "an empty row": text([head, *rows[:middle], [""] * len(head), *rows[middle:]]),
        "semicolons": text(table, ";"),
        "tabs": text(table, "\t"),
        "carriage returns only": body.replace(b"\r\n", b"\n").replace(b"\n", b"\r"),
        "a quote that stays open": text([head, *rows[:middle]]) + b'"' + text(rows[middle:]),
        "columns in another order": text([row[::-1] for row in table]),
        "an unknown column": text([[*head, "new"], *[[*row, "1"] for row in rows]]),
        "a line of a megabyte": text([head, *rows, ["x" * 1_000_000] * len(head)]),
        "a total at the end": text([head, *rows, ["Total", *["1"] * (len(head) - 1)]]),
    }
    yield from (Mutant(f"table: {name}", content) for name, content in made.items())
    yield Mutant("table: gone: all rows", text([head]), leaves_gap=True)
    yield Mutant("table: gone: one row", text([head, *rows[:middle], *rows[middle + 1 :]]), leaves_gap=True)


def _column(table: Table, column: int) -> Iterator[tuple[str, Table]]:
    head, rows = table[0], table[1:]
    row, cell = len(rows) // 2 + 1, rows[len(rows) // 2][column]
    yield "missing", [[*line[:column], *line[column + 1 :]] for line in table]
    for name, other in (("renamed", f"{head[column]} v2"), ("in capitals", head[column].upper()), ("nameless", "")):
        yield name, [[*head[:column], other, *head[column + 1 :]], *rows]
    yield "stated twice", [[*line, line[column] if place == 0 else "0"] for place, line in enumerate(table)]
    cells = {"text": "other", "control": "\x1b[2J", "long": "x" * 100_000, "NA": "NA", "null": "null"}
    if TIME.fullmatch(cell):
        cells |= broken_times(cell)
    elif _is_number(cell):
        cells |= {f"number {broken[:6]!r}": broken for broken in BROKEN_NUMBERS}
    for name, broken in cells.items():
        line = [*table[row][:column], broken, *table[row][column + 1 :]]
        yield name, [*table[:row], line, *table[row + 1 :]]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

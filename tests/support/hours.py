"""Small random worlds of landed power samples, and the slow, plain way to compact them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from collectors.contract import POWER_SAMPLE
from tests.support.landed import landed_bytes, sample
from warehouse.compaction import CompactedHour, Source
from warehouse.hourfile import HOUR_SCHEMA, MS_PER_HOUR

HOUR_MS = 486_112 * MS_PER_HOUR
COLUMNS = [column.name for column in POWER_SAMPLE.columns]
KEY = POWER_SAMPLE.key

Row = dict[str, Any]


@dataclass(frozen=True)
class Landed:
    """A landed file and the rows that are in it."""

    source: Source
    rows: list[Row]


def land(folder: Path, rows: Sequence[Row], written_ms: int, refused: Iterable[int] = ()) -> Landed:
    """Put rows into a landed file, whatever they are."""
    data = landed_bytes("power_sample", rows, written_ms=written_ms)
    return land_bytes(folder, data, rows, written_ms, refused)


def land_bytes(folder: Path, data: bytes, rows: Sequence[Row], written_ms: int, refused: Iterable[int] = ()) -> Landed:
    """Put bytes into the archive."""
    sha256 = hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{sha256}.parquet"
    path.write_bytes(data)
    return Landed(Source(path, sha256, written_ms, frozenset(refused)), list(rows))


def random_world(seed: int, folder: Path) -> list[Landed]:
    """Land some files with many equal keys, rows of other hours, refused rows and values that are not known."""
    chance = random.Random(seed)
    hosts = [f"host-{at}" for at in range(chance.randint(1, 4))] + ["hôst", "Host-1"][: chance.randint(0, 2)]
    hours = [HOUR_MS, HOUR_MS, HOUR_MS, HOUR_MS - MS_PER_HOUR, HOUR_MS + MS_PER_HOUR]
    world = []
    for _ in range(chance.randint(1, 7)):
        rows = [_row(chance, hosts, hours) for _ in range(chance.choice([1, 3, 20, 80]))]
        rows += [dict(chance.choice(rows)) for _ in range(chance.randint(0, 5))]
        refused = [at for at in range(len(rows)) if chance.random() < 0.05]
        for at in refused:
            if chance.random() < 0.7:
                rows[at] |= {chance.choice(["host", "session", "is_estimate", "source"]): None, "power_mw": -5}
        world.append(land(folder, rows, HOUR_MS + chance.randint(0, 3), refused))
    return world


def _row(chance: random.Random, hosts: list[str], hours: list[int]) -> Row:
    place = chance.randint(0, 6)
    return sample(
        chance.choice(hours) + chance.choice([0, 1, 2, 500, 1000, 2000, MS_PER_HOUR - 1]),
        host=chance.choice(hosts),
        device=f"GPU-{place}" if place < 4 else f"cpu-package-{place - 4}",
        kind=chance.choice(["gpu", "gpu", "gpu", "cpu"]),
        parent=chance.choice(["node", "node", None, "rack"]),
        point=chance.choice(["board", "board", "package"]),
        power_mw=chance.choice([None, None, 0, 1, 300_000]),
        energy_mj=chance.choice([None, None, 0, 1, 2, 10**12]),
        session=chance.choice([0, 0, 1]),
        util_percent=chance.choice([None, 0, 100]),
        source=chance.choice(["nvml_energy", "nvml_power", "model"]),
        is_estimate=chance.random() < 0.2,
        gap_reason=chance.choice([None, None, "dropped"]),
    )


def plain_compact(world: Sequence[Landed], hour_ms: int = HOUR_MS) -> tuple[list[Row], list[Row], int]:
    """Compact by the rule as it is told, row after row.

    Returns:
        Rows that stay, in the order of an hour file, with their source and row; rows in conflict with hash, row number
        and time of writing, in order of key and precedence; the number of rows that were looked at.
    """
    by_hash = {one.source.sha256: one for one in world}
    ordered = sorted(by_hash.values(), key=lambda one: (one.source.written_ms, one.source.sha256))
    stated: dict[tuple[Any, ...], list[Row]] = {}
    rows_n = 0
    for number, one in enumerate(ordered):
        for at, row in enumerate(one.rows):
            if at in one.source.refused_rows or not hour_ms <= row["ts_ms"] < hour_ms + MS_PER_HOUR:
                continue
            rows_n += 1
            values = {name: row[name] for name in COLUMNS}
            rows = stated.setdefault(tuple(row[name] for name in KEY), [])
            if all({name: other[name] for name in COLUMNS} != values for other in rows):
                rows.append(values | {"source_file": number, "source_row": at})
    kept, conflicts = [], []
    for key in sorted(stated, key=lambda key: tuple(part.encode() if isinstance(part, str) else part for part in key)):
        first, *others = stated[key]
        kept.append(first)
        for row in others:
            source = ordered[row["source_file"]].source
            origin = {"file_sha256": source.sha256, "row_number": row["source_row"], "written_ms": source.written_ms}
            conflicts.append({name: row[name] for name in COLUMNS} | origin)
    return kept, conflicts, rows_n


def rows_of(done: CompactedHour) -> list[Row]:
    """Return the rows of all files of an hour, in order."""
    return [row for file in done.files for row in pq.read_table(file.path).cast(HOUR_SCHEMA).to_pylist()]


def in_groups(rows: Sequence[Row], written_ms: int, group_rows: int) -> bytes:
    """Return a file with several row groups and page checksums, as an importer of a long span writes it."""
    sink = pa.BufferOutputStream()
    schema = pa.schema([field.with_nullable(True) for field in POWER_SAMPLE.arrow_schema()])
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    metadata = {"wattledger.written_ms": str(written_ms)}
    pq.write_table(table.replace_schema_metadata(metadata), sink, row_group_size=group_rows, write_page_checksum=True)
    return bytes(sink.getvalue().to_pybytes())

"""A small mapping and source that every test bends to its purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collectors.importers.table import ImportResult, import_table

POWER = """
format = 1
name = "meter"
[[table]]
landing = "power_sample"
{options}
[table.columns]
ts_ms = {{ column = "time", time = {{ {time} }} }}
host = "server"
device = {{ constant = "node" }}
kind = {{ constant = "{kind}" }}
point = {{ constant = "ac" }}
power_mw = {{ column = "watts", unit = "{unit}" }}
session = {{ constant = 0 }}
source = {{ constant = "meter" }}
is_estimate = {{ constant = false }}
{columns}
"""


def power_mapping(
    time: str = 'unit = "ms"', unit: str = "W", kind: str = "node", columns: str = "", options: str = ""
) -> str:
    """Return the text of a mapping of power samples."""
    return POWER.format(time=time, unit=unit, kind=kind, columns=columns, options=options)


class Bench:
    """A folder with a mapping, a source and a landing folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.landing = root / "landing"
        self.last: ImportResult | None = None

    def source(self, text: str, name: str = "meter.csv") -> Path:
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        return path

    def parquet(self, columns: Mapping[str, Any], name: str = "meter.parquet") -> Path:
        path = self.root / name
        pq.write_table(pa.table(dict(columns)), path)
        return path

    def mapping(self, text: str) -> Path:
        path = self.root / "meter.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, mapping: str, source: Path | str, landing: Path | None = None) -> ImportResult:
        path = source if isinstance(source, Path) else self.source(source)
        self.last = import_table(self.mapping(mapping), path, landing or self.landing)
        return self.last

    def rows(self, table: str = "power_sample", landing: Path | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for path in sorted((landing or self.landing).glob(f"{table}/date=*/hour=*/*.parquet")):
            found += pq.read_table(path, partitioning=None).to_pylist()
        return found

    def column(self, name: str, table: str = "power_sample") -> list[Any]:
        return [row[name] for row in self.rows(table)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture
def power() -> Callable[..., str]:
    return power_mapping


@pytest.fixture
def csv() -> Callable[[Sequence[Sequence[object]]], str]:
    """Return a function that writes rows of time, server, watts as CSV text."""

    def write(rows: Sequence[Sequence[object]]) -> str:
        return "time,server,watts\n" + "".join(",".join(str(cell) for cell in row) + "\n" for row in rows)

    return write

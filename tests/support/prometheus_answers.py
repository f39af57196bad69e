"""Answers of Prometheus, and what an import of them landed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from collectors.importers.formats import load
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult
from collectors.landing.reader import read_landed

T0_S = 1_717_200_000  # 2024-06-01 00:00:00 UTC
T0 = T0_S * 1000
ENERGY, POWER, UTIL = "TOTAL_ENERGY_CONSUMPTION", "POWER_USAGE", "GPU_UTIL"
Rows = list[dict[str, Any]]


def series_of(name: str, values: list[object], step_s: float = 15, **labels: str) -> dict[str, Any]:
    """Return a series with a value every so many seconds; `None` is no value."""
    points = [[T0_S + number * step_s, str(value)] for number, value in enumerate(values) if value is not None]
    return {"metric": {"__name__": name, **labels}, "values": points}


def answer_of(*series: dict[str, Any]) -> str:
    """Return series as the answer of a range query."""
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": list(series)}})


def import_text(folder: Path, content: str, name: str = "answer.json", **options: str) -> tuple[Rows, ImportResult]:
    """Import a file of that content and return rows in order, and the result."""
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return import_path(path, folder, **options)


def import_path(path: Path, folder: Path, **options: str) -> tuple[Rows, ImportResult]:
    """Import a file or folder and return rows in order, and the result."""
    result = import_format(load("prometheus"), path, folder / "landing", options)
    found = [row for file in result.files for row in read_landed(file).rows.to_pylist()]
    return sorted(found, key=lambda row: (row["host"], row["device"], row["ts_ms"])), result


def column(rows: Rows, *names: str) -> list[Any]:
    """Return one column as values, several as tuples."""
    return [tuple(row[name] for name in names) if len(names) > 1 else row[names[0]] for row in rows]


def dcgm(name: str, values: list[object], **labels: str) -> dict[str, Any]:
    """Return a series of dcgm-exporter."""
    given = {"UUID": "GPU-a", "gpu": "0", "Hostname": "n1", "instance": "10.0.0.7:9400", **labels}
    return series_of(f"DCGM_FI_DEV_{name}", values, **given)

"""Looking at what became of landed readings: the rows of the hour files."""

from __future__ import annotations

from typing import Any

from collectors.contract import MAX_TIME_MS, MIN_TIME_MS
from warehouse.engine import settle
from warehouse.lake import Lake
from warehouse.samples import view_readings


def readings(lake: Lake, columns: str = "*", *, where: str = "true") -> list[tuple[Any, ...]]:
    """Return columns of all readings by host, device, point and time; what was taken in is compacted first."""
    settle(lake)
    view_readings(lake, "reading", MIN_TIME_MS, MAX_TIME_MS)
    return lake.rows(f"SELECT {columns} FROM reading WHERE {where} ORDER BY host, device, point, ts_ms")


def count_readings(lake: Lake, *, where: str = "true") -> int:
    """Return how many readings there are."""
    return len(readings(lake, "host, device, point, ts_ms", where=where))

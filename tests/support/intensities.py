"""Landed grid intensities: rows, and files that bring them."""

from __future__ import annotations

from typing import Any

from tests.support.landed import landed_bytes, landed_name, put
from warehouse.config import Config

MS_PER_MINUTE = 60_000


def intensity(start_ms: int, gco2e_per_kwh: float, *, minutes: int = 60, **changes: Any) -> dict[str, Any]:
    """Return a row of grid intensity: what a feed states of Great Britain; what is not stated is as usual."""
    return {
        "zone": "GB",
        "start_ms": start_ms,
        "end_ms": start_ms + minutes * MS_PER_MINUTE,
        "gco2e_per_kwh": gco2e_per_kwh,
        "kind": "average",
        "basis": "lifecycle",
        "flow": "consumption",
        "is_estimate": False,
        "provider": "stated",
        "factor_set": "own",
        "updated_ms": None,
        "fetched_ms": start_ms + 3 * 60 * MS_PER_MINUTE,
        "response_sha256": "0" * 64,
    } | changes


def land(config: Config, rows: list[dict[str, Any]], name: str, *, written_ms: int | None = None) -> None:
    """Put a file with these rows into the landing folder."""
    written = rows[0]["fetched_ms"] if written_ms is None else written_ms
    content = landed_bytes("grid_intensity", rows, written_ms=written)
    put(config.landing_path, landed_name("grid_intensity", rows[0]["start_ms"], name), content)

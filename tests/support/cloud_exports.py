"""Rows of carbon exports, and what an import of them landed."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from collectors.contract import STATED_FIGURE
from collectors.importers.formats import load
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult
from collectors.landing.reader import read_landed

Rows = list[dict[str, Any]]


def epoch_ms(year: int, month: int, day: int = 1) -> int:
    """Return midnight UTC of a day [epoch ms]."""
    return round(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


MAY, JUNE = epoch_ms(2024, 5), epoch_ms(2024, 6)


def import_export(tmp_path: Path, content: str | bytes, name: str, **options: str) -> tuple[Rows, ImportResult]:
    """Import a file of that content and return rows in order of key, and the result."""
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    result = import_format(load("cloud-export"), path, tmp_path / "landing", options)
    rows = [row for file in result.files for row in read_landed(file).rows.to_pylist()]
    return sorted(rows, key=lambda row: tuple(str(row[name]) for name in STATED_FIGURE.key)), result


def csv_of(*rows: dict[str, object]) -> str:
    """Return rows as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def column(rows: Rows, *names: str) -> list[Any]:
    """Return columns as tuples."""
    return [tuple(row[name] for name in names) for row in rows]


AWS: dict[str, object] = {
    "last_refresh_timestamp": "2024-06-20 00:00:00Z",
    "location": "US East (N. Virginia)",
    "model_version": "v3.0.0",
    "payer_account_id": "111111111111",
    "product_code": "AmazonEC2",
    "region_code": "us-east-1",
    "total_lbm_emissions_unit": "MTCO2e",
    "total_lbm_emissions_value": "0.1234567",
    "total_mbm_emissions_unit": "MTCO2e",
    "total_mbm_emissions_value": "0.05",
    "usage_account_id": "222222222222",
    "usage_period_end": "2024-05-31 23:59:59Z",
    "usage_period_start": "2024-05-01 00:00:00Z",
}


GOOGLE = {
    "usage_month": "2024-05-01",
    "billing_account_id": "007-AAA",
    "project": {"id": "ml-prod", "number": "802"},
    "service": {"description": "Vertex AI", "id": "F17B"},
    "location": {"location": "us-central1-a", "region": "us-central1"},
    "carbon_model_version": "14",
    "carbon_footprint_kgCO2e": {
        "scope1": 1.5,
        "scope2": {"location_based": 20.25, "market_based": 4.0},
        "scope3": 8,
    },
    "carbon_footprint_total_kgCO2e": {"location_based": 29.75, "market_based": 13.5, "after_offsets": None},
    "carbon_offsets_kgCO2e": None,
}


def flattened(value: dict[str, Any], mark: str) -> dict[str, object]:
    """Return a nested row with one mark between the parts of a name."""
    flat: dict[str, object] = {}
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat |= {f"{key}{mark}{name}": item for name, item in flattened(inner, mark).items()}
        else:
            flat[key] = inner
    return flat

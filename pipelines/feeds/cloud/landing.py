"""From the verdict to landed files: rows of ``cloud_region_factor``, and refused rows with their reason.

What belongs here: the shape of a landing row and of a refused row. What must not be here: what is right or wrong.

Refused rows take the way of every importer: a file under ``_rejected`` in the landing folder, which ingest takes into
quarantine.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import factors
from pipelines.feeds.cloud.checks_rows import RegionMap
from pipelines.feeds.cloud.faults import FAULTS
from pipelines.feeds.cloud.judge import Judged, Refused
from pipelines.feeds.cloud.publication import Figure, Publication

if TYPE_CHECKING:
    from collectors.importers.errors import RejectedRow
    from collectors.importers.staging import ImportResult

TABLE = "cloud_region_factor"
NAME = "cloud-regions"
"""Name of the import, part of its files' names."""


def region_map() -> RegionMap:
    """Give the packaged region map by provider and region."""
    return {(entry.provider, entry.region): entry for entry in factors.region_zones()}


def land(judged: Judged, landing: Path) -> ImportResult:
    """Write what was taken into landing, and what was refused beside it; again changes nothing.

    Args:
        judged: the verdict.
        landing: landing folder; made if it is missing.

    Returns:
        Counts, files, refused rows and findings.

    Raises:
        LandingError: if a row breaks the landing contract; nothing is landed.
        OSError: if landing cannot be written.
    """
    # Not at import: the command line starts without pyarrow.
    from collectors.importers.staging import Staging

    with tempfile.TemporaryDirectory(prefix="wattledger-cloud-") as folder:
        staged = Staging(Path(folder), NAME, _digest(judged))
        staged.add(TABLE, [_row(publication, figure) for publication, figure in judged.taken])
        for entry in judged.refused:
            staged.reject(_rejected(entry))
        return staged.publish(
            landing,
            rows_read=len(judged.taken) + len(judged.refused),
            rows_filtered=0,
            findings=[f"{mark.name}: {mark.detail}" for mark in judged.findings],
        )


def _row(publication: Publication, figure: Figure) -> dict[str, Any]:
    """Give the landing row of a figure."""
    valid_from, valid_to = figure.interval_ms
    return {
        "provider": figure.provider,
        "region": figure.region,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "metric": figure.metric,
        "value": figure.value,
        "unit": figure.unit,
        "source": figure.source,
        "published": publication.published,
        "fetched_ms": publication.fetched_ms,
        "response_sha256": publication.sha256,
        "basis": figure.basis,
        "version": publication.version,
        "flags": ",".join(figure.flags) or None,
    }


def _rejected(entry: Refused) -> RejectedRow:
    """Give a refused row as importers leave it."""
    from collectors.importers.errors import RejectedRow

    if entry.figure is None:
        values: dict[str, Any] = dict(entry.values)
    else:
        figure = entry.figure
        values = {
            **{"source": figure.source, "provider": figure.provider, "region": figure.region, "year": figure.year},
            **{"metric": figure.metric, "column": figure.column, "value": figure.value, "unit": figure.unit},
            **{"basis": figure.basis, "zone": figure.zone, "geolocation": figure.place},
        }
    # Rows of a source file are counted without its header.
    row = None if entry.line is None else entry.line - 1
    return RejectedRow(TABLE, entry.reason, f"{entry.detail}. {FAULTS[entry.reason].sentence}", entry.file, row, values)


def _digest(judged: Judged) -> str:
    """Give a hash over all that the landed rows depend on."""
    total = hashlib.sha256()
    for p in judged.publications:
        total.update(f"{p.source}\0{p.name}\0{p.version}\0{p.published}\0{p.fetched_ms}\0{p.sha256}\n".encode())
    for entry in judged.refused:
        total.update(f"{entry.reason}\0{entry.file}\0{entry.line}\0{entry.detail}\n".encode())
    for _, figure in judged.taken:
        total.update(f"{figure!r}\n".encode())
    return total.hexdigest()

"""Telling Dagster what ``wattledger run`` computed, so that ``dagster dev`` shows it with row counts.

What belongs here: materialisation events of runs without Dagster, and the place of Dagster's own files. What must not
be here: assets (``pipelines/assets``). Dagster is imported only here, when there is something to tell.
"""

from __future__ import annotations

import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagster import AssetMaterialization

    from warehouse.engine import RunReport
    from warehouse.lake import Lake

DAGSTER_FOLDER = "dagster"
INSTANCE_FILE = "dagster.yaml"
_HERE = Path(__file__).resolve()
# In a clone the file lies at the root; in a wheel the build puts it into the package.
PLACES = (_HERE.parents[2] / INSTANCE_FILE, _HERE.parents[1] / INSTANCE_FILE)


def dagster_home(home: Path) -> Path:
    """Return Dagster's folder in the home of an installation."""
    return home / DAGSTER_FOLDER


def prepare_dagster_home(home: Path) -> Path:
    """Make Dagster's folder with our ``dagster.yaml``; a file that is there stays as it is.

    Args:
        home: home of the installation.

    Raises:
        FileNotFoundError: if the program was installed without its ``dagster.yaml``.
    """
    folder = dagster_home(home)
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    if not (folder / INSTANCE_FILE).exists():
        source = next((place for place in PLACES if place.is_file()), None)
        if source is None:
            msg = f"no {INSTANCE_FILE} in {PLACES[0].parent} or {PLACES[1].parent}; install wattledger again"
            raise FileNotFoundError(msg)
        shutil.copyfile(source, folder / INSTANCE_FILE)
    return folder


def record(lake: Lake, report: RunReport, html: Path | None = None) -> int:
    """Write materialisation events of all that a run filled into the Dagster instance of the installation.

    Args:
        lake: an open lake.
        report: what the run did.
        html: the report that was written, if any.

    Returns:
        Events written.
    """
    from dagster import BetaWarning, DagsterInstance, PreviewWarning

    with warnings.catch_warnings():
        # What Dagster says about itself to its developers is nothing that our users can act on.
        warnings.simplefilter("ignore", BetaWarning)
        warnings.simplefilter("ignore", PreviewWarning)
        events = [*_tables(lake, report), *_files(report, html)]
    with DagsterInstance.from_config(str(dagster_home(lake.config.home))) as instance:
        for event in events:
            instance.report_runless_asset_event(event)
    return len(events)


def _tables(lake: Lake, report: RunReport) -> Iterator[AssetMaterialization]:
    """Yield one event a table without partitions, and one a table and partition that the run touched."""
    from dagster import AssetMaterialization

    from pipelines.describe import filled, key_of
    from pipelines.partitions import month_key
    from warehouse.registry import ALL_TABLES
    from warehouse.temporaries import ALL
    from warehouse.transform import MONTHLY

    computed = {name for name, _ in report.computed}
    for entry in ALL_TABLES:
        if entry.schema in {"ref", "raw", "audit"} and not entry.partition:
            yield AssetMaterialization(key_of(entry.qualified), metadata=filled(lake, entry.qualified))
    for (name, partition), rows in _landed(report).items():
        metadata = filled(lake, name, rows_landed=rows)
        yield AssetMaterialization(key_of(name), partition=partition, metadata=metadata)
    totals = {name: filled(lake, name, calc_run_id=report.calc_run_id) for name in computed}
    for (name, partition), rows in report.computed.items():
        whole = partition == ALL
        key = None if whole else month_key(partition) if name in MONTHLY else partition
        metadata = totals[name] if whole else {**totals[name], "dagster/partition_row_count": rows}
        yield AssetMaterialization(key_of(name), partition=key, metadata=metadata)


def _landed(report: RunReport) -> dict[tuple[str, str], int]:
    """Return rows by landed table and Dagster's partition of the files that were taken in."""
    from pipelines.partitions import landed_partition

    rows: Counter[tuple[str, str]] = Counter()
    for outcome in report.ingest.outcomes:
        place = landed_partition(outcome.path)
        if outcome.status == "loaded" and place is not None:
            rows[place] += outcome.rows_total - outcome.rows_rejected
    return dict(sorted(rows.items()))


def _files(report: RunReport, html: Path | None) -> Iterator[AssetMaterialization]:
    from dagster import AssetKey, AssetMaterialization, MetadataValue

    for name, path in (("organisation", report.published), ("report", html)):
        if path is not None:
            metadata: dict[str, Any] = {"path": MetadataValue.path(str(path)), "size_bytes": path.stat().st_size}
            yield AssetMaterialization(AssetKey(["published", name]), metadata=metadata)

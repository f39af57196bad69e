"""The raw layer: one step takes in what has landed; the landed tables show which hours and days came.

What belongs here: ingest as assets. What must not be here: which file is acceptable (``warehouse.ingest``).

Ingest is by file and not by partition, so nobody can ask for an hour again: the ledgers are what the step makes, and
the landed tables are external assets to which it reports the hours and days of the files that it took in.
"""

from collections import Counter
from collections.abc import Iterator

import dagster as dg

from pipelines.assets.plans import NAME as PLANNED_RUNS
from pipelines.describe import filled, key_of, spec
from pipelines.feeds.sources import SOURCES
from pipelines.partitions import landed_partition, of_raw
from pipelines.resources import WRITER_POOL, Installation
from warehouse import engine
from warehouse.ingest import IngestReport, ingest_landing
from warehouse.lake import Lake
from warehouse.registry import tables_in
from warehouse.remote import fetch_remote

# What landed and is shown by hours or days; the ledgers of samples stand beside that of files.
LANDED = tuple(
    entry
    for entry in tables_in("raw")
    if entry.partition is not None and entry.name not in {"sample_source", "sample_series"}
)
LEDGERS = tuple(entry.qualified for entry in tables_in("raw") if entry not in LANDED)
SHOWN_FILES = 50

# What feeds land; what is dropped as a file comes through the landing folder alone.
FROM_FEEDS = frozenset({"raw.grid_intensity", "raw.feed_pull"})


def _made_from(qualified: str) -> dict[str, dg.PartitionMapping | None]:
    feeds = [f"feed.{source}" for source in SOURCES] if qualified in FROM_FEEDS else []
    plans = [PLANNED_RUNS] if qualified == "raw.forecast" else []
    return dict.fromkeys(["raw.ingest_file", *feeds, *plans])


landed_tables = [
    spec(entry.qualified, partitions=of_raw(entry), deps=_made_from(entry.qualified)).merge_attributes(
        kinds={"parquet", "duckdb"}
    )
    for entry in LANDED
]


@dg.multi_asset(
    name="ingest_landing",
    specs=[spec(name) for name in LEDGERS],
    pool=WRITER_POOL,
)
def ingest(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.MaterializeResult]:
    """Take in every landed file, those of an object store too; then make the hour files and work out touched jobs."""
    with installation.lake() as lake:
        remote = fetch_remote(lake)
        if remote.problem:
            context.log.error("%s", remote.problem)
        report = ingest_landing(
            lake, progress=lambda done, whole, name: context.log.debug("file %s of %s: %s", done, whole, name)
        )
        hours = engine.settle(
            lake,
            progress=lambda stage, done, whole, name: context.log.debug("%s %s of %s: %s", stage, done, whole, name),
        )
        context.log.info("%s hours compacted", hours)
        report_landed(context, lake, report)
        for name in LEDGERS:
            yield dg.MaterializeResult(asset_key=key_of(name), metadata=filled(lake, name, **_outcome(report)))


def _outcome(report: IngestReport) -> dict[str, object]:
    refused = [outcome for outcome in report.outcomes if outcome.status == "quarantined"][:SHOWN_FILES]
    return {
        "files_loaded": report.count("loaded"),
        "files_known": report.count("known"),
        "files_quarantined": report.count("quarantined"),
        "rows_rejected": report.rows_rejected,
        "days_touched": ", ".join(report.days) or "none",
        "refused": dg.MetadataValue.md("\n".join(f"- `{one.path}`: {one.reason}: {one.detail}" for one in refused))
        if refused
        else "none",
    }


def report_landed(context: dg.AssetExecutionContext, lake: Lake, report: IngestReport) -> None:
    """Report the hours and days of the files that were taken in, with their rows."""
    rows: Counter[tuple[str, str]] = Counter()
    for outcome in report.outcomes:
        place = landed_partition(outcome.path)
        if outcome.status == "loaded" and place is not None:
            rows[place] += outcome.rows_total - outcome.rows_rejected
    totals = {name: filled(lake, name) for name, _ in rows}
    for (name, partition), landed in sorted(rows.items()):
        context.log_event(
            dg.AssetMaterialization(key_of(name), partition=partition, metadata={**totals[name], "rows_landed": landed})
        )

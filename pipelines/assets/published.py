"""What people open: the published database of the organisation and its report.

What belongs here: when publication is refused, what is told about it. What must not be here: how a file is built
(``warehouse.publish``, ``warehouse.report``).
"""

from pathlib import Path

import dagster as dg

from pipelines.describe import key_of
from pipelines.resources import WRITER_POOL, Installation
from warehouse.audits import open_findings
from warehouse.lake import Lake
from warehouse.publish import publish, published_tables

ORGANISATION = dg.AssetKey(["published", "organisation"])
REPORT = dg.AssetKey(["published", "report"])
SHOWN_FINDINGS = 5
EXPLAINED = ("core", "mart")


class PublicationRefused(dg.Failure):
    """A blocking check has open findings; what is published stays as it is."""


def refuse_while_blocked(lake: Lake) -> None:
    """Refuse to go on while a blocking audit check has open findings.

    Raises:
        PublicationRefused: naming the findings and what to do.
    """
    blocking = open_findings(lake, blocking_only=True)
    if not blocking:
        return
    shown = "; ".join(
        f"{one.check_id}: {one.entity}: {one.observed}, expected {one.expected}" for one in blocking[:SHOWN_FINDINGS]
    )
    msg = (
        f"{len(blocking)} critical findings are open; nothing is published, the last publication stays: {shown}. "
        "Compute the partitions again: job compute_days or compute_months, or `wattledger run --force`"
    )
    raise PublicationRefused(msg, allow_retries=False)


@dg.asset(
    key=ORGANISATION,
    deps=[key_of(entry.qualified) for entry in published_tables() if entry.schema in EXPLAINED],
    group_name="published",
    kinds={"duckdb"},
    description=(
        "The database that people and BI tools open: every published table as of one snapshot of the lake, in one file "
        "that is replaced in one step. Refused while a blocking check has open findings."
    ),
    pool=WRITER_POOL,
)
def organisation(installation: Installation) -> dg.MaterializeResult:
    """Publish the organisation's tables as one DuckDB file."""
    with installation.lake() as lake:
        refuse_while_blocked(lake)
        path = publish(lake)
    return dg.MaterializeResult(metadata=_file(path) | {"tables": len(published_tables())})


@dg.asset(
    key=REPORT,
    deps=[ORGANISATION],
    group_name="published",
    kinds={"html"},
    description="The report of the organisation: HTML with charts, made from the published database alone.",
)
def report(installation: Installation) -> dg.MaterializeResult:
    """Write the report."""
    from warehouse.report import write_report  # charts cost seconds to import; other steps must not pay for them

    return dg.MaterializeResult(metadata=_file(write_report(installation.config())))


def _file(path: Path) -> dict[str, object]:
    return {"path": dg.MetadataValue.path(str(path)), "size_bytes": path.stat().st_size}

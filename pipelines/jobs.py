"""Jobs: the runs that sensors and schedules ask for.

What belongs here: which assets run together, how long a run may take. What must not be here: when they run.

Every job runs in one process: a step costs milliseconds to seconds, a process for each of them seconds.
"""

from __future__ import annotations

import dagster as dg

from pipelines.assets import core, factors, feeds, mart, plans, published, raw
from pipelines.automation import DAYS_JOB, INGEST_JOB, MONTHS_JOB, PUBLISH_JOB, PULL_JOB
from pipelines.checks import monthly_expectations

AUDIT_JOB = "audit"
PLANS_JOB = "forecast_plans"
# A run that takes longer hangs or was killed; Dagster ends it, and the ledger asks for its partitions again.
MAX_RUN_S = 2 * 3600
_TAGS = {"dagster/max_runtime": str(MAX_RUN_S)}


def _job(name: str, selection: dg.AssetSelection, text: str) -> dg.UnresolvedAssetJobDefinition:
    return dg.define_asset_job(
        name,
        selection=selection,
        description=text,
        executor_def=dg.in_process_executor,
        tags=_TAGS,
    )


ingest = _job(
    INGEST_JOB,
    dg.AssetSelection.assets(factors.reference, raw.ingest),
    "Bring factors up to date and take in every landed file.",
)
compute_days = _job(DAYS_JOB, dg.AssetSelection.assets(core.days), "Compute days, and audit them.")
# The Great Expectations suite costs 5 s of a core to import: it belongs to the daily audit, not to every month.
compute_months = _job(
    MONTHS_JOB,
    dg.AssetSelection.assets(mart.months) - dg.AssetSelection.checks(monthly_expectations),
    "Compute months, and audit them.",
)
publish = _job(
    PUBLISH_JOB,
    dg.AssetSelection.assets(mart.whole, published.organisation, published.report),
    "Publish the database of the organisation and write its report.",
)
pull_feeds = _job(
    PULL_JOB,
    dg.AssetSelection.assets(*feeds.FEED_ASSETS),
    "Ask feeds of grid intensities for a range of days, and take in what came.",
)
forecast_plans = _job(
    PLANS_JOB,
    dg.AssetSelection.assets(plans.planned_runs),
    "Forecast the runs that plan files state, and land the forecasts.",
)
audit = _job(AUDIT_JOB, dg.AssetSelection.all_asset_checks(), "Run every audit check over everything computed.")

JOBS = (ingest, compute_days, compute_months, publish, pull_feeds, forecast_plans, audit)

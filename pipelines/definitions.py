"""The Dagster code location: a table of contents.

What belongs here: the list of assets, checks, jobs, sensors, schedules and resources. What must not be here: any of
them.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg

from pipelines.assets import audit, core, factors, feeds, mart, plans, published, raw
from pipelines.checks import build_checks
from pipelines.freshness import with_freshness
from pipelines.jobs import JOBS
from pipelines.resources import Installation, NoPickles
from pipelines.schedules import daily_audit, pull_due_feeds
from pipelines.sensors import landing_sensor, ledger_sensor, plans_sensor


def build_defs(resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """Return fresh definitions.

    Args:
        resources: resources by name that replace the ordinary ones, for tests.
    """
    return dg.Definitions(
        assets=dg.map_asset_specs(
            with_freshness,
            [
                factors.reference,
                *feeds.FEED_ASSETS,
                plans.planned_runs,
                raw.ingest,
                *raw.landed_tables,
                core.days,
                mart.months,
                mart.whole,
                *audit.audit_tables,
                published.organisation,
                published.report,
            ],
        ),
        asset_checks=build_checks(),
        jobs=JOBS,
        sensors=[landing_sensor, ledger_sensor, plans_sensor],
        schedules=[daily_audit, pull_due_feeds],
        resources={"installation": Installation(), "io_manager": NoPickles(), **(resources or {})},
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return what ``dagster dev`` shows; needs no configuration, so that the graph is there on a fresh clone."""
    return build_defs()

"""Schedules: obligations of the calendar, which hold also when nothing has changed.

What belongs here: when. What must not be here: what a job does (``jobs``); work that follows from data (``sensors``);
which days of a feed are due (``pulling``).
"""

from collections.abc import Iterator

import dagster as dg

from pipelines import jobs
from pipelines.automation import PULL_JOB
from pipelines.checks import RANGE_TAGS
from pipelines.describe import key_of
from pipelines.jobs import AUDIT_JOB
from pipelines.partitions import MS_PER_S
from pipelines.pulling import PullRequest, next_pulls
from pipelines.resources import Installation
from pipelines.sensors import unfinished
from warehouse.config import ConfigError
from warehouse.lake import LakeError

# After midnight UTC, when the day before is complete on most collectors, and before the working day in Europe.
DAILY_AUDIT_CRON = "30 4 * * *"

daily_audit = dg.ScheduleDefinition(
    name="daily_audit",
    job_name=AUDIT_JOB,
    cron_schedule=DAILY_AUDIT_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Runs every audit check over everything that was computed, and closes findings that are gone.",
)

# Twice an hour, off the full and half hour at which everybody asks: steps of grid markets are an hour or shorter.
PULL_CRON = "7,37 * * * *"
Pulls = dg.SkipReason | list[dg.RunRequest]


@dg.schedule(
    job=jobs.pull_feeds,
    cron_schedule=PULL_CRON,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Asks every configured feed for the days that are due: new ones, and those to be asked again.",
)
def pull_due_feeds(context: dg.ScheduleEvaluationContext, installation: Installation) -> Pulls:
    """Ask for one run a source and range of neighbouring days that are due; skips where no feed is configured."""
    return due_runs(context.instance, installation, int(context.scheduled_execution_time.timestamp()) * MS_PER_S)


def due_runs(instance: dg.DagsterInstance, installation: Installation, at_ms: int) -> Pulls:
    """Return the runs that ask for what is due, or why there are none.

    Args:
        instance: Dagster's storage, for the runs that go on.
        installation: the installation.
        at_ms: the time [epoch ms].
    """
    if unfinished(instance, PULL_JOB):
        return dg.SkipReason("feeds are being asked; what is due then is asked for at the next look")
    try:
        config = installation.config()
        if not config.feed:
            return dg.SkipReason("no feed is configured: figures rest on yearly means; see wattledger feeds status")
        with installation.lake(read_only=True) as lake:
            requests, problems = next_pulls(lake, at_ms)
    except (ConfigError, LakeError) as error:
        return dg.SkipReason(str(error))
    if not requests:
        left_out = "; ".join(f"{source} cannot be asked: {why}" for source, why in sorted(problems.items()))
        return dg.SkipReason(left_out or "nothing is due")
    return list(_run_requests(requests))


def _run_requests(requests: list[PullRequest]) -> Iterator[dg.RunRequest]:
    for one in requests:
        tags = dict(zip(RANGE_TAGS, (one.first, one.last), strict=True)) if one.first and one.last else {}
        selection = [key_of(f"feed.{one.source}")]
        yield dg.RunRequest(run_key=one.run_key, asset_selection=selection, tags=tags)

"""Feeds of grid intensities as assets: one a source, by UTC day, materialised by asking that source for these days.

What belongs here: which asset asks what, what is told about it, which failure is tried again. What must not be here:
asking (``pipelines.feeds``), what is due (``pipelines.pulling``).

Sources of months and years revise all of them at once, so they have no partitions and are asked for everything.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import dagster as dg

from pipelines.assets.raw import report_landed
from pipelines.describe import key_of
from pipelines.feeds.plan import WHOLE_AGAIN_DAYS
from pipelines.feeds.reasons import MAY_PASS
from pipelines.feeds.sources import SOURCES, client_class
from pipelines.feeds.sync import SyncReport, is_slow, sync
from pipelines.freshness import of_feed
from pipelines.partitions import DAYS, MS_PER_S
from pipelines.resources import WRITER_POOL, Installation
from warehouse.electricity import FeedSection

GROUP = "feed"
MS_PER_H = 3_600_000
S_PER_H = 3600
SHOWN = 10
# A single GET is tried again within a minute (``pipelines.feeds.web``); an outage lasts longer. What still fails after
# these is due at the next look of the schedule as well.
RETRIES = dg.RetryPolicy(max_retries=2, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def feed_asset(source: str, retries: dg.RetryPolicy = RETRIES) -> dg.AssetsDefinition:
    """Return the asset of a source.

    Args:
        source: one of ``pipelines.feeds.sources.SOURCES``.
        retries: how often and when a failure that may pass is tried again.
    """
    feed = client_class(source)
    whole = is_slow(feed)
    every = timedelta(days=WHOLE_AGAIN_DAYS) if whole else timedelta(seconds=min(feed.steps_s))

    spec = dg.AssetSpec(
        key_of(f"{GROUP}.{source}"),
        group_name=GROUP,
        kinds={"python"},
        description=f"{feed.title}: values of the configured zones. Licence: {feed.licence}.",
        metadata={
            "licence": feed.licence,
            "lag_h": feed.lag.total_seconds() / S_PER_H,
            "steps_s": ", ".join(map(str, feed.steps_s)),
            "needs": ", ".join(feed.needs) or "nothing",
        },
        partitions_def=None if whole else DAYS,
    )

    @dg.multi_asset(
        name=f"{GROUP}_{source}",
        specs=[dg.apply_freshness_policy(spec, of_feed(every, feed.lag))],
        backfill_policy=None if whole else dg.BackfillPolicy.single_run(),
        retry_policy=retries,
        pool=WRITER_POOL,
    )
    def pull(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult[None]:
        config = installation.config()
        sections = [section for section in config.feed if section.source == source]
        if not sections:
            note = f"not configured, nothing was asked: name {source} as [[feed]] of {config.home}/wattledger.toml"
            context.log.warning("%s", note)
            return dg.MaterializeResult(metadata={"is_configured": False, "note": note})
        span = _whole_span(sections) if whole else _partition_span(context)
        with installation.lake() as lake, installation.web() as web:
            report = sync(
                lake,
                web=web,
                only=source,
                again=span,
                progress=lambda _, done, number, what: context.log.debug("%s of %s: %s", done, number, what),
            )
            report_landed(context, lake, report.ingest)
        refuse_failures(report)
        return dg.MaterializeResult(metadata=outcome(report))

    return pull


def _partition_span(context: dg.AssetExecutionContext) -> tuple[int, int]:
    window = context.partition_time_window
    return int(window.start.timestamp()) * MS_PER_S, int(window.end.timestamp()) * MS_PER_S


def _whole_span(sections: list[FeedSection]) -> tuple[int, int]:
    since = datetime(min(section.since.year for section in sections), 1, 1, tzinfo=UTC)
    return int(since.timestamp()) * MS_PER_S, int(datetime.now(UTC).timestamp()) * MS_PER_S


def outcome(report: SyncReport) -> dict[str, object]:
    """Return what is told of the askings of one run.

    Args:
        report: what came of them.
    """
    reasons = Counter(pull.reason for pull in report.pulls if pull.reason)
    first = [f"- {pull.zone}: {pull.reason}: {pull.detail}" for pull in report.pulls if pull.reason][:SHOWN]
    return {
        "is_configured": True,
        "asked": len(report.pulls),
        "failed": len(report.failed),
        "values": sum(pull.values_n for pull in report.pulls),
        "changed": sum(pull.changed_n for pull in report.pulls),
        "refused": sum(pull.refused_n for pull in report.pulls),
        "missing_h": sum(pull.missing_ms for pull in report.pulls) / MS_PER_H,
        "reasons": ", ".join(f"{reason}: {count}" for reason, count in sorted(reasons.items())) or "none",
        "first_reasons": dg.MetadataValue.md("\n".join(first)) if first else "none",
    }


def refuse_failures(report: SyncReport) -> None:
    """Fail the step where an asking has no answer; what was answered is kept.

    Args:
        report: what came of the askings.

    Raises:
        dagster.Failure: naming the reasons; tried again only if all of them may pass by themselves.
    """
    if not report.failed and not report.left_out:
        return
    reasons = {str(pull.reason) for pull in report.failed}
    texts = [f"{pull.zone}: {pull.reason}: {pull.detail}" for pull in report.failed[:SHOWN]]
    texts += [f"left out: {entry}" for entry in report.left_out[:SHOWN]]
    may_pass = bool(reasons) and reasons <= MAY_PASS
    advice = (
        "asked again when it is next due" if may_pass else "nothing is tried again by itself: wattledger feeds status"
    )
    msg = f"{'; '.join(texts)} ({advice})"
    raise dg.Failure(msg, metadata=outcome(report), allow_retries=may_pass)


FEED_ASSETS = tuple(feed_asset(source) for source in sorted(SOURCES))

"""``wattledger run``: take in what landed, compute, audit, publish, report."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.comparison import show_comparison
from pipelines.cli.console import Steps, say, show_table, steps
from pipelines.cli.errors import EXIT_FAILED, EXIT_QUARANTINED, EXIT_USAGE, CliError

if TYPE_CHECKING:
    from warehouse.engine import RunReport
    from warehouse.lake import Lake

SHOWN_FILES = 20
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.option("--from", "first", type=DAY, metavar="DAY", help="Compute no earlier day (2025-03-01).")
@click.option("--to", "last", type=DAY, metavar="DAY", help="Compute no later day.")
@click.option("--only", "only", metavar="TABLE", help="Compute one table again (mart.job) and nothing that follows.")
@click.option("--force", is_flag=True, help="Compute every day with facts, also those that nothing touched.")
@click.option("--record/--no-record", default=None, help="Tell Dagster; by default where `wattledger ui` was set up.")
@config_option
@click.pass_context
def run(
    ctx: click.Context,
    first: datetime | None,
    last: datetime | None,
    only: str | None,
    *,
    force: bool,
    record: bool | None,
    config_path: Path | None,
) -> None:
    """Take in what landed, compute what it touches, audit it, publish it and write the report."""
    from warehouse.lake import open_lake

    days = tuple(None if day is None else day.date().isoformat() for day in (first, last))
    if first and last and last < first:
        msg = f"--to {days[1]} lies before --from {days[0]}; the range holds no day"
        raise CliError(msg, EXIT_USAGE)
    config = configuration(config_path)
    with open_lake(config) as lake:
        with steps() as progress:
            report = _one_table(lake, only, days, progress) if only else _whole(lake, days, progress, force=force)
        show_outcome(lake, report)
        show_findings(report)
        show_comparison(config.published_path)
        finish(lake, report, record=record)
    ctx.exit(exit_code(report))


def exit_code(report: RunReport) -> int:
    """Return the exit code of a run: not published, something refused, or all well."""
    if report.blocking or report.remote.problem:
        return EXIT_FAILED
    return EXIT_QUARANTINED if report.ingest.count("quarantined") else 0


def _whole(lake: Lake, days: tuple[str | None, ...], progress: Steps, *, force: bool) -> RunReport:
    from warehouse.engine import run_all

    return run_all(lake, from_day=days[0], to_day=days[1], force=force, progress=progress)


def _one_table(lake: Lake, name: str, days: tuple[str | None, ...], progress: Steps) -> RunReport:
    from warehouse.audits import open_findings
    from warehouse.publish import publish
    from warehouse.rerun import partitions_of, run_table

    try:
        wanted = partitions_of(lake, name, days[0], days[1])
    except ValueError as error:
        msg = f"--only: {error}"
        raise CliError(msg, EXIT_USAGE) from error
    report = run_table(lake, name, wanted, progress=progress)
    report.findings = open_findings(lake)
    report.blocking = open_findings(lake, blocking_only=True)
    report.published = None if report.blocking else publish(lake)
    return report


def show_outcome(lake: Lake, report: RunReport) -> None:
    """Print what was taken in, what was refused and what was computed.

    Args:
        lake: an open lake.
        report: what the run did.
    """
    loaded = [outcome for outcome in report.ingest.outcomes if outcome.status == "loaded"]
    rows = sum(outcome.rows_total - outcome.rows_rejected for outcome in loaded)
    if report.remote.fetched_n:
        megabytes = report.remote.fetched_bytes / 1_000_000
        say(f"Brought over: {report.remote.fetched_n} files, {megabytes:.1f} MB, from the object store.")
    if report.remote.kept_n:
        say(f"  {report.remote.kept_n} of them could not be removed there; they stay, and are not brought over again.")
    say(f"Taken in: {len(loaded)} files with {rows:,} rows; {report.ingest.count('known')} files were known already.")
    _show_refused(lake, report)
    if report.hours_compacted or report.hour_files_opened:
        say(f"Hours: {report.hours_compacted} compacted, {report.hour_files_opened} integrated.")
    if report.remote.problem:
        say(f"NOT BROUGHT OVER: {report.remote.problem}")
    tables: dict[str, list[int]] = defaultdict(list)
    for (name, _), count in report.computed.items():
        tables[name].append(count)
    if not tables:
        say("Computed: nothing, because nothing new touches any day.")
        return
    show_table(
        ("computed", "partitions", "rows"),
        [(name, len(counts), f"{sum(counts):,}") for name, counts in tables.items()],
        right="lrr",
    )


def show_findings(report: RunReport) -> None:
    """Print what the audits have open, and whether it forbids to publish.

    Args:
        report: what the run did.
    """
    if report.findings:
        checks = Counter(finding.check_id for finding in report.findings)
        counted = ", ".join(f"{check} {count}" for check, count in sorted(checks.items()))
        say(f"Audit: {len(report.findings)} open findings ({counted}): wattledger audit")
    for finding in report.blocking[:SHOWN_FILES]:
        say(f"CRITICAL {finding.check_id}: {finding.entity}: {finding.observed}, expected {finding.expected}")
    if report.blocking:
        say("NOT PUBLISHED: what was published before stays. Compute again: wattledger run --force")


def _show_refused(lake: Lake, report: RunReport) -> None:
    from warehouse.quarantine import entries

    refused = [outcome for outcome in report.ingest.outcomes if outcome.status == "quarantined"]
    ids = {entry.path: entry.id for entry in entries(lake, state=None)} if refused else {}
    for outcome in refused[:SHOWN_FILES]:
        say(f"REFUSED {outcome.path}: {outcome.reason}: {outcome.detail}")
        name = ids.get(outcome.path)
        say(f"  next: wattledger quarantine {f'show {name}' if name else 'list'}")
    if len(refused) > SHOWN_FILES:
        say(f"... and {len(refused) - SHOWN_FILES} more refused files: wattledger quarantine list")
    if report.ingest.rows_rejected:
        count = f"{report.ingest.rows_rejected:,}"
        say(f"{count} rows were refused, the rest of their files went in: wattledger quarantine list")


def finish(lake: Lake, report: RunReport, *, record: bool | None) -> None:
    """Write the report and tell Dagster.

    Args:
        lake: an open lake.
        report: what the run did.
        record: whether to tell Dagster; ``None`` for "where it was set up".
    """
    from pipelines.cli import record as recording
    from pipelines.cli.report import write

    html = write(lake.config)
    say()
    say(f"Report:    {html}")
    say(f"Published: {report.published or 'not now, because of critical findings'}")
    home = recording.dagster_home(lake.config.home)
    if not (home.is_dir() if record is None else record):
        return
    recording.prepare_dagster_home(lake.config.home)
    try:
        told = recording.record(lake, report, html)
    except Exception as error:  # noqa: BLE001 - the figures are published; Dagster's view of them may wait
        say(f"Dagster was not told ({type(error).__name__}: {error}); the figures are complete without it.")
    else:
        say(f"Dagster:   {told} materialisations noted; wattledger ui shows them")

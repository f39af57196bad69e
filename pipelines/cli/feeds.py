"""``wattledger feeds``: bring grid intensities up to date, see how they stand, take in files of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.console import say, show_table, steps
from pipelines.cli.errors import EXIT_FAILED, EXIT_QUARANTINED, EXIT_USAGE, CliError

if TYPE_CHECKING:
    from pipelines.feeds.cloud.judge import Judged
    from pipelines.feeds.drop import Drop
    from pipelines.feeds.sync import SyncReport

SHOWN = 20
ADVISED_DAYS = 31
DAY = click.DateTime(formats=["%Y-%m-%d"])
MS_PER_S = 1000
MS_PER_H = 3_600_000


@click.group()
def feeds() -> None:
    """Grid intensities and cloud figures: fetch, revisit, backfill, take in files."""


@feeds.command()
@click.option("--only", metavar="SOURCE", help="Ask this source and no other.")
@config_option
@click.pass_context
def sync(ctx: click.Context, only: str | None, config_path: Path | None) -> None:
    """Ask every configured feed for what is due, and take in what came; `wattledger run` applies it."""
    ctx.exit(_sync(config_path, only, None))


@feeds.command()
@click.argument("source")
@click.option("--from", "first", type=DAY, required=True, metavar="DAY", help="First day (2025-03-01).")
@click.option("--to", "last", type=DAY, required=True, metavar="DAY", help="Last day.")
@config_option
@click.pass_context
def backfill(ctx: click.Context, source: str, first: datetime, last: datetime, config_path: Path | None) -> None:
    """Ask a source again for some days, whether they are due or not."""
    if last < first:
        msg = f"--to {last.date()} lies before --from {first.date()}; the range holds no day"
        raise CliError(msg, EXIT_USAGE)
    end = last + timedelta(days=1)
    span = tuple(int(day.replace(tzinfo=UTC).timestamp()) * MS_PER_S for day in (first, end))
    ctx.exit(_sync(config_path, source, (span[0], span[1])))


def _sync(config_path: Path | None, only: str | None, again: tuple[int, int] | None) -> int:
    from pipelines.feeds.sync import sync as bring_up_to_date
    from warehouse.lake import open_lake

    config = configuration(config_path)
    configured = [section.source for section in config.feed]
    if not configured:
        say("No feed is configured: figures rest on the shipped yearly means. Better ones: wattledger feeds status")
        return 0
    if only is not None and only not in configured:
        msg = f"{only} is not configured; [[feed]] of {config.home} names {', '.join(sorted(set(configured)))}"
        raise CliError(msg, EXIT_USAGE)
    with open_lake(config) as lake, steps() as progress:
        report = bring_up_to_date(lake, only=only, again=again, progress=progress)
    _show_sync(report)
    return EXIT_FAILED if report.failed or report.left_out else 0


def _show_sync(report: SyncReport) -> None:
    values = sum(pull.values_n for pull in report.pulls)
    changed = sum(pull.changed_n for pull in report.pulls)
    refused = sum(pull.refused_n for pull in report.pulls)
    say(f"Asked {len(report.pulls)} times: {values:,} values, {changed:,} of them new or revised, {refused:,} refused.")
    if report.pulls:
        show_table(
            ("source", "zone", "asked", "values", "changed", "refused", "missing h"),
            [
                (source, zone, n, f"{values:,}", f"{new:,}", f"{bad:,}", f"{missing / MS_PER_H:,.1f}")
                for (source, zone), (n, values, new, bad, missing) in sorted(_by_zone(report).items())
            ],
            right="llrrrrr",
        )
    for pull in report.failed[:SHOWN]:
        say(f"FAILED {pull.source} {pull.zone} from {_day(pull.from_ms)}: {pull.reason}: {pull.detail}")
    for entry in report.left_out:
        say(f"LEFT OUT {entry}")
    if changed:
        say("Next: wattledger run applies them to the days that they touch.")


def _by_zone(report: SyncReport) -> dict[tuple[str, str], tuple[int, int, int, int, int]]:
    found: dict[tuple[str, str], tuple[int, int, int, int, int]] = {}
    for pull in report.pulls:
        n, values, new, bad, missing = found.get((pull.source, pull.zone), (0, 0, 0, 0, 0))
        found[pull.source, pull.zone] = (
            n + 1,
            values + pull.values_n,
            new + pull.changed_n,
            bad + pull.refused_n,
            missing + pull.missing_ms,
        )
    return found


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / MS_PER_S, UTC).strftime("%Y-%m-%d")


@feeds.command()
@config_option
def status(config_path: Path | None) -> None:
    """Show how each feed stands, and what would give better factors where energy is used."""
    from pipelines.feeds.sources import SOURCES
    from pipelines.feeds.status import advice, feed_status
    from warehouse.lake import open_lake
    from warehouse.reference import sync_reference

    config = configuration(config_path)
    with open_lake(config) as lake:
        sync_reference(lake)
        standing = feed_status(lake)
        advised = advice(lake, datetime.now(UTC) - timedelta(days=ADVISED_DAYS))
    if standing:
        show_table(
            ("source", "zone", "newest value", "values", "due", "last asked"),
            [
                (
                    entry.source,
                    entry.zone,
                    "none" if entry.newest is None else f"{entry.newest:%Y-%m-%d %H:%M}Z",
                    f"{entry.values_n:,}",
                    entry.due_n,
                    entry.problem or entry.last or "never",
                )
                for entry in standing
            ],
            right="lllrrl",
        )
    else:
        say(
            "No feed is configured: figures rest on the shipped yearly means, marked as tier zone_year or country_year."
        )
    if advised:
        say()
        say("Better factors:")
        show_table(
            ("zone", "now", "source", "how"), [(entry.zone, entry.why, entry.source, entry.how) for entry in advised]
        )
        say("Name a source in wattledger.toml as [[feed]] with source, zones and since: docs/feeds/README.md.")
    say(f"Sources: {', '.join(sorted(SOURCES))}.")


@feeds.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("description", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
@click.pass_context
def drop(ctx: click.Context, data: Path, description: Path, config_path: Path | None) -> None:
    """Take in a file of intensities, or of generation by fuel, as a description (TOML) says."""
    from pipelines.feeds.drop import read_drop
    from pipelines.feeds.dropping import land_drop
    from pipelines.feeds.feed import FeedError
    from warehouse.lake import open_lake

    config = configuration(config_path)
    try:
        found = read_drop(data, description)
    except FeedError as error:
        raise CliError(str(error), EXIT_USAGE) from error
    with open_lake(config) as lake:
        new_n = land_drop(lake, found)
    _show_drop(found, new_n)
    ctx.exit(EXIT_QUARANTINED if any(refusal.values_n for refusal in found.refusals) else 0)


def _show_drop(found: Drop, new_n: int) -> None:
    say(f"{found.provider}: {len(found.values):,} values, {new_n:,} of them new or revised. Licence: {found.licence}")
    for refusal in found.refusals[:SHOWN]:
        if refusal.values_n or refusal.reason != "sun_misplaced":
            say(f"REFUSED {refusal.values_n:,} values: {refusal.reason}: {refusal.detail}")
        else:
            say(f"NOTE {refusal.reason}: {refusal.detail}; the values went in")
    for gap in found.gaps[:SHOWN]:
        hours = (gap.end_ms - gap.start_ms) / MS_PER_H
        say(
            f"GAP {gap.zone} {gap.basis} {gap.factor_set}: "
            f"{_moment(gap.start_ms)} to {_moment(gap.end_ms)}, {hours:g} h"
        )
    if len(found.gaps) > SHOWN:
        say(f"... and {len(found.gaps) - SHOWN} more gaps")
    for change in found.step_changes[:SHOWN]:
        say(f"STEP {change.zone}: from {change.before_s} s to {change.after_s} s at {_moment(change.at_ms)}")
    for code, (count, mwh) in sorted(found.clipped.items()):
        say(f"NEGATIVE {code}: {count:,} intervals with {mwh:,.1f} MWh in all were taken as zero")
    if new_n:
        say("Next: wattledger run applies them to the days that they touch.")


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / MS_PER_S, UTC).strftime("%Y-%m-%d %H:%MZ")


@feeds.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--fetch", is_flag=True, help="Fetch the published tables instead of reading files.")
@config_option
@click.pass_context
def cloud(ctx: click.Context, files: tuple[Path, ...], *, fetch: bool, config_path: Path | None) -> None:
    """Take in Google's and the Green Software Foundation's tables of cloud regions; faulty rows go to quarantine."""
    from pipelines.feeds.dropping import land_cloud
    from pipelines.feeds.feed import FeedError
    from warehouse.lake import open_lake

    if bool(files) == fetch:
        msg = "name the files (2024.csv, region-metadata.csv), or say --fetch"
        raise CliError(msg, EXIT_USAGE)
    config = configuration(config_path)
    try:
        with open_lake(config) as lake:
            judged = land_cloud(lake, files)
    except FeedError as error:
        raise CliError(str(error)) from error
    _show_cloud(judged)
    ctx.exit(EXIT_QUARANTINED if judged.refused else 0)


def _show_cloud(judged: Judged) -> None:
    flags = judged.flags()
    say(f"{len(judged.taken):,} figures taken, {len(judged.refused):,} refused, {sum(flags.values()):,} flags.")
    for (name, file), count in Counter((entry.reason, entry.file) for entry in judged.refused).most_common():
        first = next(entry for entry in judged.refused if (entry.reason, entry.file) == (name, file))
        line = "" if first.line is None else f", line {first.line}"
        say(f"REFUSED {count:,}: {name}: {file}{line}: {first.detail}{' (the first)' if count > 1 else ''}")
    for name, count in flags.most_common():
        say(f"FLAGGED {count:,}: {name}")
    for mark in judged.findings[:SHOWN]:
        say(f"NOTE {mark.name}: {mark.detail}")

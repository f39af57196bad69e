"""``wattledger quarantine``: look after refused files and rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.console import say, show_table, steps
from pipelines.cli.errors import EXIT_QUARANTINED, EXIT_USAGE, CliError

SHOWN_DETAIL = 100


@click.group()
def quarantine() -> None:
    """List, show, retry and discard what was refused."""


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="Also what was released or discarded.")
@config_option
def list_entries(*, everything: bool, config_path: Path | None) -> None:
    """Show what is in quarantine, oldest first."""
    from warehouse.lake import open_lake
    from warehouse.quarantine import entries

    with open_lake(configuration(config_path), read_only=True) as lake:
        found = entries(lake, state=None if everything else "open")
    if not found:
        say("Nothing is in quarantine.")
        return
    cells = [
        (entry.id, entry.what, entry.reason, entry.count, entry.state, entry.path, _short(entry.detail))
        for entry in found
    ]
    show_table(("id", "what", "reason", "count", "state", "path or table", "detail"), cells, right="lllr")
    say("Next: wattledger quarantine show ID; after a fix, retry ID; or discard ID --note WHY")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_DETAIL else text[: SHOWN_DETAIL - 3] + "..."


@quarantine.command()
@click.argument("prefix", metavar="ID")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Most rows to show.")
@config_option
def show(prefix: str, limit: int, config_path: Path | None) -> None:
    """Show one refused file: why, where it is kept, and its refused rows."""
    from warehouse import quarantine as shelf
    from warehouse.lake import open_lake

    with open_lake(configuration(config_path), read_only=True) as lake:
        found = shelf.show(lake, prefix, limit=limit)
    say(f"id:      {found['file_sha256']}")
    if found["file"]:
        _show_file(found["file"])
    if found["kept_at"]:
        say(f"kept at: {found['kept_at']}")
    for row in found["rows"]:
        say(f"row {row['row_number']}: {row['reason']} ({row['state']}): {row['detail']}")
        say(f"  {row['row']}")


def _show_file(file: dict[str, Any]) -> None:
    from warehouse.reasons import FILE_REASONS

    say(f"path:    {file['path']} ({file['size_bytes']} bytes), refused {file['first_seen']:%Y-%m-%d %H:%M:%S} UTC")
    say(f"reason:  {file['reason']}: {FILE_REASONS.get(file['reason'], '')}")
    say(f"detail:  {file['detail']}")
    say(f"state:   {file['state']}" + (f": {file['note']}" if file["note"] else ""))


@quarantine.command()
@click.argument("prefix", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Everything that is open.")
@config_option
@click.pass_context
def retry(ctx: click.Context, prefix: str | None, *, everything: bool, config_path: Path | None) -> None:
    """Judge refused files and rows again by the rules and the program of today."""
    from warehouse import quarantine as shelf
    from warehouse.lake import open_lake

    if (prefix is None) != everything:
        msg = "give an id or --all: wattledger quarantine retry ID | --all"
        raise CliError(msg, EXIT_USAGE)
    with open_lake(configuration(config_path)) as lake:
        with steps() as progress:
            progress("retry", 0, 1, prefix or "all")
            outcomes = shelf.retry(lake, prefix)
            progress("retry", 1, 1, "")
        still = [entry for entry in shelf.entries(lake) if prefix is None or entry.id.startswith(prefix[:12])]
    for outcome in outcomes:
        why = f": {outcome.reason}: {outcome.detail}" if outcome.reason else ""
        say(f"{outcome.status}: {outcome.path}{why}")
    say(f"{len(outcomes)} files judged again; {len(still)} entries are still refused.")
    if any(outcome.status == "loaded" for outcome in outcomes):
        say("Next: wattledger run")
    ctx.exit(EXIT_QUARANTINED if still else 0)


@quarantine.command()
@click.argument("prefix", metavar="ID")
@click.option("--note", required=True, help="Why it will not be taken in; kept with the entry.")
@config_option
def discard(prefix: str, note: str, config_path: Path | None) -> None:
    """Decide that a refused file or its refused rows stay out. The file is kept."""
    from warehouse import quarantine as shelf
    from warehouse.lake import open_lake

    with open_lake(configuration(config_path)) as lake:
        sha256 = shelf.discard(lake, prefix, note)
    say(f"Discarded {sha256[:12]}: {note.strip()}")

"""``wattledger audit``: run the life-cycle audits and show what is open."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.console import say, show_table
from pipelines.cli.errors import EXIT_FAILED


@click.command()
@config_option
@click.pass_context
def audit(ctx: click.Context, config_path: Path | None) -> None:
    """Run all audits; exit code 1 if a critical finding is open."""
    from warehouse.audits import open_findings, run_audits
    from warehouse.lake import open_lake

    with open_lake(configuration(config_path)) as lake:
        report = run_audits(lake)
        found = open_findings(lake)
    say(f"{len(report.checks)} checks: {report.opened} findings opened, {report.closed} closed.")
    if not found:
        say("Nothing is open.")
        return
    cells = [(one.severity, one.check_id, one.entity, one.observed, one.expected) for one in found]
    show_table(("severity", "check", "about", "observed", "expected"), cells)
    critical = sum(one.severity == "critical" for one in found)
    say(f"{len(found)} findings are open, {critical} of them critical.")
    ctx.exit(EXIT_FAILED if critical else 0)

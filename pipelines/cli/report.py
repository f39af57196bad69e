"""``wattledger report``: write the organisation's report and say where it is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.console import say
from pipelines.cli.errors import CliError

if TYPE_CHECKING:
    from warehouse.config import Config


def write(config: Config) -> Path:
    """Write the report from what is published.

    Args:
        config: the configuration.

    Returns:
        The HTML file.
    """
    from warehouse.report import write_report

    return write_report(config, datetime.now(tz=UTC))


@click.command()
@config_option
def report(config_path: Path | None) -> None:
    """Write the report (HTML) again from what is published."""
    from warehouse.publish import published_file

    config = configuration(config_path)
    if not published_file(config.published_path).exists():
        msg = f"nothing is published in {config.published_path}; `wattledger run` publishes and writes the report"
        raise CliError(msg)
    say(f"Report: {write(config)}")

"""``wattledger doctor`` and ``wattledger repair``: find out what is wrong with an installation, and mend it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.console import say, show_table
from pipelines.cli.errors import EXIT_FAILED

MARKS = {"ok": "ok", "warning": "WARNING", "error": "ERROR"}


@click.command()
@click.option("--deep", is_flag=True, help="Also read every file again and compare its checksum; slow.")
@config_option
@click.pass_context
def doctor(ctx: click.Context, *, deep: bool, config_path: Path | None) -> None:
    """Examine the installation; exit code 1 if something is broken."""
    config = configuration(config_path)
    from warehouse.doctor import examine

    ctx.exit(_show(examine(config, deep=deep)))


@click.command()
@config_option
@click.pass_context
def repair(ctx: click.Context, config_path: Path | None) -> None:
    """Mend what can be mended from the landed files, and say what was done."""
    config = configuration(config_path)
    from warehouse.doctor import repair as mend

    ctx.exit(_show(mend(config)))


def _show(findings: Iterable[Any]) -> int:
    found = list(findings)
    show_table(("", "what", "detail"), [(MARKS[entry.level], entry.what, entry.detail) for entry in found])
    for entry in found:
        if entry.level != "ok" and entry.advice:
            say(f"{entry.what}: {entry.advice}")
    errors = sum(entry.level == "error" for entry in found)
    say(f"{len(found)} looked at, {errors} errors, {sum(entry.level == 'warning' for entry in found)} warnings.")
    return EXIT_FAILED if errors else 0

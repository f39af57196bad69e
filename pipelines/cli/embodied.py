"""``wattledger embodied``: what our factors and other tools' methods say about one hardware model."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from models.units import HOURS_PER_YEAR
from pipelines.cli.console import say, show_table
from pipelines.cli.errors import EXIT_USAGE, CliError

if TYPE_CHECKING:
    from models.embodied.catalogue import HardwareFactor
    from models.embodied.methods.comparison import Line

ALL, NONE = "all", "none"
HEADINGS = ("name", "kgCO2e", "low", "high", "x selected", "tier", "booked", "counts", "source", "why")


@click.command(epilog='Example: wattledger embodied "NVIDIA H100 80GB HBM3" --methods act,boavizta')
@click.argument("model")
@click.option(
    "--methods", default=ALL, show_default=True, metavar="NAME,...", help="Compatibility methods, or all, or none."
)
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def embodied(model: str, methods: str, form: str) -> None:
    """Show every embodied factor of a hardware model, and what other tools say about it (no ledger is needed)."""
    from models.embodied.methods import registry
    from models.embodied.methods.comparison import UnknownModelError, compare

    try:
        chosen = [registry.method(name) for name in _names(methods, registry.METHOD_NAMES)]
        selected, lines = compare(model, chosen)
    except UnknownModelError as error:
        raise CliError(str(error), EXIT_USAGE) from error
    except ValueError as error:
        msg = f"--methods: {error}"
        raise CliError(msg, EXIT_USAGE) from error
    _write(selected, lines, form)


def _names(methods: str, known: tuple[str, ...]) -> list[str]:
    """Give the names of the methods that were asked for."""
    if methods == ALL:
        return list(known)
    return [] if methods == NONE else list(dict.fromkeys(name.strip() for name in methods.split(",")))


def _write(selected: HardwareFactor, lines: list[Line], form: str) -> None:
    """Write the lines in the form that was asked for."""
    about = {"hardware_model": selected.hardware_model, "unit_basis": selected.unit_basis}
    rows = [about | asdict(line) for line in lines]
    if form == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        life_years = selected.life_h / HOURS_PER_YEAR
        say(f"{selected.hardware_model}: kgCO2e per {selected.unit_basis}, life {life_years:g} years")
        show_table(HEADINGS, [_cells(line) for line in lines], right="lrrrr")
        say(
            "An empty figure is not known; it is never 0. Boundaries, constants, defects: docs/models/compatibility.md."
        )


def _cells(line: Line) -> tuple[str, ...]:
    """Give a line as the cells of the table."""
    numbers = (line.kgco2e, line.low_kgco2e, line.high_kgco2e)
    shown = tuple("" if value is None else f"{value:,.4g}" if value < 1_000 else f"{value:,.0f}" for value in numbers)
    ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
    booked = "yes" if line.is_selected else ""
    return (line.name, *shown, ratio, line.tier, booked, line.counts, line.source, line.why)

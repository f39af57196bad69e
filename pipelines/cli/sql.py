"""``wattledger sql``: read-only SQL on the published database."""

from __future__ import annotations

import csv
import json
import sys
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.console import show_table
from pipelines.cli.errors import EXIT_USAGE, CliError

if TYPE_CHECKING:
    import pyarrow as pa

STDIN = "-"


@click.command(epilog='Example: wattledger sql "select day, sum(it_kwh) from mart.footprint_daily group by day"')
@click.argument("statement", metavar="SQL")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--limit", type=click.IntRange(1, 10_000_000), default=1000, show_default=True, help="Most rows.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True, help="Seconds."
)
@config_option
def sql(statement: str, form: str, limit: int, timeout_s: float, config_path: Path | None) -> None:
    """Run one read-only SQL statement on the published tables (- reads it from standard input)."""
    from warehouse.publish import published_file
    from warehouse.query import run_query

    text = sys.stdin.read() if statement == STDIN else statement
    if not text.strip():
        msg = 'no SQL given; try: wattledger sql "show all tables"'
        raise CliError(msg, EXIT_USAGE)
    config = configuration(config_path)
    result = run_query(published_file(config.published_path), text, limit=limit, timeout_s=timeout_s)
    _write(result.table, form)
    if result.cut:
        click.echo(f"wattledger: only the first {result.table.num_rows} rows are shown; raise --limit", err=True)


def _write(table: pa.Table, form: str) -> None:
    # By position, not by name: a result may have two columns of one name.
    rows = list(zip(*(column.to_pylist() for column in table.columns), strict=True))
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(table.column_names)
        writer.writerows(rows)
    elif form == "json":
        named = [dict(zip(table.column_names, row, strict=True)) for row in rows]
        click.echo(json.dumps(named, default=_json, ensure_ascii=False, indent=1))
    else:
        show_table(table.column_names, [["NULL" if cell is None else cell for cell in row] for row in rows])


def _json(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)

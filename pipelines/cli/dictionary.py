"""``wattledger dictionary``: every table and column, as Markdown."""

from __future__ import annotations

import click


@click.command()
def dictionary() -> None:
    """Print the data dictionary (Markdown), made from the registry of tables."""
    from warehouse.dictionary import dictionary as text

    click.echo(text(), nl=False)

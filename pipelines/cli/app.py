"""The ``wattledger`` command itself: its subcommands, loaded when used, and how errors leave it.

What belongs here: the list of commands and what all of them share. What must not be here: what a command does.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from collectors import __version__
from pipelines.cli.errors import EPILOG, as_messages

if TYPE_CHECKING:
    from warehouse.config import Config

F = TypeVar("F", bound=Callable[..., Any])

# Command -> module in this package and the attribute in it. A command's module is imported when it is used.
COMMANDS = {
    "init": ("init", "init"),
    "first-run": ("first_run", "first_run"),
    "run": ("run", "run"),
    "import": ("importing", "import_group"),
    "feeds": ("feeds", "feeds"),
    "quarantine": ("quarantine", "quarantine"),
    "sql": ("sql", "sql"),
    "report": ("report", "report"),
    "estimate": ("estimate", "estimate"),
    "audit": ("audit", "audit"),
    "embodied": ("embodied", "embodied"),
    "dictionary": ("dictionary", "dictionary"),
    "doctor": ("care", "doctor"),
    "repair": ("care", "repair"),
    "ui": ("ui", "ui"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use, and whose errors are one message."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the commands in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Import and return a command."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name]
        command = getattr(importlib.import_module(f"pipelines.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command; errors leave as one message and an exit code."""
        with as_messages():
            return super().invoke(ctx)


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wattledger", message="%(prog)s %(version)s")
def cli() -> None:
    """The ledger of an organisation's machine-learning energy and carbon."""


def config_option(command: F) -> F:
    """Add ``--config`` to a command."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Configuration file; by default wattledger.toml in WATTLEDGER_HOME (or ./.wattledger).",
    )(command)


def configuration(path: Path | None) -> Config:
    """Read the configuration that a command was given.

    Args:
        path: file named with ``--config``.
    """
    from warehouse.config import load_config

    return load_config(path)

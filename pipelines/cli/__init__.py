"""The ``wattledger`` command: one module a command, thin over what ``warehouse`` and ``collectors`` do.

What belongs here: flags, output to people, exit codes. What must not be here: work that Dagster's assets also do.
"""

from pipelines.cli.app import cli


def main() -> None:
    """Run the command line; the entry point of the installed program."""
    cli(prog_name="wattledger")


__all__ = ["cli", "main"]

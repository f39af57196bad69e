"""What goes wrong on the command line, as one message and one exit code.

What belongs here: exit codes and the translation of exceptions into messages. What must not be here: any command.

Exit codes: 0 done; 1 failed; 2 wrong use or configuration; 3 some files were refused and the rest went in; 4 the lake
is busy; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from pipelines.cli.text import plain_lines

EXIT_FAILED, EXIT_USAGE, EXIT_QUARANTINED, EXIT_BUSY, EXIT_INTERRUPTED = 1, 2, 3, 4, 130
EPILOG = (
    "Exit codes: 0 done; 1 failed; 2 wrong use or configuration; 3 some files were refused, the rest went in; "
    "4 the lake is busy; 130 stopped by Ctrl-C. Docs: docs/cli.md, docs/troubleshooting.md."
)
ENV_DEBUG = "WATTLEDGER_DEBUG"


class CliError(click.ClickException):
    """An error as the user sees it: what, where, why and what to do."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILED) -> None:
        """Make an error with a message and an exit code."""
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance too

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to standard error."""
        click.echo(plain_lines(f"wattledger: {self.format_message()}"), file=file, err=file is None)


class InterruptedRunError(CliError):
    """The user stopped the program."""

    def __init__(self) -> None:
        """Say what a stop leaves behind."""
        super().__init__(
            "stopped. Nothing is left half done: what was finished stays, the next `wattledger run` does the rest.",
            EXIT_INTERRUPTED,
        )


@contextmanager
def as_messages() -> Iterator[None]:
    """Turn exceptions into ``CliError``; one that we do not know is a defect and says how to report it."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt as error:
        raise InterruptedRunError from error
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get(ENV_DEBUG):
            traceback.print_exc()
        raise _translated(error) from error


def _translated(error: Exception) -> CliError:
    # Imported here: naming an error must not cost every command the import of DuckDB.
    import duckdb
    from filelock import Timeout

    from collectors.importers.errors import MappingError, SourceError
    from warehouse.config import ConfigError
    from warehouse.lake import LakeBusyError, LakeError, is_interrupt
    from warehouse.publish import PublishError
    from warehouse.quarantine import QuarantineError
    from warehouse.query import QueryError
    from warehouse.transform import ConservationError

    if is_interrupt(error):
        return InterruptedRunError()
    if isinstance(error, (ConfigError, QuarantineError, MappingError, SourceError)):
        return CliError(str(error), EXIT_USAGE)
    if isinstance(error, LakeBusyError):
        return CliError(str(error), EXIT_BUSY)
    if isinstance(error, (LakeError, QueryError)):
        return CliError(str(error))
    if isinstance(error, ConservationError):
        return CliError(f"{error}; nothing of that day was changed. This is a defect; please report it")
    if isinstance(error, PublishError):
        return CliError(str(error), EXIT_BUSY if isinstance(error.__context__, Timeout) else EXIT_FAILED)
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return CliError(str(error))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return CliError(f"{where}{error.strerror or error}; free space or fix the rights there, then run again")
    if isinstance(error, duckdb.Error):
        return CliError(f"DuckDB: {error}; `wattledger doctor` looks for the cause")
    kind = type(error).__name__
    return CliError(f"{kind}: {error}. This is a defect; set {ENV_DEBUG}=1 to see where, and report it")

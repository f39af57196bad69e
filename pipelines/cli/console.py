"""Output to people: tables, plain text, progress that is a bar on a terminal and plain lines elsewhere.

What belongs here: how something is shown. What must not be here: what is shown.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pipelines.cli.text import plain, plain_lines

# Wide enough that nothing is cut or wrapped where a file or a pipe takes the output.
UNLIMITED_WIDTH = 10_000
PLAIN_EVERY_S = 5.0


def console(*, stderr: bool = False) -> Console:
    """Return a console on today's standard output or standard error.

    Args:
        stderr: whether to take standard error.
    """
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else UNLIMITED_WIDTH
    return Console(file=stream, width=width, highlight=False)


def say(text: str = "") -> None:
    """Print lines of plain text."""
    console().print(Text(plain_lines(text)), soft_wrap=True)


def show_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: str = "") -> None:
    """Print a table.

    Args:
        columns: headings.
        rows: cells, of any type.
        right: one letter a column: ``r`` for right-aligned.
    """
    table = Table(show_edge=False, pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(Text(name), justify="right" if right[number : number + 1] == "r" else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    console().print(table)


class Steps:
    """Progress of named stages: bars on a terminal, one line now and then elsewhere."""

    def __init__(self, progress: Progress | None) -> None:
        """Show on a rich progress, or as lines without one."""
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._told: dict[str, tuple[int, float]] = {}

    @property
    def is_live(self) -> bool:
        """Whether bars are shown, on a terminal."""
        return self._progress is not None

    def __call__(self, stage: str, done: int, whole: int, what: str) -> None:
        """Tell how far a stage is.

        Args:
            stage: name of the stage.
            done: steps done.
            whole: steps in all; 0 where there is nothing to do.
            what: what is at hand.
        """
        if self._progress is None:
            self._line(stage, done, whole, what)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=max(whole, 1), what="")
        shown = plain(what)[-40:]
        self._progress.update(self._tasks[stage], completed=done if whole else 1, total=max(whole, 1), what=shown)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        if self._progress is None:
            say(text)
        else:
            self._progress.console.print(Text(plain(text)))

    def _line(self, stage: str, done: int, whole: int, what: str) -> None:
        last = self._told.get(stage)
        finished = done >= whole
        if last is not None and (last[0] == done or (not finished and time.monotonic() - last[1] < PLAIN_EVERY_S)):
            return
        self._told[stage] = (done, time.monotonic())
        say(f"{stage}: {done} of {whole}" + (f" ({plain(what)})" if what else ""))


@contextmanager
def steps() -> Iterator[Steps]:
    """Give a ``Steps`` that fits where the output goes."""
    shown = console()
    if not shown.is_terminal:
        yield Steps(None)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=shown) as progress:
        yield Steps(progress)

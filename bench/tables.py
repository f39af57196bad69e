"""What a benchmark says: figures held against goals, and small tables.

What belongs here: the shape of results and how they are printed. What must not be here: the file of them (``report``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.measure import Cost


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title; all cells are text."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def text(self) -> str:
        """Return it for a terminal and for Markdown alike."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[at]) for line in lines) for at in range(len(self.header))]
        rule = tuple("-" * width for width in widths)
        padded = [self.header, rule, *self.rows]
        return "\n".join(
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
            for line in padded
        )


@dataclass(slots=True)
class Section:
    """What one benchmark found.

    Attributes:
        name: module of the benchmark.
        title: question that it answers.
        notes: sentences: what is compared, and how.
        tables: what was measured.
        figures: figures that a goal is about, by id of ``goals``.
        profile: where the time goes; shown where a goal of this section is missed.
    """

    name: str
    title: str
    notes: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    profile: list[Table] = field(default_factory=list)

    def print(self) -> None:
        """Print it."""
        print(f"\n== {self.title}")
        for note in self.notes:
            print(f"   {note}")
        for table in (*self.tables, *self.profile):
            print(f"\n{table.title}\n{table.text()}")
        for name, value in self.figures.items():
            print(f"{name}: {number(value)}")

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Section:
        """Return what ``to_dict`` gave."""

        def tables(name: str) -> list[Table]:
            return [
                Table(one["title"], tuple(one["header"]), [tuple(row) for row in one["rows"]]) for one in values[name]
            ]

        return cls(**values | {"tables": tables("tables"), "profile": tables("profile")})


def number(value: float) -> str:
    """Return a number with three digits that count."""
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


COST_HEADER = ("what", "wall s", "CPU s", "CPU s of the process", "ns CPU a row", "peak MB, all", "max RSS MB, one")


def cost_row(what: str, cost: Cost, rows_n: int) -> tuple[str, ...]:
    """Return a row of a table with ``COST_HEADER``."""
    return (
        what,
        number(cost.wall_s),
        number(cost.cpu_s),
        number(cost.process_cpu_s),
        number(cost.cpu_s / rows_n * 1e9),
        number(cost.peak_mb),
        number(cost.max_rss_mb),
    )


def profile_table(title: str, seconds: Sequence[tuple[str, float, int]], whole_s: float, most: int = 12) -> Table:
    """Return the costliest parts of a work.

    Args:
        title: title of the table.
        seconds: name, CPU time [s] and number of calls of each part; 0 if not counted.
        whole_s: CPU time of the whole [s].
        most: rows to keep.
    """
    ordered = sorted(seconds, key=lambda one: -one[1])[:most]
    rows = [
        (name.replace("|", " "), number(cpu), f"{cpu / whole_s:.1%}", str(calls or "")) for name, cpu, calls in ordered
    ]
    return Table(title, ("part", "CPU s", "of the whole", "calls"), rows)

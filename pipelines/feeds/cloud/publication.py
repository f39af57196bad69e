"""What a publication of cloud figures is, what is read from it, and the interface that both sources have.

What belongs here: the types that readers, checks and the landing share, and years as intervals. What must not be here:
any one source.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from pipelines.feeds.cloud.faults import FAULTS
from pipelines.feeds.cloud.github import UNKNOWN_DATE, Asks

FISCAL_START_MONTH = {"azure": 7}
"""First month of the year in which a provider states its PUE and WUE, where it is not January: Microsoft's fiscal year
N runs from July N-1 to June N."""


@dataclass(frozen=True, slots=True)
class Publication:
    """One published table, as its bytes.

    Attributes:
        source: who publishes; also ``source`` of the landing rows.
        name: file name, for errors and provenance.
        body: the content.
        fetched_ms: when it was fetched [epoch ms UTC].
        year: the year that it describes, where the whole table is about one.
        version: commit of the publisher's repository; None where not known.
        published: date of that version, ISO 8601, or ``unknown``.
    """

    source: str
    name: str
    body: bytes
    fetched_ms: int
    year: int | None = None
    version: str | None = None
    published: str = UNKNOWN_DATE

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one region and year.

    Attributes:
        source: source of the landing row; the grid figures of a table have one of their own.
        provider: ``aws``, ``azure`` or ``gcp``.
        region: the provider's id of the region.
        year: the year as the publication names it.
        metric: one of the landing contract's.
        column: column of the table.
        value: the figure.
        unit: its unit.
        basis: ``lifecycle`` or ``operational``; None where it has none or nobody says.
        line: line of the file, from 1, the header included.
        zone: grid zone that the row states; empty if none.
        place: coordinates that the row states, as text; empty if none.
        flags: faults that do not touch the value.
    """

    source: str
    provider: str
    region: str
    year: int
    metric: str
    column: str
    value: float
    unit: str
    basis: str | None
    line: int
    zone: str = ""
    place: str = ""
    flags: tuple[str, ...] = ()

    @property
    def row_key(self) -> tuple[str, str, int]:
        """Provider, region and year."""
        return self.provider, self.region, self.year

    @property
    def series(self) -> str:
        """Name of the column's series: the same when the publisher renames the column of its own file."""
        return f"{self.metric}{GRID_SUFFIX}" if self.is_grid else self.metric

    @property
    def is_grid(self) -> bool:
        """Whether the figure is the grid's as a third party states it, not the provider's own."""
        return self.source.endswith(GRID_SUFFIX)

    @property
    def interval_ms(self) -> tuple[int, int]:
        """Start and end of the year that the figure describes [epoch ms UTC], half-open."""
        month = FISCAL_START_MONTH.get(self.provider, 1) if self.metric in {"pue", "wue"} else 1
        first = self.year if month == 1 else self.year - 1
        return _ms(first, month), _ms(first + 1, month)


GRID_SUFFIX = "_grid"
"""Ends the source of figures that a table states for the grid, not for the provider."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A fault that was found.

    Attributes:
        name: one of ``FAULTS``.
        detail: what was found and what was expected.
        figure: the figure; None where the fault concerns a row or the whole table.
        file: name of the table, where there is no figure.
        line: line of the file; None where the fault concerns no line.
        values: what the row holds, where there is no figure.
    """

    name: str
    detail: str
    figure: Figure | None = None
    file: str = ""
    line: int | None = None
    values: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a name that is not in the list."""
        if self.name not in FAULTS:
            msg = f"{self.name!r} is not in the list of faults"
            raise ValueError(msg)


@dataclass(slots=True)
class Reading:
    """What one publication holds.

    Attributes:
        publication: what was read.
        figures: every figure that is a number, right or wrong.
        marks: what could not be read.
        missing: blank or NA values by metric.
    """

    publication: Publication
    figures: list[Figure] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    missing: Counter[str] = field(default_factory=Counter)


class CloudSource(Protocol):
    """One publisher of tables of cloud regions.

    Attributes:
        source: name of the source.
        title: name for people.
        licence: under which licence its values may be used.
    """

    source: str
    title: str
    licence: str

    def fetch(self, web: Asks) -> list[Publication]:
        """Fetch all tables of the publisher, with the version where it can be had.

        Raises:
            FeedError: if there is no complete answer.
        """
        ...

    def read(self, path: Path) -> Publication:
        """Read a table from a file; the file's own time says when it came.

        Raises:
            FeedError: if the file's name does not say what it is.
            OSError: if the file cannot be read.
        """
        ...

    def parse(self, publication: Publication) -> Reading:
        """Read the figures of a table; the same bytes always give the same figures.

        Raises:
            FeedError: if it is no table at all.
        """
        ...


def modified_ms(path: Path) -> int:
    """Give when a file was written last [epoch ms UTC]."""
    return path.stat().st_mtime_ns // 1_000_000


def _ms(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1_000

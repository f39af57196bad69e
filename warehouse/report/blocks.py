"""What a part of the report is made of: boxes, figures, tables, prose. The template knows these and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

from warehouse.report.numbers import percent
from warehouse.report.queries import ReportData, Result


@dataclass(frozen=True, slots=True)
class Caption:
    """What a reader must know to use a figure.

    Attributes:
        boundary: what the energy and emissions cover.
        method: how they were made.
        factors: data set and version of the factors.
        coverage: share of device time that readings cover.
        query: id of the named query by which the data can be had.
        csv: file with the data, relative to the page.
    """

    boundary: str
    method: str
    factors: str
    coverage: str
    query: str
    csv: str


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One line of a legend: a colour, hatched where it stands for estimated energy."""

    label: str
    colour: str
    is_hatched: bool = False


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column of a table.

    Attributes:
        label: heading.
        cells: marked-up or plain cells, one a row; plain text is escaped by the template.
        is_number: right-aligned with figures of equal width.
        is_name: text from outside; isolated in its writing direction.
        is_long: gets more room.
        unit: unit below the heading.
    """

    label: str
    cells: Sequence[Markup | str]
    is_number: bool = False
    is_name: bool = False
    is_long: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption.

    Attributes:
        key: id in the page.
        title: heading; shown as the summary where the table is folded away.
        columns: columns from left to right.
        caption: what a reader must know, or ``None`` inside a figure that says it.
        estimated: the mark where energy in it is estimated, else ``None``.
        note: one sentence under the title.
    """

    kind: ClassVar[str] = "table"
    key: str
    title: str
    columns: Sequence[TableColumn]
    caption: Caption | None = None
    estimated: str | None = None
    note: Markup | str = ""

    @property
    def rows(self) -> list[tuple[Markup | str, ...]]:
        """Return the cells by row."""
        return list(zip(*(column.cells for column in self.columns), strict=True))


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with everything that must stand beside it.

    Attributes:
        key: id in the page and name of the CSV file.
        title: what is shown, with the unit.
        wide: SVG for paper and screens.
        narrow: SVG for telephones.
        caption: what a reader must know.
        table: the same data as a table.
        note: what the chart shows, in a sentence.
        legend: colours.
        is_labelled: the wide chart names its colours itself; the legend is for the narrow one.
        estimated: the mark where energy in it is estimated, else ``None``.
    """

    kind: ClassVar[str] = "figure"
    key: str
    title: str
    wide: Markup
    narrow: Markup
    caption: Caption
    table: Table
    note: Markup | str = ""
    legend: Sequence[LegendEntry] = ()
    is_labelled: bool = False
    estimated: str | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """One headline figure.

    Attributes:
        key: id in the page.
        label: what it is.
        value: the figure.
        lines: what stands below it.
        estimated: the mark where the figure rests on estimated energy, else ``None``.
        bar: share that is filled in a small bar, or ``None``.
        is_incomplete: whether it leaves out something that is not known.
    """

    key: str
    label: str
    value: Markup | str
    lines: Sequence[Markup | str] = ()
    estimated: str | None = None
    bar: float | None = None
    is_incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Boxes:
    """A row of headline figures."""

    kind: ClassVar[str] = "boxes"
    boxes: Sequence[Box]
    caption: Caption


@dataclass(frozen=True, slots=True)
class Prose:
    """A heading and its paragraphs."""

    kind: ClassVar[str] = "prose"
    title: str
    paragraphs: Sequence[Markup | str]


@dataclass(frozen=True, slots=True)
class Definitions:
    """Terms with their meaning; a formula stands apart from its explanation."""

    kind: ClassVar[str] = "definitions"
    title: str
    entries: Sequence[tuple[str, str, Markup | str]]


@dataclass(frozen=True, slots=True)
class Listing:
    """The text of a query, folded away."""

    kind: ClassVar[str] = "listing"
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that must not be overlooked."""

    kind: ClassVar[str] = "notice"
    key: str
    title: str
    text: Markup | str


Block = Boxes | Definitions | Figure | Listing | Notice | Prose | Table


@dataclass(frozen=True, slots=True)
class Part:
    """One numbered part of the report.

    Attributes:
        key: id in the page.
        title: heading.
        blocks: what it consists of.
        files: data of its figures and tables, by the name of the CSV file.
        lead: the sentence under the heading.
    """

    key: str
    title: str
    blocks: Sequence[Block]
    files: Mapping[str, Result]
    lead: Markup | str = ""


def caption(data: ReportData, result: Result, file: str, *, boundary: str, method: str) -> Caption:
    """Return the caption of a figure or table, with the factors and the coverage of the whole period.

    Args:
        data: the report's data.
        result: rows that it shows.
        file: name of its CSV file without ending.
        boundary: what it covers.
        method: how it was made.
    """
    return Caption(
        boundary=boundary,
        method=method,
        factors=data.factor_set,
        coverage=f"{percent(data.totals['coverage_fraction'])} of device time",
        query=result.query_id,
        csv=f"{file}.csv",
    )

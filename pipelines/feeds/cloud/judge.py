"""The verdict on what was read: which figures land, with which flags, and which do not, for which reason.

What belongs here: running the checks in order and sorting their findings. What must not be here: the checks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipelines.feeds.cloud.checks_rows import RegionMap, check_rows
from pipelines.feeds.cloud.checks_series import check_against_google, check_series, google_figures, vanished
from pipelines.feeds.cloud.faults import NAMES, Severity, severity
from pipelines.feeds.cloud.publication import Figure, Mark, Publication, Reading


class TableTwiceError(ValueError):
    """Two publications of one table were given; the message names their files."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A figure, a row or a table that does not land.

    Attributes:
        reason: its fault, the first in order of precedence.
        detail: every fault of it, with what was found.
        file: name of the table.
        figure: the figure, or None where a row or the whole table is refused.
        line: line of the file, or None.
        values: what the row holds, where there is no figure.
    """

    reason: str
    detail: str
    file: str
    figure: Figure | None
    line: int | None
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on all publications.

    Attributes:
        publications: what was judged.
        taken: figures that land, with their flags, each with its publication.
        refused: what goes to quarantine.
        findings: faults that belong to no figure and stop nothing.
        missing: blank or NA values by metric.
    """

    publications: tuple[Publication, ...]
    taken: tuple[tuple[Publication, Figure], ...]
    refused: tuple[Refused, ...]
    findings: tuple[Mark, ...]
    missing: Counter[str]

    def reasons(self) -> Counter[str]:
        """Count what was refused by its reason."""
        return Counter(entry.reason for entry in self.refused)

    def flags(self) -> Counter[str]:
        """Count the flags of what lands, and the findings."""
        flagged = Counter(name for _, figure in self.taken for name in figure.flags)
        return flagged + Counter(mark.name for mark in self.findings)


def judge(readings: Sequence[Reading], regions: RegionMap) -> Judged:
    """Check everything that was read, together: some faults show only against another year or publication.

    Args:
        readings: readings of both sources; Google's own files make the table's Google rows comparable.
        regions: the region map.

    Raises:
        TableTwiceError: if a table is there twice; versions of it are judged one at a time.
    """
    _refuse_twice([reading.publication for reading in readings])
    marks: dict[Figure, list[Mark]] = defaultdict(list)
    for reading in readings:
        _note(marks, check_rows(reading.figures, regions))
    # What is refused already must not make its neighbours look wrong.
    sound = [f for reading in readings for f in reading.figures if not _is_refused(marks[f])]
    _note(marks, check_against_google(sound, google_figures(sound)))
    _note(marks, check_series([figure for figure in sound if not _is_refused(marks[figure])]))
    taken: list[tuple[Publication, Figure]] = []
    refused = [entry for reading in readings for entry in _refused_rows(reading)]
    for reading in readings:
        for figure in reading.figures:
            found = sorted(marks[figure], key=lambda mark: NAMES.index(mark.name))
            if _is_refused(found):
                detail = "; ".join(f"{mark.name}: {mark.detail}" for mark in found)
                refused.append(Refused(found[0].name, detail, reading.publication.name, figure, figure.line))
            else:
                flags = tuple(dict.fromkeys(mark.name for mark in found))
                taken.append((reading.publication, replace(figure, flags=flags)))
    loose = [m for reading in readings for m in reading.marks if severity(m.name) is not Severity.QUARANTINE]
    missing: Counter[str] = Counter()
    for reading in readings:
        missing += reading.missing
    everything = [figure for reading in readings for figure in reading.figures]
    publications = tuple(reading.publication for reading in readings)
    return Judged(publications, tuple(taken), tuple(refused), (*loose, *vanished(everything)), missing)


def _refuse_twice(publications: Sequence[Publication]) -> None:
    """Refuse two versions of a table: one would look like a copy of the other."""
    tables = Counter((p.source, p.year) for p in publications)
    for (source, year), count in tables.items():
        if count > 1:
            what = f"{source}, year {year}" if year else source
            names = ", ".join(p.name for p in publications if (p.source, p.year) == (source, year))
            msg = f"{what}: {count} publications of one table ({names}); judge one version of it at a time"
            raise TableTwiceError(msg)


def _note(marks: dict[Figure, list[Mark]], found: Iterable[Mark]) -> None:
    for mark in found:
        if mark.figure is not None:
            marks[mark.figure].append(mark)


def _is_refused(marks: Sequence[Mark]) -> bool:
    return any(severity(mark.name) is Severity.QUARANTINE for mark in marks)


def _refused_rows(reading: Reading) -> list[Refused]:
    """Give the rows and tables that could not be read."""
    return [
        Refused(mark.name, mark.detail, reading.publication.name, None, mark.line, mark.values)
        for mark in reading.marks
        if severity(mark.name) is Severity.QUARANTINE
    ]

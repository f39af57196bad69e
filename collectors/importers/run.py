"""The course of an import of another tool's files: find, read, stage, land.

What belongs here: the one way from a format's items to landed files and the result. What must not be here: any format,
or the command line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from ..landing.refusal import LandingError
from .errors import OUT_OF_RANGE, RejectedRow, SourceError
from .format import Assumption, Finding, Format, LeftOut, Options, Rows, Source
from .staging import Figure, ImportResult, Staging, digest_of

MAX_REJECTS_AT_ONCE = 1_000


def import_format(
    form: Format,
    path: Path,
    landing: Path,
    options: Mapping[str, str | None] | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> ImportResult:
    """Import a file or folder that another tool wrote.

    Either all of it lands, the rows that cannot be taken aside, or nothing.

    Args:
        form: the format.
        path: file or folder.
        landing: landing folder; made if it is missing.
        options: options of the format; ``None`` is not given.
        progress: called with bytes read so far and bytes in all.

    Returns:
        Counts, files, refused rows, assumptions, findings and figures.

    Raises:
        SourceError: if a file is none of this format, or an option is wrong; nothing is landed.
        OSError: if landing cannot be written.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(str(path), "does not exist; give a file or a folder")
    chosen = _chosen(form, options or {})
    files = form.find(path)
    root = path if path.is_dir() else path.parent
    source = Source(root, files, progress)
    kind = f"{form.name}\0" + "\0".join(f"{name}={chosen[name]}" for name in sorted(chosen))
    named = {
        f"--{item.name.replace('_', '-')}": Path(chosen[item.name])
        for item in form.options
        if item.is_file and item.name in chosen
    }
    for name, file in named.items():
        if not file.is_file():
            raise SourceError(None, f"{name} {file} is no file")
    digest = digest_of(kind, {source.shown(file): file for file in files} | named)
    with tempfile.TemporaryDirectory(prefix="wattledger-import-") as folder:
        course = _Course(Staging(Path(folder), form.name, digest))
        for item in form.read(source, chosen):
            course.take(item)
        return course.publish(Path(landing))


def _chosen(form: Format, given: Mapping[str, str | None]) -> Options:
    known = {option.name: option for option in form.options}
    for name, value in given.items():
        option = known.get(name)
        if option is None:
            msg = f"{form.name} has no option {name!r}; it has {', '.join(known) or 'none'}"
            raise SourceError(None, msg)
        if value is not None and option.choices and value not in option.choices:
            msg = f"--{name.replace('_', '-')} {value!r} must be one of {', '.join(option.choices)}"
            raise SourceError(None, msg)
    chosen = Options({name: value for name, value in given.items() if value is not None})
    for option in form.options:
        if option.default is not None:
            chosen.setdefault(option.name, option.default)
        if option.required:
            chosen.need(option.name)
    return chosen


class _Course:
    """One import on its way."""

    def __init__(self, staged: Staging) -> None:
        self._staged = staged
        self._read = self._left_out = 0
        self._said: dict[type, dict[str, None]] = {Assumption: {}, Finding: {}}
        self._figures: list[Figure] = []

    def take(self, item: object) -> None:
        """Take what a format yields."""
        if isinstance(item, Rows):
            self._read += item.read
            self._land(item)
        elif isinstance(item, RejectedRow):
            self._read += 1
            self._staged.reject(item)
        elif isinstance(item, LeftOut):
            self._read += item.rows_n
            self._left_out += item.rows_n
        elif isinstance(item, Figure):
            self._figures.append(item)
        elif isinstance(item, (Assumption, Finding)):
            self._said[type(item)][item.text] = None
        else:
            msg = f"{item!r} is nothing that a format yields"
            raise TypeError(msg)

    def _land(self, item: Rows) -> None:
        """Stage rows; one that breaks the contract is refused, so that it cannot block the others."""
        rows = item.rows
        for _ in range(MAX_REJECTS_AT_ONCE):
            try:
                self._staged.add(item.table, rows)
            except LandingError as error:
                if error.row is None or not isinstance(rows, list):
                    raise
                row = rows[error.row]
                self._staged.reject(
                    RejectedRow(item.table, OUT_OF_RANGE, str(error), "", None, {k: v for k, v in row.items() if v})
                )
                rows = rows[: error.row] + rows[error.row + 1 :]
            else:
                return
        msg = f"more than {MAX_REJECTS_AT_ONCE} rows of {item.table} break the landing contract; is the format right?"
        raise SourceError(None, msg)

    def publish(self, landing: Path) -> ImportResult:
        """Move the files into landing and return the result."""
        return self._staged.publish(
            landing,
            rows_read=self._read,
            rows_filtered=self._left_out,
            assumptions=self._said[Assumption],
            findings=self._said[Finding],
            figures=self._figures,
        )

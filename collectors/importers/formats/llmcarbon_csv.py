"""The CSV files of LLMCarbon: its table of models with what was reported and, in older ones, what it predicted.

What belongs here: columns of both generations, figures that land, checks of a row in itself. What must not be here: any
prediction (the ledger makes its own), readings of power: nothing in such a file was measured.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

from ...contract import MAX_TIME_MS
from ..errors import (
    CONFLICTING_ROW,
    MISSING_VALUE,
    OUT_OF_RANGE,
    TORN_ROW,
    UNPARSEABLE_NUMBER,
    RefusedError,
    SourceError,
)
from ..format import Assumption, Finding, Format, Item, LeftOut, Option, Options, Rows, Source, files_matching, rejected
from ..moments import MomentError, moment_ms
from .shared.stated import UNKNOWN, Statement

TOOL = "llmcarbon"
_MS_PER_DAY = 86_400_000
_HOURS_PER_DAY = 24
_WH_PER_MWH = 1e6
_OFF = 0.1
"""Part by which energy and emissions may differ from the row's other columns; the authors' rows stay below 4 %."""

# Column without blanks, signs and case (and with the letter in CO2) -> what it is. Both generations of the table.
_COLUMNS = {
    "name": "name",
    "llm": "name",
    "type": "type",
    "developer": "developer",
    "parameter#b": "parameters_b",
    "param#b": "parameters_b",
    "basemodelparam#b": "base_parameters_b",
    "token#b": "tokens_b",
    "co2eqkwh": "kgco2e_per_kwh",
    "co2ekwh": "kgco2e_per_kwh",
    "pue": "pue",
    "computingdevice": "device",
    "device": "device",
    "devicetpdw": "device_tdp_w",
    "devicetdpw": "device_tdp_w",
    "avgsystempowerw": "mean_power_w",
    "avgpowerw": "mean_power_w",
    "hardwareefficiency": "hardware_efficiency",
    "hardwareeff": "hardware_efficiency",
    "device#": "devices_n",
    "chip#": "devices_n",
    "trainingdays": "days",
    "predicteddays": "predicted_days",
    "actualtco2eq": "tco2e",
    "tco2e": "tco2e",
    "predictedtco2e": "predicted_tco2e",
    "energymwh": "mwh",
}
_NUMBERS = (
    "kgco2e_per_kwh",
    "pue",
    "mean_power_w",
    "devices_n",
    "days",
    "predicted_days",
    "tco2e",
    "predicted_tco2e",
    "mwh",
)
_LABELS = ("type", "developer", "parameters_b", "base_parameters_b", "tokens_b", "device", "devices_n", "pue")


class _ForeignError(SourceError):
    """A file that is no table of models."""


class _Refused(NamedTuple):
    """A row that cannot be read: the reason, what is wrong, and its cells."""

    reason: str
    detail: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Row:
    """One model.

    Attributes:
        texts: what the row says, by meaning of the column.
        numbers: its numbers; a cell that is empty is missing.
    """

    texts: Mapping[str, str]
    numbers: Mapping[str, float]

    @property
    def name(self) -> str:
        return self.texts["name"]


def _read(source: Source, options: Options) -> Iterator[Item]:
    """Yield the figures of all files."""
    start_ms = _start_ms(options)
    yield Assumption("nothing here was measured: rows are stated figures of models; no energy and no job lands")
    yield Assumption(f"all trainings begin at {options['start']}; the file states no time")
    yield Assumption("emissions and energy without the word predicted are reported ones, and CO2eq/KWh is in kg/kWh")
    seen: dict[str, _Row] = {}
    foreign: list[_ForeignError] = []
    for path in source.files:
        try:
            for number, row in enumerate(_rows(source, path), 1):
                yield from _items(row, source.shown(path), number, start_ms, options, seen)
        except _ForeignError as error:
            foreign.append(error)
    if len(foreign) == len(source.files):
        raise foreign[0]
    for reason in foreign:
        yield Finding(f"{reason}; it is left out")
    if options.get("only") and options["only"] not in seen:
        msg = f"no row that can be taken is named {options['only']!r}"
        raise SourceError(str(source.root), msg)
    if options.get("job_id") and len(seen) != 1:
        msg = f"--job-id needs one model, and there are {len(seen)}; choose it by --only NAME"
        raise SourceError(None, msg)


def _items(
    row: _Row | _Refused, shown: str, number: int, start_ms: int, options: Options, seen: dict[str, _Row]
) -> Iterator[Item]:
    """Yield what becomes of a row; a model that is taken goes into ``seen``."""
    if isinstance(row, _Refused):
        yield rejected("stated_figure", row.reason, row.detail, shown, number, row.values)
        return
    if options.get("only") not in (None, row.name) or seen.get(row.name) == row:
        yield LeftOut(1)
        return
    try:
        if row.name in seen:
            msg = f"{row.name!r} is there before with other figures; keep one of the two in the file"
            raise RefusedError(CONFLICTING_ROW, msg)
        figures = _figures(row, start_ms, options)
    except RefusedError as error:
        yield rejected("stated_figure", error.reason, str(error), shown, number, row.texts)
        return
    seen[row.name] = row
    yield Rows("stated_figure", figures, read=1)
    yield from _findings(row)


def _start_ms(options: Options) -> int:
    try:
        return moment_ms(options.need("start"), UTC)
    except MomentError as error:
        msg = f"--start {error}"
        raise SourceError(None, msg) from error


def _rows(source: Source, path: Path) -> Iterator[_Row | _Refused]:
    """Yield the rows of a file.

    Raises:
        _ForeignError: if it is no table of models.
        SourceError: if it cannot be read, or two columns mean the same.
    """
    shown = source.shown(path)
    lines = csv.reader(source.lines(path))
    header = next(lines, [])
    columns = [_COLUMNS.get(_plain(cell), "") for cell in header]
    known = [column for column in columns if column]
    if "name" not in known or not {"tco2e", "predicted_tco2e", "mwh"} & set(known):
        msg = "is no table of models of LLMCarbon: it needs name, and actual tCO2eq, energy MWh or predicted tCO2e"
        raise _ForeignError(shown, msg)
    if len(known) != len(set(known)):
        raise SourceError(shown, "has two columns of one meaning: " + ", ".join(sorted({*known})))
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            detail = f"has {len(cells)} cells where the header has {len(header)}"
            yield _Refused(TORN_ROW, detail, {"text": ",".join(cells)})
            continue
        texts = {column: cell.strip() for column, cell in zip(columns, cells, strict=True) if column and cell.strip()}
        try:
            yield _Row(texts, _parsed(texts))
        except RefusedError as error:
            yield _Refused(error.reason, str(error), texts)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9#]", "", text.lower()).replace("c02", "co2")


def _parsed(texts: Mapping[str, str]) -> dict[str, float]:
    if "name" not in texts:
        raise RefusedError(MISSING_VALUE, "has no name")
    numbers = {}
    for column in _NUMBERS:
        if column not in texts:
            continue
        try:
            value = float(texts[column])
        except ValueError:
            raise RefusedError(UNPARSEABLE_NUMBER, f"{column} {texts[column]!r} is no number") from None
        if not math.isfinite(value) or value < 0:
            raise RefusedError(OUT_OF_RANGE, f"{column} is {value}; it must be finite and not negative")
        numbers[column] = value
    return numbers


def _figures(row: _Row, start_ms: int, options: Options) -> list[dict[str, Any]]:
    """Return what a row states.

    Raises:
        RefusedError: if it states no figure, or none with a length of time.
    """
    numbers = row.numbers
    made: list[dict[str, Any]] = []
    for method, days, wanted in (
        ("reported", numbers.get("days"), (("emissions", "tco2e", "tCO2e"), ("energy", "mwh", "MWh"))),
        ("predicted", numbers.get("predicted_days", numbers.get("days")), (("emissions", "predicted_tco2e", "tCO2e"),)),
    ):
        present = [(quantity, numbers[column], unit) for quantity, column, unit in wanted if column in numbers]
        if present and days is None:
            raise RefusedError(
                MISSING_VALUE, f"states {method} figures without training days: over which time is not known"
            )
        if present:
            says = _statement(row, method, start_ms, days or 0.0, options)
            made += [says.figure(quantity, value, unit) for quantity, value, unit in present]
    if not made:
        raise RefusedError(
            MISSING_VALUE,
            "states neither emissions nor energy; LLMCarbon prints what it predicts and writes it nowhere",
        )
    given = _statement(row, "input", start_ms, numbers.get("days", numbers.get("predicted_days", 0.0)), options)
    if "kgco2e_per_kwh" in numbers:
        made.append(given.figure("intensity", numbers["kgco2e_per_kwh"], "kgCO2e/kWh"))
    if "mean_power_w" in numbers:
        made.append(given.figure("mean_power", numbers["mean_power_w"], "W"))
    return made


def _statement(row: _Row, method: str, start_ms: int, days: float, options: Options) -> Statement:
    end_ms = start_ms + round(min(days, MAX_TIME_MS) * _MS_PER_DAY)
    if end_ms > MAX_TIME_MS:
        raise RefusedError(OUT_OF_RANGE, f"{days:g} days from {options['start']} end after 2100")
    return Statement(
        source=TOOL,
        method=method,
        version=options.get("version") or UNKNOWN,
        subject_kind="model",
        subject=row.name,
        start_ms=start_ms,
        end_ms=end_ms,
        job_id=options.get("job_id"),
        labels={name: row.texts[name] for name in _LABELS if name in row.texts} | {"power_of": "one device"},
    )


def _findings(row: _Row) -> Iterator[Finding]:
    """Yield what of a row contradicts its other columns."""
    has = row.numbers
    if {"mwh", "mean_power_w", "devices_n", "days", "pue"} <= has.keys():
        expected = has["mean_power_w"] * has["devices_n"] * has["days"] * _HOURS_PER_DAY * has["pue"] / _WH_PER_MWH
        if not math.isclose(has["mwh"], expected, rel_tol=_OFF):
            yield Finding(
                f"{row.name}: states {has['mwh']:g} MWh, while its power, devices, days and PUE give {expected:.4g} MWh"
            )
    if {"mwh", "tco2e", "kgco2e_per_kwh"} <= has.keys():
        expected = has["mwh"] * has["kgco2e_per_kwh"]
        if not math.isclose(has["tco2e"], expected, rel_tol=_OFF):
            yield Finding(
                f"{row.name}: states {has['tco2e']:g} tCO2e, while its energy and intensity give {expected:.4g} tCO2e"
            )


FORMAT = Format(
    "llmcarbon-csv",
    "database.csv of LLMCarbon and its older table of results; figures of models, nothing measured",
    lambda path: files_matching(path, "*.csv", "*.csv.gz"),
    _read,
    (
        Option(
            "start",
            "when the training begins or began, in ISO 8601 (2025-03-01, or with a time and an offset; UTC without "
            "one); the file does not tell it",
            required=True,
        ),
        Option("only", "name of the only model to take; without it all, with one --start for all"),
        Option("job_id", "job of the ledger that the model's row speaks of; needs one model"),
        Option("version", "version of the file, for example its commit; without it unknown"),
    ),
)

"""One's own finished runs, from a table: what they were and the utilisation that they reached.

What belongs here: reading of such a table. What must not be here: the published runs (see ``tables``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from models import table
from models.prediction.efficiency import OWN, RUN, Case, OwnRun
from models.prediction.inputs import InputError, checked, count
from models.prediction.plan import COUNTED_AT, SECONDS_PER_HOUR
from models.prediction.tables import PRECISION_NAMES, PRECISIONS, find_device
from models.prediction.training import training_work
from models.table import Row

REQUIRED = ("name", "parameters_n", "tokens_n", "device", "device_hours")
OPTIONAL = ("active_parameters_n", "devices_n", "precision")


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished run with its name, so that a forecast can leave it out."""

    name: str
    run: OwnRun


def read(file: str, text: str) -> list[Finished]:
    """Give the finished runs of a CSV table.

    Args:
        file: its name, for errors.
        text: its content: the columns ``REQUIRED`` and perhaps ``OPTIONAL``.

    Raises:
        FactorDataError: if a row does not fit its header or lacks a value.
        InputError: if a column is not known or a value cannot be.
    """
    return [_finished(row) for row in table.rows(file, text.lstrip("\ufeff"))]


def without(finished: Iterable[Finished], name: str) -> list[OwnRun]:
    """Give the runs but those of a name: a run is never forecast from itself."""
    return [one.run for one in finished if one.name != name]


def _finished(row: Row) -> Finished:
    """Give one run with its utilisation: 6 * active * tokens / (device-hours * 3600 * peak)."""
    stray = sorted(set(row.values) - {*REQUIRED, *OPTIONAL})
    if stray:
        msg = f"{row.file}: the column {stray[0]!r} is not known; known: {', '.join((*REQUIRED, *OPTIONAL))}"
        raise InputError(msg)
    where = f"{row.file}, line {row.line}"
    held = {name: row.optional_text(name) if name in row.values else "" for name in OPTIONAL}
    total = count(row.text("parameters_n"), "parameters_n", f"{where}, parameters_n")
    active = count(held["active_parameters_n"] or row.text("parameters_n"), "active_parameters_n")
    tokens = count(row.text("tokens_n"), "tokens_n", f"{where}, tokens_n")
    devices = count(held["devices_n"], "devices_n", f"{where}, devices_n") if held["devices_n"] else None
    device = find_device(row.text("device"))
    precision = PRECISION_NAMES.get(held["precision"].lower(), held["precision"] or "16bit")
    if precision not in PRECISIONS:
        msg = f"{where}: precision = {precision!r} is not known; known: {', '.join([*PRECISIONS, *PRECISION_NAMES])}"
        raise InputError(msg)
    done = training_work(active, tokens).model_flop
    peak = device.peak_flop_per_s(COUNTED_AT[precision])
    used = done / (row.number("device_hours", 1e-6) * SECONDS_PER_HOUR * peak)
    checked("utilisation_fraction", used, f"{where}: the utilisation that follows from its device_hours")
    is_narrow = precision in {"8bit", "4bit"}
    case = Case(OWN, device.generation, active, active < total, devices, RUN, is_narrow)
    return Finished(row.text("name"), OwnRun(case, used))

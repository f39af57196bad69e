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
    return finished(
        where,
        row.text("name"),
        parameters_n=count(row.text("parameters_n"), "parameters_n", f"{where}, parameters_n"),
        tokens_n=count(row.text("tokens_n"), "tokens_n", f"{where}, tokens_n"),
        device=row.text("device"),
        device_hours=row.number("device_hours", 1e-6),
        active_parameters_n=count(held["active_parameters_n"], "active_parameters_n", f"{where}, active_parameters_n")
        if held["active_parameters_n"]
        else None,
        devices_n=count(held["devices_n"], "devices_n", f"{where}, devices_n") if held["devices_n"] else None,
        precision=held["precision"] or "16bit",
    )


def finished(
    where: str,
    name: str,
    *,
    parameters_n: float,
    tokens_n: float,
    device: str,
    device_hours: float,
    active_parameters_n: float | None = None,
    devices_n: float | None = None,
    precision: str = "16bit",
) -> Finished:
    """Give one run with its utilisation: 6 * active * tokens / (device-hours * 3600 * peak).

    Args:
        where: what to name in an error.
        name: of the run.
        parameters_n: parameters.
        tokens_n: tokens trained on.
        device: the accelerator.
        device_hours: device-hours used, restarts and waiting too [h].
        active_parameters_n: parameters that one token uses; None for all of them.
        devices_n: devices at once, or None.
        precision: of the matrix products.

    Raises:
        InputError: if a value cannot be, or the utilisation that follows from them.
    """
    known = find_device(device)
    active = checked("parameters_n", parameters_n if active_parameters_n is None else active_parameters_n, where)
    kind = PRECISION_NAMES.get(precision.lower(), precision)
    if kind not in PRECISIONS:
        msg = f"{where}: precision = {kind!r} is not known; known: {', '.join([*PRECISIONS, *PRECISION_NAMES])}"
        raise InputError(msg)
    done = training_work(active, tokens_n).model_flop
    used = done / (device_hours * SECONDS_PER_HOUR * known.peak_flop_per_s(COUNTED_AT[kind]))
    checked("utilisation_fraction", used, f"{where}: the utilisation that follows from its device_hours")
    is_narrow = kind in {"8bit", "4bit"}
    case = Case(OWN, known.generation, active, active < parameters_n, devices_n, RUN, is_narrow)
    return Finished(name, OwnRun(case, used))

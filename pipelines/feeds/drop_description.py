"""What a drop's description states: a small TOML file beside anybody's file of intensities or of generation.

What belongs here: reading and checking of the description. What must not be here: the data file (``drop_rows``), times
(``drop_time``), or values (``drop``).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.units import G_PER_KG, KG_PER_LB, KG_PER_T, KWH_PER_MWH
from pipelines.feeds.feed import FeedError
from pipelines.feeds.strict_json import shown

G_PER_KWH_OF = {
    "g/kWh": 1.0,
    "kg/kWh": G_PER_KG,
    "kg/MWh": G_PER_KG / KWH_PER_MWH,
    "t/MWh": KG_PER_T * G_PER_KG / KWH_PER_MWH,
    "lb/MWh": KG_PER_LB * G_PER_KG / KWH_PER_MWH,
}
"""Grams per kilowatt-hour in one of each unit [g/kWh]."""
KINDS, BASES, FLOWS = ("average", "marginal", "residual"), ("lifecycle", "operational"), ("consumption", "production")
LABELS, BLANKS, FOLDS = ("start", "end"), ("no_value", "zero"), ("in_order", "refuse")
SYSTEMS, POWER_UNITS, FORMATS = ("eia", "entsoe", "fuel"), ("MWh", "MW"), ("csv", "jsonl", "answer")
NEXT_ROW = "next_row"


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How the time of a row is read.

    Attributes:
        column: column of the label.
        form: ``iso``, ``epoch_s``, ``epoch_ms`` or a pattern of ``strptime``.
        zone: ``UTC``, an offset such as ``+01:00``, or an IANA zone; that of labels that carry none.
        fold: what an hour that the clock shows twice means: ``in_order`` (the first row is the first hour) or
            ``refuse``; empty unless ``zone`` is an IANA zone.
        label: whether the label is the ``start`` or the ``end`` of the interval.
        steps_s: lengths of interval that may occur [s].
        is_from_next_row: whether an interval lasts until the next row; then ``label`` is ``start``.
        last_step_s: length of the last row then [s]; None if the last row is refused.
    """

    column: str
    form: str
    zone: str
    fold: str
    label: str
    steps_s: tuple[int, ...]
    is_from_next_row: bool
    last_step_s: int | None


@dataclass(frozen=True, slots=True)
class Intensity:
    """A column of intensities: column, unit (a key of ``G_PER_KWH_OF``), basis and factor set or model."""

    column: str
    unit: str
    basis: str
    factor_set: str


@dataclass(frozen=True, slots=True)
class Generation:
    """Columns of generation: code by column, whose codes, unit (``MWh`` or ``MW``) and factor sets to compute by."""

    columns: Mapping[str, str]
    system: str
    unit: str
    factor_sets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A saved answer of a source: which, and the range that was asked for (None: the year in the file's name)."""

    source: str
    start: str | None
    end: str | None


@dataclass(frozen=True, slots=True)
class Description:
    """All that a description states; ``zone`` is empty where ``zone_column`` is not, and ``*`` is every zone."""

    name: str
    provider: str
    licence: str
    form: str
    zone: str
    zone_column: str
    kind: str
    flow: str
    is_estimate: bool
    estimated_column: str
    updated_column: str
    blank: str
    blank_texts: tuple[str, ...]
    ignored: tuple[str, ...]
    as_of: str | None
    time: TimeRule | None
    intensity: Intensity | None
    generation: Generation | None
    answer: Answer | None


def described(description: Path | Mapping[str, Any]) -> Description:
    """Give the description of a drop.

    Args:
        description: a TOML file, or what it holds.

    Raises:
        FeedError: ``not_configured``, with file, key, value and what is allowed.
    """
    if isinstance(description, Mapping):
        return _description(_Table("description", description))
    try:
        found = tomllib.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        text = f"{description.name} cannot be read as TOML in UTF-8: {error}"
        raise FeedError(reason="not_configured", message=text) from None
    return _description(_Table(description.name, found))


class _Table:
    """One table of the description; each key is taken once, and one that nobody takes is an error."""

    def __init__(self, name: str, found: Mapping[str, Any]) -> None:
        self.name, self._found, self._taken = name, found, set[str]()

    def error(self, key: str, wanted: str) -> FeedError:
        value = shown(self._found[key]) if key in self._found else "nothing"
        return FeedError(reason="not_configured", message=f"{self.name}, {key}: {wanted} is needed, found {value}")

    def has(self, key: str) -> bool:
        return key in self._found

    def get(self, key: str, kind: type, default: object = None) -> Any:  # noqa: ANN401 - of that kind
        """Give a value of a kind; without a default it must be there."""
        self._taken.add(key)
        if key not in self._found and default is not None:
            return default
        value = self._found.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)) or value == "":
            raise self.error(
                key, {str: "a text", int: "a whole number", bool: "true or false"}.get(kind, kind.__name__)
            )
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        if self._found.get(key) not in allowed:
            raise self.error(key, f"one of {', '.join(allowed)}")
        return str(self.get(key, str))

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        found = self.get(key, list, list(default) if default is not None else None)
        if not all(isinstance(one, str) for one in found):
            raise self.error(key, "a list of texts")
        return tuple(found)

    def table(self, key: str) -> _Table | None:
        return _Table(f"{self.name}, [{key}]", self.get(key, dict)) if self.has(key) else None

    def mapping(self, key: str) -> dict[str, str]:
        found = self.get(key, dict)
        if not found or not all(isinstance(one, str) for one in found.values()):
            raise self.error(key, "a table of texts")
        return dict(found)

    def done(self) -> None:
        """Refuse keys that were not taken: a misspelt one would silently mean nothing."""
        for key in self._found:
            if key not in self._taken:
                text = f"{self.name}: there is no key {shown(key)} here; known are {', '.join(sorted(self._taken))}"
                raise FeedError(reason="not_configured", message=text)


def _description(table: _Table) -> Description:
    form = table.choice("format", FORMATS)
    bodies = [table.table(key) for key in ("intensity", "generation", "answer")]
    wanted = {"answer": (False, False, True)}.get(form)
    there = tuple(body is not None for body in bodies)
    if there != wanted and (form == "answer" or sum(there[:2]) != 1 or there[2]):
        need = "[answer]" if form == "answer" else "one of [intensity] and [generation]"
        raise table.error(key="format", wanted=f"{need} and no other")
    time = table.table("time")
    if (time is None) != (form == "answer"):
        raise table.error(key="time", wanted="a table (for csv and jsonl only)")
    rows = form != "answer"
    found = Description(
        name=table.name,
        provider=table.get("provider", str),
        licence=table.get("licence", str),
        form=form,
        zone="" if table.has("zone_column") else table.get("zone", str),
        zone_column=table.get("zone_column", str) if table.has("zone_column") else "",
        kind=table.choice("kind", KINDS) if rows else "",
        flow=table.choice("flow", FLOWS) if rows else "",
        is_estimate=table.get("is_estimate", bool) if rows and not table.has("estimated_column") else False,
        estimated_column=table.get("estimated_column", str) if table.has("estimated_column") else "",
        updated_column=table.get("updated_column", str) if table.has("updated_column") else "",
        blank=table.choice("blank", BLANKS) if rows else "no_value",
        blank_texts=table.texts("blank_texts", ("",)),
        ignored=table.texts("ignored", ()),
        as_of=table.get("as_of", str) if table.has("as_of") else None,
        time=_time(time) if time else None,
        intensity=_intensity(bodies[0]) if bodies[0] else None,
        generation=_generation(bodies[1]) if bodies[1] else None,
        answer=_answer(bodies[2]) if bodies[2] else None,
    )
    _fit(found, table)
    table.done()
    return found


def _fit(found: Description, table: _Table) -> None:
    """Refuse what does not go together."""
    if found.blank == "zero" and found.generation is None:
        raise table.error(key="blank", wanted="no_value (a blank intensity is never zero)")
    if found.generation is not None and (found.kind, found.flow) != ("average", "production"):
        raise table.error(key="kind", wanted="average, with flow production, for what is computed from generation")


def _time(table: _Table) -> TimeRule:
    is_next = table.has("step_s") and table.get("step_s", object) == NEXT_ROW
    zone = table.get("zone", str)
    steps = table.get("steps_s", list) if is_next else [table.get("step_s", int)]
    if not steps or not all(type(step) is int and 0 < step <= 366 * 86_400 for step in steps):
        raise table.error("steps_s" if is_next else "step_s", "a length in whole seconds, or several")
    is_local = "/" in zone
    found = TimeRule(
        column=table.get("column", str),
        form=table.get("format", str),
        zone=zone,
        fold=table.choice("fold", FOLDS) if is_local else "",
        label=table.choice("label", LABELS[:1] if is_next else LABELS),
        steps_s=tuple(steps),
        is_from_next_row=is_next,
        last_step_s=table.get("last_step_s", int) if is_next and table.has("last_step_s") else None,
    )
    if found.last_step_s is not None and found.last_step_s not in found.steps_s:
        raise table.error(key="last_step_s", wanted="one of steps_s")
    table.done()
    return found


def _intensity(table: _Table) -> Intensity:
    found = Intensity(
        column=table.get("column", str),
        unit=table.choice("unit", tuple(G_PER_KWH_OF)),
        basis=table.choice("basis", BASES),
        factor_set=table.get("factor_set", str),
    )
    table.done()
    return found


def _generation(table: _Table) -> Generation:
    found = Generation(
        columns=table.mapping("columns"),
        system=table.choice("system", SYSTEMS),
        unit=table.choice("unit", POWER_UNITS),
        factor_sets=table.texts("factor_sets"),
    )
    if not found.factor_sets:
        raise table.error(key="factor_sets", wanted="at least one factor set")
    table.done()
    return found


def _answer(table: _Table) -> Answer:
    bounds = [table.get(key, str) if table.has(key) else None for key in ("start", "end")]
    found = Answer(table.get("source", str), bounds[0], bounds[1])
    if (found.start is None) != (found.end is None):
        raise table.error(key="end", wanted="start and end, both or none,")
    table.done()
    return found

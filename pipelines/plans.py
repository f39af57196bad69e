"""Plans of runs from files: TOML, CSV, or LLMCarbon's table.

What belongs here: reading files of plans. What must not be here: the fields of a plan (``models.prediction.request``),
forecasts of them.
"""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.prediction import llmcarbon
from models.prediction.inputs import InputError
from models.prediction.request import RunPlan, from_llmcarbon, plan

SUFFIXES = (".toml", ".csv")


def of_flags(stated: Mapping[str, Any]) -> RunPlan:
    """Return the plan of flags alone.

    Args:
        stated: fields of the plan by name.

    Raises:
        InputError: if a field is not known or its value cannot be.
    """
    return plan(_dated(dict(stated)), "the flags")


def read_plans(file: Path, stated: Mapping[str, Any] | None = None) -> list[RunPlan]:
    """Return the plans of a file.

    Args:
        file: a TOML file with one plan, a CSV file with a plan a row, or LLMCarbon's database.csv.
        stated: fields that go before those of the file, as flags do.

    Raises:
        InputError: if the file cannot be read or is none of these, or a field of it cannot be.
        FactorDataError: if a row of LLMCarbon's table does not fit its header or lacks a value.
    """
    stated = stated or {}
    text = read_text(file)
    if file.suffix.lower() == ".toml":
        return [plan(_dated(_toml(file, text) | stated), str(file))]
    if llmcarbon.is_llmcarbon(text.lstrip("\ufeff").partition("\n")[0]):
        if stated:
            msg = "flags do not go with LLMCarbon's table: each of its rows states all of them"
            raise InputError(msg)
        return [from_llmcarbon(row) for row in llmcarbon.read(str(file), text)]
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    if not rows or any(None in row for row in rows):
        msg = f"{file}: a CSV plan needs a header of fields and rows as long as it"
        raise InputError(msg)
    return [plan(_dated(row | stated), f"{file}, row {n}") for n, row in enumerate(rows, start=2)]


def read_text(file: Path) -> str:
    """Return the text of a file of plans or of finished runs.

    Raises:
        InputError: if it cannot be read as UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{file}: cannot be read ({error}); a plan is a TOML or CSV file in UTF-8, a history a CSV file"
        raise InputError(msg) from error


def _dated(values: dict[str, Any]) -> dict[str, Any]:
    """Give the values with this year where a place is to be looked up and no year is stated; the year is noted."""
    placed = values.get("zone") or values.get("region")
    return values | {"year": datetime.now(UTC).year} if placed and not values.get("year") else values


def _toml(file: Path, text: str) -> dict[str, Any]:
    """Give the fields of a TOML plan: ``[run]``, and ``[shape]`` beside it."""
    try:
        held = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{file}: not TOML ({error})"
        raise InputError(msg) from error
    stray = sorted(set(held) - {"run", "shape"})
    if stray or not isinstance(held.get("run"), dict):
        msg = f"{file}: a plan holds the table [run] and perhaps [shape]" + (f", not {stray[0]!r}" if stray else "")
        raise InputError(msg)
    run: dict[str, Any] = held["run"]
    return run | ({"shape": held["shape"]} if "shape" in held else {})

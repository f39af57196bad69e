"""Typed access to the keys of a TOML table, so that every wrong key or type is an error that names its place.

What belongs here: generic reading with checks. What must not be here: the meaning of a key (see ``mapping``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from .errors import Where
from .spec import Scalar

T = TypeVar("T")
_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "a table", list: "a list", float: "a number"}


@dataclass(frozen=True, slots=True)
class Section:
    """One TOML table with its place and the keys that it may have."""

    where: Where
    data: dict[str, Any]

    @classmethod
    def of(cls, where: Where, data: object, allowed: tuple[str, ...]) -> Section:
        """Check that the value is a table with only allowed keys.

        Args:
            where: place of the table.
            data: value read from TOML.
            allowed: keys that it may have.

        Raises:
            MappingError: if it is no table or has another key.
        """
        if not isinstance(data, dict):
            where.fail(f"{data!r} must be a table with keys of {', '.join(allowed)}")
        for key in data:
            if key not in allowed:
                where.at(key).fail(f"unknown key {key!r}; allowed are {', '.join(allowed)}")
        return cls(where, data)

    def get(self, key: str, kind: type[T], default: T | None = None) -> T | None:
        """Return an optional value of the given type.

        Raises:
            MappingError: if the value has another type.
        """
        if key not in self.data:
            return default
        return checked(self.where.at(key), self.data[key], kind)

    def need(self, key: str, kind: type[T]) -> T:
        """Return a required value of the given type.

        Raises:
            MappingError: if the key is missing or its value has another type.
        """
        if key not in self.data:
            self.where.fail(f"{key} is missing; it must be {_NAMES[kind]}")
        return checked(self.where.at(key), self.data[key], kind)

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return an optional list of texts.

        Raises:
            MappingError: if it is no list of texts.
        """
        items = self.get(key, list)
        if items is None:
            return default
        return tuple(checked(self.where.at(key), item, str) for item in items)

    def tables(self, key: str) -> list[object]:
        """Return an optional list of tables; a single table stands for a list of one."""
        value = self.data.get(key, [])
        return [value] if isinstance(value, dict) else checked(self.where.at(key), value, list)


def checked(where: Where, value: object, kind: type[T]) -> T:
    """Return the value if it has the type; ``true`` is no number.

    Raises:
        MappingError: if it has another type.
    """
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        where.fail(f"{value!r} must be {_NAMES[kind]}")
    return value


def scalar(where: Where, value: object) -> Scalar:
    """Return a text, number or truth value.

    Raises:
        MappingError: if it is anything else.
    """
    if not isinstance(value, str | int | float | bool):
        where.fail(f"{value!r} must be a text, a number, true or false")
    return value


def positive_ms(where: Where, value: object) -> int:
    """Return seconds as milliseconds.

    Raises:
        MappingError: if it is not a positive number of whole milliseconds.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0 or value * 1000 != int(value * 1000):
        where.fail(f"{value!r} must be a positive number of seconds")
    return int(value * 1000)

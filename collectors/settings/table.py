"""One table of a configuration file, and what its values may be.

What belongs here: taking values from a table, with errors that name file, key and what is expected. What must not be
here: which keys there are (``file``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..usage import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}")
_SECRETS = ("password", "token", "bearer", "secret")


class SettingsError(UsageError):
    """A configuration file that cannot be used; the message names file, key and what is expected."""


class UnexpectedError(ValueError):
    """A value that is not what is expected; the message says what is.

    Attributes:
        is_secret: whether the value may be a secret and must not be repeated.
    """

    def __init__(self, expected: str, *, is_secret: bool = False) -> None:
        """Say what is expected.

        Args:
            expected: what, in words.
            is_secret: whether the value must not be repeated.
        """
        self.is_secret = is_secret
        super().__init__(expected)


class Table:
    """A table of the file; remembers which of its keys were asked for.

    Attributes:
        file: the file.
        folder: folder of the file, to which its paths are relative.
        name: name of the table as it stands in the file, with a blank behind it; empty for the file itself.
    """

    def __init__(self, file: Path, name: str, values: dict[str, Any]) -> None:
        """Take a table.

        Args:
            file: the file.
            name: name of the table as it stands in the file.
            values: its values by key.
        """
        self.file, self.folder, self.name = file, file.resolve().parent, f"{name} " if name else ""
        self._values = values
        self._known: list[str] = []

    def get(self, key: str, read: Callable[[Any], Any], default: Any = None) -> Any:  # noqa: ANN401 - as ``read`` gives
        """Return a value, or the default where there is none.

        Args:
            key: key of the value.
            read: makes the value of what stands in the file; raises ``UnexpectedError`` if it cannot.
            default: value of a key that is not there.

        Raises:
            SettingsError: if the value is not what is expected.
        """
        self._known.append(key)
        if key not in self._values:
            return default
        try:
            return read(self._values[key])
        except UnexpectedError as error:
            shown = "" if error.is_secret else f", not {self._values[key]!r}"
            raise self.error(key, f"must be {error}{shown}") from error

    def need(self, key: str, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - as ``read`` gives
        """Return a value that must be there; see ``get``."""
        if key not in self._values:
            raise self.error(key, "is missing")
        return self.get(key, read)

    def table(self, key: str) -> Table:
        """Return a table inside of this one; an empty one if it is not there."""
        return Table(self.file, f"[{key}]", self.get(key, _a_table, {}))

    def tables(self, key: str) -> list[Table]:
        """Return the tables of a list of tables."""
        return [Table(self.file, f"[[{key}]]", values) for values in self.get(key, _a_list_of_tables, [])]

    def a_path(self, value: object) -> Path:
        """Return a path, relative to the file."""
        return self.folder / a_text(value)

    def a_path_text(self, value: object) -> str:
        """Return a path as text."""
        return str(self.a_path(value))

    def error(self, key: str, problem: str) -> SettingsError:
        """Return an error that names file and key.

        Args:
            key: the key.
            problem: what is wrong with it.
        """
        return SettingsError(f"{self.file}: {self.name}{key} {problem}")

    def finish(self, known: Sequence[str] = ()) -> None:
        """Refuse keys that nobody asked for.

        Args:
            known: keys that are known; by default those that were asked for.
        """
        names = known or self._known
        for key in self._values:
            if key in _SECRETS and key not in names:
                variable = next((name for name in names if name.endswith("_env")), "VARIABLE")
                problem = f'may not stand in the file: name the environment variable that holds it, {variable} = "NAME"'
                raise self.error(key, problem)
            if key not in names:
                raise self.error(key, f"is not known; known are {', '.join(names)}")


def a_text(value: object) -> str:
    """Return a text that is not blank."""
    if isinstance(value, str) and value.strip():
        return value
    msg = "a text"
    raise UnexpectedError(msg)


def a_flag(value: object) -> bool:
    """Return true or false."""
    if isinstance(value, bool):
        return value
    msg = "true or false"
    raise UnexpectedError(msg)


def a_number(least: float, most: float, unit: str) -> Callable[[object], float]:
    """Return what reads a number.

    Args:
        least: smallest number.
        most: largest number.
        unit: its unit, for people.
    """

    def read(value: object) -> float:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most:
            return float(value)
        msg = f"a number of {unit} between {least:g} and {most:g}"
        raise UnexpectedError(msg)

    return read


seconds = a_number(0.001, 86_400, "seconds")


def a_variable(value: object) -> str:
    """Return the name of an environment variable."""
    if isinstance(value, str) and _VARIABLE.fullmatch(value):
        return value
    # What stands there may be the secret itself.
    msg = "the name of an environment variable"
    raise UnexpectedError(msg, is_secret=True)


def a_device(value: object) -> str:
    """Return a device id."""
    if isinstance(value, str) and _DEVICE.fullmatch(value):
        return value
    msg = "a device id of letters, digits and _ . : -"
    raise UnexpectedError(msg)


def a_url(value: object) -> str:
    """Return an address of HTTP without user and password."""
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
        is_url = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url, parts = False, None
    if is_url and parts is not None and "@" not in parts.netloc:
        return str(value)
    msg = "an address such as https://host or http://localhost:9100/metrics, without user and password"
    raise UnexpectedError(msg, is_secret=isinstance(value, str) and "@" in value)


def one_of(*choices: str) -> Callable[[object], str]:
    """Return what reads one of some texts."""

    def read(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        msg = "one of " + ", ".join(choices)
        raise UnexpectedError(msg)

    return read


def some_of(*choices: str) -> Callable[[object], tuple[str, ...]]:
    """Return what reads a list of some texts."""

    def read(value: object) -> tuple[str, ...]:
        if isinstance(value, list) and value and all(isinstance(item, str) and item in choices for item in value):
            return tuple(value)
        msg = "a list of " + ", ".join(choices)
        raise UnexpectedError(msg)

    return read


def some_texts(value: object) -> tuple[str, ...]:
    """Return a list of texts that are not blank."""
    if isinstance(value, list) and value and all(isinstance(item, str) and item.strip() for item in value):
        return tuple(value)
    msg = "a list of texts"
    raise UnexpectedError(msg)


def _a_table(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    msg = "a table"
    raise UnexpectedError(msg)


def _a_list_of_tables(value: object) -> list[dict[str, Any]]:
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    msg = "a list of tables, written with two brackets"
    raise UnexpectedError(msg)

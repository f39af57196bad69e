"""JSON as a provider must send it: UTF-8, no key twice, no NaN, bounded depth; and members of the expected type.

What belongs here: reading text into values, and one value out of another with an error that names the place. What must
not be here: the shape of any one source.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pipelines.feeds.feed import FeedError

SHOWN_CHARACTERS = 80
"""How much of a wrong value an error shows [characters]."""


class ShapeError(ValueError):
    """A value is missing or of another type than the source documents; the text names the place."""


def load(body: bytes, what: str) -> Any:  # noqa: ANN401 - JSON is any value until it is looked at
    """Give the value of a JSON text.

    Args:
        body: the text, UTF-8, perhaps with a byte-order mark.
        what: name of the document, for errors.

    Raises:
        FeedError: ``not_the_format`` if it is no such text; ``unknown_shape`` if a key stands twice.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
    except ShapeError as error:
        raise FeedError(reason="unknown_shape", message=f"{what}: {error}") from None
    except (ValueError, RecursionError) as error:
        text = f"{what} is no JSON in UTF-8 ({_cause(error)}); it begins with {shown(body[:SHOWN_CHARACTERS])}"
        raise FeedError(reason="not_the_format", message=text) from None


def member(parent: object, key: str, kind: type | tuple[type, ...], where: str) -> Any:  # noqa: ANN401 - of that kind
    """Give the value of a key, of one of the kinds; a boolean is never a number.

    Raises:
        ShapeError: if there is no such key or the value is of another kind.
    """
    if not isinstance(parent, Mapping):
        msg = f"{where}: an object is needed, found {shown(parent)}"
        raise ShapeError(msg)
    if key not in parent:
        msg = f"{where}: {key!r} is missing"
        raise ShapeError(msg)
    value = parent[key]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join("null" if one is type(None) else one.__name__ for one in kinds)
        msg = f"{where}.{key}: {names} is needed, found {shown(value)}"
        raise ShapeError(msg)
    return value


def number(value: object, where: str, *, may_be_text: bool = False) -> float:
    """Give a finite number.

    Args:
        value: what stands there.
        where: its place, for errors.
        may_be_text: whether the source is known to send numbers as text too.

    Raises:
        ShapeError: if it is none.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number or (may_be_text and isinstance(value, str) and value == value.strip() and value.isascii()):
        try:
            found = float(value)  # type: ignore[arg-type] # a number or a text, as just checked
        except (ValueError, OverflowError):
            found = math.nan
        if math.isfinite(found) and "_" not in str(value):
            return found
    msg = f"{where}: a finite number is needed, found {shown(value)}"
    raise ShapeError(msg)


def shown(value: object) -> str:
    """Give a value as text, short and printable."""
    if isinstance(value, Mapping | list):
        text = f"{type(value).__name__} of {len(value)}"
    else:
        text = repr(value[: SHOWN_CHARACTERS + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        msg = f"the key {shown(twice)} stands twice in one object"
        raise ShapeError(msg)
    return found


def _constant(text: str) -> Any:  # noqa: ANN401 - never returns
    msg = f"{text} is no JSON"
    raise ValueError(msg)


def _cause(error: BaseException) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else shown(str(error)).strip("'\"")

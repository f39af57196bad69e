"""JSON as a provider must send it: UTF-8, no key twice, no NaN, bounded depth; and members of the expected type.

What belongs here: reading text into values, and one value out of another with an error that names the place. What must
not be here: the shape of any one source.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from pipelines.feeds.feed import FeedError, Page
from pipelines.feeds.stamps import zoned_ms

SHOWN_CHARACTERS = 80
"""How much of a wrong value an error shows [characters]."""


class ShapeError(ValueError):
    """A part of a document cannot be taken; the text names the place.

    Attributes:
        reason: one of ``READ_REASONS``.
    """

    def __init__(self, detail: str, *, reason: str = "unknown_shape") -> None:
        """Say what is wrong and where.

        Args:
            detail: what exactly, where, and what was expected.
            reason: one of ``READ_REASONS``; ``unknown_shape`` where a value is missing or of another type than the
                source documents.
        """
        self.reason = reason
        super().__init__(detail)


def load(body: bytes, what: str) -> Any:  # noqa: ANN401 - JSON is any value until it is looked at
    """Give the value of a JSON text.

    Nothing of a text that is none is shown: the answer to a login may hold a token.

    Args:
        body: the text, UTF-8, perhaps with a byte-order mark.
        what: name of the document, for errors.

    Raises:
        FeedError: ``not_the_format`` if it is no such text; ``unknown_shape`` if a key stands twice.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
    except ShapeError as error:
        raise FeedError(error.reason, f"{what}: {error}") from None
    except (ValueError, RecursionError) as error:
        text = f"{what} is no JSON in UTF-8: {_cause(error, body)}"
        raise FeedError(reason="not_the_format", message=text) from None


def page_json(page: Page) -> Any:  # noqa: ANN401
    """Give the value of an answer in JSON; errors name its address, type and status.

    Raises:
        FeedError: as ``load`` does.
    """
    kind = shown(page.headers.get("content-type", "a type that is not stated"))
    try:
        return load(page.body, page.url)
    except FeedError as error:
        raise FeedError(error.reason, f"{error} ({kind}, {len(page.body)} bytes)", status=page.status) from None


def refused(page: Page, error: ShapeError) -> FeedError:
    """Give the error of an answer of which nothing can be taken, because of one part of it."""
    return FeedError(error.reason, f"{page.url}: {error}", status=page.status)


def member(parent: object, key: str, kind: type | tuple[type, ...], where: str) -> Any:  # noqa: ANN401 - of that kind
    """Give the value of a key, of one of the kinds (``object`` for any); a boolean is never a number.

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
    if not isinstance(value, kinds) or (isinstance(value, bool) and not {bool, object} & set(kinds)):
        names = " or ".join("null" if one is type(None) else one.__name__ for one in kinds)
        msg = f"{where}.{key}: {names} is needed, found {shown(value)}"
        raise ShapeError(msg)
    return value


def text(parent: object, key: str, where: str) -> str:
    """Give the value of a key that must be a text, and not an empty one.

    Raises:
        ShapeError: if it is none.
    """
    found: str = member(parent, key, str, where)
    if not found:
        msg = f"{where}.{key}: a text is needed, found an empty one"
        raise ShapeError(msg)
    return found


def stated(found: object, expected: str, reason: str, where: str) -> None:
    """Refuse a document that speaks of something else.

    Raises:
        ShapeError: with the reason given.
    """
    if found != expected:
        msg = f"{where}: {expected!r} was asked for, found {shown(found)}"
        raise ShapeError(msg, reason=reason)


def time_ms(value: object, where: str) -> int:
    """Give a moment [epoch ms UTC] from ISO 8601 with a zone (``Z`` or an offset).

    Raises:
        ShapeError: ``bad_time`` if it is none.
    """
    try:
        return zoned_ms(value)
    except ValueError as error:
        msg = f"{where}: {error}"
        raise ShapeError(msg, reason="bad_time") from None


def number(value: object, where: str, *, may_be_text: bool = False) -> float:
    """Give a finite number.

    Args:
        value: what stands there.
        where: its place, for errors.
        may_be_text: whether the source is known to send numbers as text too.

    Raises:
        ShapeError: ``no_value`` for null, ``bad_value`` for anything else that is none.
    """
    if value is None:
        msg = f"{where}: the provider states no value"
        raise ShapeError(msg, reason="no_value")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number or (may_be_text and isinstance(value, str) and value == value.strip() and value.isascii()):
        try:
            found = float(value)  # type: ignore[arg-type] # a number or a text, as just checked
        except (ValueError, OverflowError):
            found = math.nan
        if math.isfinite(found) and "_" not in str(value):
            return found
    msg = f"{where}: a finite number is needed, found {shown(value)}"
    raise ShapeError(msg, reason="bad_value")


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


def _cause(error: BaseException, body: bytes) -> str:
    """Give what is wrong without the text that it is about."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"{error.reason}, byte {error.start + 1} of {len(body)}"
    return shown(str(error)).strip("'\"")

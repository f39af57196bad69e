"""Reading of JSON answers without believing anything: format, fields, numbers, times.

What belongs here: checked access that names the place. What must not be here: any one source's fields.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, NoReturn

from pipelines.feeds.feed import FeedError, Page

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})")
_FIRST_YEAR, _LAST_YEAR = 1990, 2199
_LONGEST_TEXT = 80


class Unreadable(Exception):  # noqa: N818 - it is a finding about a part of an answer, not an error of the program
    """A part of an answer cannot be taken; ``reason`` is one of ``REASONS``."""

    def __init__(self, reason: str, detail: str) -> None:
        """Say why and where.

        Args:
            reason: one of ``REASONS``.
            detail: what exactly, where, and what was expected.
        """
        self.reason, self.detail = reason, detail
        super().__init__(detail)


def json_of(page: Page) -> Any:  # noqa: ANN401 - JSON may hold anything
    """Give the JSON of an answer: UTF-8, each key once, no NaN.

    Raises:
        FeedError: ``not_the_format`` or, for a key that stands twice, ``unknown_shape``.
    """
    try:
        text = page.body.decode("utf-8-sig")
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_each_key_once)
    except Unreadable as found:
        raise FeedError(found.reason, f"{page.url}: {found.detail}", status=page.status) from None
    except (ValueError, RecursionError) as error:
        kind = page.headers.get("content-type", "a type that is not stated")
        msg = f"{page.url}: this is no JSON ({type(error).__name__}; {_shown(kind)}, {len(page.body)} bytes)"
        raise FeedError(reason="not_the_format", message=msg, status=page.status) from None


def at(found: Any, name: str, where: str) -> Any:  # noqa: ANN401
    """Give a field of an object that must have it, perhaps null.

    Raises:
        Unreadable: ``unknown_shape``.
    """
    if not isinstance(found, dict):
        raise Unreadable(reason="unknown_shape", detail=f"{where}: an object is needed, found {_shown(found)}")
    if name not in found:
        raise Unreadable(reason="unknown_shape", detail=f"{where}: the field {name!r} is missing")
    return found[name]


def items(found: Any, where: str) -> list[Any]:  # noqa: ANN401
    """Give a list.

    Raises:
        Unreadable: ``unknown_shape``.
    """
    if not isinstance(found, list):
        raise Unreadable(reason="unknown_shape", detail=f"{where}: a list is needed, found {_shown(found)}")
    return found


def text_of(found: Any, where: str) -> str:  # noqa: ANN401
    """Give a text that is not empty.

    Raises:
        Unreadable: ``unknown_shape``.
    """
    if not isinstance(found, str) or not found:
        raise Unreadable(reason="unknown_shape", detail=f"{where}: a text is needed, found {_shown(found)}")
    return found


def flag_of(found: Any, where: str) -> bool:  # noqa: ANN401
    """Give true or false.

    Raises:
        Unreadable: ``unknown_shape``.
    """
    if not isinstance(found, bool):
        raise Unreadable(reason="unknown_shape", detail=f"{where}: true or false is needed, found {_shown(found)}")
    return found


def number_of(found: Any, where: str) -> float:  # noqa: ANN401
    """Give a number; whether it can be an intensity is judged later.

    Raises:
        Unreadable: ``no_value`` for null, ``bad_value`` for anything else that is no number.
    """
    if found is None:
        raise Unreadable(reason="no_value", detail=f"{where}: the provider states no value")
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise Unreadable(reason="bad_value", detail=f"{where}: a number is needed, found {_shown(found)}")
    try:
        return float(found)
    except OverflowError:
        raise Unreadable(reason="bad_value", detail=f"{where}: the number is out of all bounds") from None


def time_ms_of(found: Any, where: str) -> int:  # noqa: ANN401
    """Give a moment [epoch ms UTC] from ISO 8601 with a zone (``Z`` or an offset).

    Raises:
        Unreadable: ``bad_time``.
    """
    if isinstance(found, str) and _TIME.fullmatch(found):
        try:
            moment = datetime.fromisoformat(found).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        else:
            if _FIRST_YEAR <= moment.year <= _LAST_YEAR:
                return round(moment.timestamp() * 1000)
    detail = f"{where}: a time such as 2026-01-31T12:00:00Z is needed, found {_shown(found)}"
    raise Unreadable(reason="bad_time", detail=detail)


def stated(found: Any, expected: str, reason: str, where: str) -> None:  # noqa: ANN401
    """Refuse an answer that speaks of something else.

    Raises:
        Unreadable: with the reason given.
    """
    if found != expected:
        raise Unreadable(reason, f"{where}: {expected!r} was asked for, found {_shown(found)}")


def _shown(found: object) -> str:
    text = repr(found) if isinstance(found, (str, int, float, type(None))) else type(found).__name__
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}..."


def _no_constant(text: str) -> NoReturn:
    msg = f"{text} is no number of JSON"
    raise ValueError(msg)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Unreadable(reason="unknown_shape", detail=f"the key {_shown(twice)} stands twice in one object")
    return found

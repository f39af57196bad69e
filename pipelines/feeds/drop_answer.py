"""Saved answers of a source as a drop: the source's own reading of them.

What belongs here: which client reads an answer, and for which zones and range. What must not be here: any reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from models.zones import zones
from pipelines.feeds.drop_description import Description
from pipelines.feeds.electricity_maps_yearly import year_of
from pipelines.feeds.feed import Asked, Feed, FeedError, Page, Parsed, Refusal, Settings, Value
from pipelines.feeds.sources import SOURCES, client
from pipelines.feeds.stamps import utc_ms, year_ms

EVERY_ZONE = "*"


@runtime_checkable
class ManyZones(Protocol):
    """A source whose answers hold many zones."""

    def zones_of(self, page: Page) -> tuple[str, ...]:
        """Give the zones that an answer holds."""
        ...


def answered(stated: Description, page: Page) -> tuple[Parsed, Mapping[str, tuple[int, int]]]:
    """Give what a saved answer holds, and the range of each zone.

    Args:
        stated: the description, with ``[answer]``.
        page: the file, unpacked.

    Raises:
        FeedError: if the source, the zone or the range is not known, or the client cannot read the answer.
    """
    source = _client(stated, page.fetched_ms)
    start_ms, end_ms = _range(stated, page)
    if stated.zone != EVERY_ZONE:
        if stated.zone not in zones():
            text = f"{stated.name}, zone: a zone of models/data/zone.csv is needed, found {stated.zone!r}"
            raise FeedError(reason="wrong_zone", message=text)
        return source.parse([page], Asked(stated.zone, start_ms, end_ms)), {stated.zone: (start_ms, end_ms)}
    if not isinstance(source, ManyZones):
        text = f"{stated.name}, zone: an answer of {source.source} is of one zone, found {EVERY_ZONE!r}"
        raise FeedError(reason="not_configured", message=text)
    values: list[Value] = []
    refusals: list[Refusal] = []
    for zone in source.zones_of(page):
        if zone not in zones():
            refusals.append(Refusal("wrong_zone", f"{zone[:40]!r} is no zone of models/data/zone.csv", 1))
            continue
        parsed = source.parse([page], Asked(zone, start_ms, end_ms))
        values += parsed.values
        refusals += parsed.refusals
    return Parsed(tuple(values), tuple(refusals)), {value.zone: (start_ms, end_ms) for value in values}


def _client(stated: Description, now_ms: int) -> Feed:
    name = stated.answer.source if stated.answer else ""
    if name not in SOURCES:
        text = f"{stated.name}, [answer], source: one of {', '.join(sorted(SOURCES))} is needed, found {name!r}"
        raise FeedError(reason="not_configured", message=text)
    return client(name, Settings(), {}, now_ms=lambda: now_ms)


def _range(stated: Description, page: Page) -> tuple[int, int]:
    answer = stated.answer
    if answer is None or answer.start is None or answer.end is None:
        return year_ms(year_of(page.url.removeprefix("file:")))
    try:
        return utc_ms(answer.start), utc_ms(answer.end)
    except ValueError as error:
        raise FeedError(reason="not_configured", message=f"{stated.name}, [answer]: {error}") from None

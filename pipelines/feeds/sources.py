"""The registry of sources: which client stands behind a name. A client is imported when it is asked for.

What belongs here: names and where their clients are. What must not be here: clients, or imports of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from importlib import import_module
from typing import Protocol, cast

from pipelines.feeds.feed import Feed, FeedError, Settings


class ClientClass(Protocol):
    """What a client states without any settings; see ``feed.Feed``."""

    title: str
    licence: str
    longest: timedelta
    steps_s: tuple[int, ...]
    lag: timedelta
    needs: tuple[str, ...]

    def __call__(self, settings: Settings, environ: Mapping[str, str], *, now_ms: Callable[[], int]) -> Feed:
        """Make the client."""
        ...


SOURCES: dict[str, tuple[str, str]] = {
    "electricity_maps": ("pipelines.feeds.electricity_maps", "ElectricityMaps"),
    "electricity_maps_yearly": ("pipelines.feeds.electricity_maps_yearly", "ElectricityMapsYearly"),
    "ember": ("pipelines.feeds.ember", "Ember"),
    "eia": ("pipelines.feeds.eia", "Eia"),
    "entsoe": ("pipelines.feeds.entsoe", "Entsoe"),
    "neso": ("pipelines.feeds.neso", "Neso"),
    "watttime": ("pipelines.feeds.watttime", "WattTime"),
}
"""Module and class of the client by source."""


def client(source: str, settings: Settings, environ: Mapping[str, str], *, now_ms: Callable[[], int]) -> Feed:
    """Give the client of a source.

    Args:
        source: name of the source.
        settings: the feed's configuration.
        environ: the environment, where tokens are.
        now_ms: our clock [epoch ms UTC].

    Raises:
        FeedError: ``not_configured`` if there is no such source, or its settings are wrong.
    """
    if source not in SOURCES:
        msg = f"there is no feed {source!r}: choose one of {', '.join(sorted(SOURCES))}"
        raise FeedError(reason="not_configured", message=msg)
    return client_class(source)(settings, environ, now_ms=now_ms)


def client_class(source: str) -> ClientClass:
    """Give the class of the client of a source; what does not depend on settings stands in its attributes.

    Args:
        source: name of the source, one of ``SOURCES``.
    """
    module, name = SOURCES[source]
    return cast(ClientClass, getattr(import_module(module), name))

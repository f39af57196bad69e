"""Installations with feeds that a local server answers, a clock that a test moves, and syncs against both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.feeds.sync import SyncReport, sync
from pipelines.feeds.web import Web
from tests.support.feed_server import Feeds, millis, serving_feeds
from tests.support.homes import make_home
from warehouse.config import Config
from warehouse.lake import Lake, open_lake

START_MS = millis("2024-03-05T00:00:00Z")
DAY_MS = 86_400_000


def section(source: str, zones: list[str], feeds: Feeds, **changes: Any) -> dict[str, Any]:
    """Return a ``[[feed]]`` that asks the local server from 2024-03-05 on."""
    return {"source": source, "zones": zones, "since": "2024-03-05", "url": feeds.url(source)} | changes


@dataclass
class Home:
    """An installation whose feeds the local server answers.

    Attributes:
        config: its configuration.
        lake: its lake, open.
        feeds: the server.
        environ: the environment that syncs see.
        now_ms: the clock of syncs and of HTTP [epoch ms].
    """

    config: Config
    lake: Lake
    feeds: Feeds
    environ: Mapping[str, str]
    now_ms: int = field(default=START_MS + DAY_MS + 2 * 3_600_000)

    def sync(self, **options: Any) -> SyncReport:
        """Sync at the time of the clock; nothing waits."""
        clock = _clock(self)
        web = Web(now_ms=clock, sleep=lambda _: None, uniform=lambda: 0.0, environ={})
        try:
            return sync(self.lake, web=web, environ=self.environ, clock=clock, **options)
        finally:
            web.close()

    def pulls(self) -> list[tuple[Any, ...]]:
        """Return source, zone, outcome and reason of every asking, in order."""
        return self.lake.rows(
            "select source, zone, outcome, reason from raw.feed_pull order by fetched_ms, source, zone, from_ms"
        )


def _clock(home: Home) -> Any:
    return lambda: home.now_ms


@contextmanager
def feed_home(
    folder: Path, sections: Any, environ: Mapping[str, str] | None = None, **overrides: Any
) -> Iterator[Home]:
    """Give an installation with feeds until the end of the block.

    Args:
        folder: made as its home.
        sections: from the server, the ``[[feed]]`` entries.
        environ: the environment; by default empty.
        overrides: further sections of ``wattledger.toml``.
    """
    with serving_feeds() as feeds:
        config = make_home(folder, feed=sections(feeds), **overrides)
        with open_lake(config) as lake:
            yield Home(config, lake, feeds, environ or {"NOBODY": "1"})

"""What a feed gave becomes landed rows: values that are new or other than before, and a row on the asking itself.

What belongs here: comparing with what is known, writing through the landing contract. What must not be here: asking
(``sync``), which version is current (``warehouse.intensities``).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from collectors import __version__
from collectors.landing.writer import LandingWriter
from pipelines.feeds.feed import Asked, Refusal, Value
from warehouse.config import Config
from warehouse.lake import Lake

MAX_DETAIL_LETTERS = 500

_CURRENT = """
SELECT epoch_ms(valid_from), epoch_ms(valid_to), kind, basis, flow, factor_set, gco2e_per_kwh, is_estimate,
    carbon_free_fraction
FROM ref.grid_intensity
WHERE zone = $zone AND provider = $provider AND file_sha256 IS NOT NULL AND known_to IS NULL
  AND valid_from < make_timestamptz($end_ms * 1000) AND valid_to > make_timestamptz($start_ms * 1000)
"""


@dataclass(frozen=True, slots=True)
class PullRecord:
    """One asking and what came of it; a row of the landing table ``feed_pull``."""

    source: str
    zone: str
    from_ms: int
    to_ms: int
    fetched_ms: int
    outcome: str
    reason: str | None = None
    detail: str | None = None
    values_n: int = 0
    changed_n: int = 0
    refused_n: int = 0
    missing_ms: int = 0
    http_status: int | None = None
    url: str | None = None
    response_sha256: str | None = None


def changed(lake: Lake, source: str, asked: Asked, values: Iterable[Value]) -> list[Value]:
    """Return the values that are not known, or known otherwise.

    Args:
        lake: an open lake.
        source: the feed.
        asked: zone and range of the values.
        values: what the feed gave.
    """
    rows = lake.rows(
        _CURRENT, {"zone": asked.zone, "provider": source, "start_ms": asked.start_ms, "end_ms": asked.end_ms}
    )
    known = {tuple(row[:6]): tuple(row[6:]) for row in rows}
    return [value for value in values if known.get(_key(value)) != _stated(value)]


def _stated(value: Value) -> tuple[Any, ...]:
    return value.gco2e_per_kwh, value.is_estimate, value.carbon_free_fraction


def _key(value: Value) -> tuple[Any, ...]:
    return value.start_ms, value.end_ms, value.kind, value.basis, value.flow, value.factor_set


def first_refusal(refusals: Sequence[Refusal]) -> tuple[str | None, str | None]:
    """Return reason and detail of the refusal that concerns most values."""
    if not refusals:
        return None, None
    worst = max(refusals, key=lambda refusal: refusal.values_n)
    return worst.reason, worst.detail[:MAX_DETAIL_LETTERS]


def land(
    config: Config,
    source: str,
    values: Sequence[Value],
    *,
    fetched_ms: int,
    response_sha256: str,
    pulls: Sequence[PullRecord] = (),
) -> list[Path]:
    """Write values and askings into the landing folder.

    Args:
        config: the configuration.
        source: the feed, the provider of the values.
        values: values of one answer.
        fetched_ms: when the answer was there: since then they are known [epoch ms].
        response_sha256: hash of the answer.
        pulls: askings to note.

    Returns:
        The files.
    """
    writer = LandingWriter(config.landing_path, host=socket.gethostname(), collector_version=__version__)
    rows = [
        asdict(value) | {"provider": source, "fetched_ms": fetched_ms, "response_sha256": response_sha256}
        for value in values
    ]
    written = writer.write("grid_intensity", rows) if rows else []
    written += writer.write("feed_pull", [asdict(pull) for pull in pulls]) if pulls else []
    return [Path(path) for path in written]

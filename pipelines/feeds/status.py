"""How the feeds stand, and what would give better factors where energy is used.

What belongs here: what is configured, what is known, what failed, what is due, and for zones that rest on yearly means
which source could do better and how to get at it. What must not be here: asking a provider.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from models.zones import zones
from pipelines.feeds.feed import FeedError
from pipelines.feeds.sync import clients, due, now_ms
from warehouse.lake import Lake

_NEWEST = """
SELECT epoch_ms(max(valid_to)), count(*) FROM ref.grid_intensity
WHERE provider = $source AND zone = $zone AND known_to IS NULL AND file_sha256 IS NOT NULL
"""
_LAST = """
SELECT outcome, reason, detail, fetched_ms FROM raw.feed_pull
WHERE source = $source AND zone = $zone ORDER BY fetched_ms DESC, to_ms DESC LIMIT 1
"""
_USED = """
SELECT zone, exact_sum(energy_j) / 3.6e6 AS kwh,
    coalesce(exact_sum(CASE WHEN tier IN ('zone_slot_measured', 'zone_slot_estimated') THEN energy_j END), 0) / 3.6e6
FROM core.job_slot JOIN core.grid_factor AS factor USING (day, zone, slot_start)
WHERE day >= $since GROUP BY zone ORDER BY zone
"""
_STATED = """
SELECT DISTINCT zone FROM ref.facility WHERE known_to IS NULL AND zone IS NOT NULL ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class FeedStatus:
    """How one feed stands for one zone.

    Attributes:
        source: the feed.
        zone: the zone.
        title: name for people.
        newest: end of the newest interval with a value; None without any.
        values_n: current values.
        last: outcome of the last asking, with its reason; empty if it was never asked.
        due_n: askings that are due.
        problem: why it gives nothing; empty if it can be asked.
    """

    source: str
    zone: str
    title: str
    newest: datetime | None
    values_n: int
    last: str
    due_n: int
    problem: str


@dataclass(frozen=True, slots=True)
class Advice:
    """A zone that could have better factors.

    Attributes:
        zone: the zone.
        why: on what its factors rest now.
        source: what would be better.
        how: how to get it.
    """

    zone: str
    why: str
    source: str
    how: str


def feed_status(
    lake: Lake, environ: Mapping[str, str] | None = None, *, clock: Callable[[], int] = now_ms
) -> list[FeedStatus]:
    """Return how every configured feed stands, zone by zone.

    Args:
        lake: an open lake.
        environ: the environment; by default that of the process.
        clock: the time [epoch ms].
    """
    found = []
    for section, feed in clients(lake.config, environ, clock=clock):
        is_usable = not isinstance(feed, FeedError)
        waiting: dict[str, int] = {}
        if not isinstance(feed, FeedError):
            for asked in due(lake, section, feed, clock()):
                waiting[asked.zone] = waiting.get(asked.zone, 0) + 1
        for zone in section.zones:
            of_zone = {"source": section.source, "zone": zone}
            newest, values_n = lake.rows(_NEWEST, of_zone)[0]
            found.append(
                FeedStatus(
                    section.source,
                    zone,
                    feed.title if not isinstance(feed, FeedError) else section.source,
                    None if newest is None else datetime.fromtimestamp(newest / 1000, UTC),
                    values_n,
                    _last(lake, of_zone),
                    waiting.get(zone, 0),
                    "" if is_usable else str(feed),
                )
            )
    return found


def _last(lake: Lake, of_zone: dict[str, Any]) -> str:
    rows = lake.rows(_LAST, of_zone)
    if not rows:
        return ""
    outcome, reason, detail, fetched_ms = rows[0]
    at = datetime.fromtimestamp(fetched_ms / 1000, UTC)
    return f"{at:%Y-%m-%d %H:%M}Z {outcome}" + (f": {reason}: {detail}" if reason else "")


def advice(lake: Lake, since: datetime) -> list[Advice]:
    """Return, for each zone in use that no feed of slots serves, what would.

    Args:
        lake: an open lake.
        since: energy from this day on counts.
    """
    served = {zone for section in lake.config.feed for zone in section.zones}
    used = {zone: (kwh, slots) for zone, kwh, slots in lake.rows(_USED, {"since": since.date()})}
    wanted = sorted({*used, *(zone for (zone,) in lake.rows(_STATED))})
    found = []
    for zone in wanted:
        kwh, by_slot = used.get(zone, (0.0, 0.0))
        # A configured feed does not help where its basis or kind is not the one that figures rest on.
        if by_slot >= kwh if kwh else zone in served:
            continue
        why = f"{kwh - by_slot:,.1f} kWh since {since:%Y-%m-%d} rest on yearly or monthly means" if kwh else "no feed"
        found += [Advice(zone, why, source, how) for source, how in better(zone)]
    return found


def better(zone: str) -> list[tuple[str, str]]:
    """Return the sources that state hourly values of a zone, those without cost first, and how to get at each.

    Args:
        zone: our key of the zone.
    """
    known = zones().get(zone)
    found = []
    if zone == "GB" or zone.startswith("GB-"):
        found.append(("neso", 'no token; combustion only: set [grid] basis = "operational" to use it'))
    if known is None:
        return [*found, ("file drop", "any file of intensities with a description: docs/feeds/file-drop.md")]
    if known.eia_respondent:
        found.append(("eia", "a free key of the EIA in EIA_API_KEY; docs/feeds/eia.md"))
    if known.entsoe_eic:
        found.append(("entsoe", "a free token of the Transparency Platform; docs/feeds/entsoe.md"))
    if not known.is_retired:
        found.append(("electricity_maps", "a token (history is in the paid plans); docs/feeds/electricity-maps.md"))
    found.append(("file drop", "any file of intensities with a description: docs/feeds/file-drop.md"))
    return found

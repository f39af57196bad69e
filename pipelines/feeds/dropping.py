"""Files of factors taken in: dropped intensities and the published tables of cloud regions.

What belongs here: landing what was read, and taking it in. What must not be here: reading (``drop``, ``cloud``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.feeds import kept, landing
from pipelines.feeds.drop import Drop
from pipelines.feeds.feed import Asked, FeedError, Value
from warehouse.ingest import ingest_landing
from warehouse.lake import Lake

if TYPE_CHECKING:
    from pipelines.feeds.cloud.judge import Judged
    from pipelines.feeds.cloud.publication import CloudSource, Reading

_YEARLY = re.compile(r"20\d\d\.csv$")


def land_drop(lake: Lake, drop: Drop) -> int:
    """Keep a dropped file as it came, land its new and revised values, take them in.

    Args:
        lake: an open, writable lake.
        drop: what was read.

    Returns:
        Values that were not known, or known otherwise.
    """
    ingest_landing(lake)
    kept.keep(lake.config.answers_path, drop.provider, drop.bodies)
    sha256, fetched_ms = kept.sha256_of(drop.bodies), drop.bodies[0].fetched_ms
    # What was known at a moment in the past is compared when it is taken in, not with what is known today.
    is_past = drop.as_of_ms is not None
    new = [
        value
        for zone, values in groupby(sorted(drop.values, key=lambda value: value.zone), key=lambda value: value.zone)
        for value in _changed(lake, drop.provider, zone, list(values), is_past=is_past)
    ]
    landing.land(lake.config, drop.provider, new, fetched_ms=fetched_ms, response_sha256=sha256)
    ingest_landing(lake)
    return len(new)


def _changed(lake: Lake, provider: str, zone: str, values: list[Value], *, is_past: bool) -> list[Value]:
    if is_past or not values:
        return values
    asked = Asked(zone, min(value.start_ms for value in values), max(value.end_ms for value in values))
    return landing.changed(lake, provider, asked, values)


def land_cloud(lake: Lake, files: Sequence[Path]) -> Judged:
    """Read, judge, land and take in tables of cloud regions.

    Args:
        lake: an open, writable lake.
        files: the files; none to fetch what is published.

    Returns:
        What was taken and refused.

    Raises:
        FeedError: if a file is none of the tables, a table is there twice, or nothing can be fetched.
    """
    from pipelines.feeds.cloud import judge as judging
    from pipelines.feeds.cloud import landing as cloud_landing
    from pipelines.feeds.cloud.google_regions import GoogleRegions
    from pipelines.feeds.cloud.gsf_table import GsfTable

    if files:
        readings = [_reading(path) for path in files]
    else:
        from pipelines.feeds.web import Web

        with closing(Web()) as web:
            published = [(source, one) for source in (GoogleRegions(), GsfTable()) for one in source.fetch(web)]
        readings = [source.parse(one) for source, one in published]
    try:
        judged = judging.judge(readings, cloud_landing.region_map())
    except judging.TableTwiceError as error:
        raise FeedError(reason="conflicting", message=str(error)) from None
    cloud_landing.land(judged, lake.config.landing_path)
    ingest_landing(lake)
    return judged


def _reading(path: Path) -> Reading:
    """Read a table: a yearly file of Google's by its name, else the foundation's.

    Raises:
        FeedError: if it is no table; the message begins with the name of the file.
    """
    from pipelines.feeds.cloud.google_regions import GoogleRegions
    from pipelines.feeds.cloud.gsf_table import GsfTable

    source: CloudSource = GoogleRegions() if _YEARLY.search(path.name) else GsfTable()
    try:
        return source.parse(source.read(path))
    except FeedError as error:
        text = str(error)
        named = text if text.startswith(path.name) else f"{path.name}: {text}"
        raise FeedError(error.reason, named, status=error.status) from None

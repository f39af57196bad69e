"""Which earlier states of the lake stay readable: all of late, then one a day, then one a month.

What belongs here: choosing and forgetting snapshots. What must not be here: when files are merged or removed
(``tidy``), or anything that a figure of today rests on.

A new hour makes some ten snapshots and replaces about as many files. All that an earlier state needs stays in the
catalog, of which DuckLake reads whole tables in every statement: kept for ever, a year of hours would make the next
hour many times dearer. What is forgotten is never the newest state, nor the one that is published.
"""

from __future__ import annotations

from warehouse.lake import CATALOG, Lake
from warehouse.publish import published_snapshot

FEWEST = 48
"""Snapshots are forgotten once so many may go: a new hour alone is not worth it."""
_SQL = """
WITH taken AS (
    SELECT snapshot_id, snapshot_time AS taken_at, snapshot_time AT TIME ZONE 'UTC' AS utc, now() AS reference_at
    FROM lake.snapshots()
),
placed AS (
    SELECT snapshot_id, taken_at, reference_at,
        snapshot_id = max(snapshot_id) OVER () AS is_newest,
        snapshot_id = max(snapshot_id) OVER (PARTITION BY date_trunc('day', utc)) AS is_last_of_day,
        snapshot_id = max(snapshot_id) OVER (PARTITION BY date_trunc('month', utc)) AS is_last_of_month
    FROM taken
)
SELECT snapshot_id
FROM placed
WHERE NOT (is_newest OR is_last_of_month OR snapshot_id = $published)
    AND taken_at < reference_at - to_days($all_days)
    AND NOT (is_last_of_day AND taken_at >= reference_at - to_days($daily_days))
ORDER BY snapshot_id
"""


def forgettable(lake: Lake) -> list[int]:
    """Return the snapshots that need not stay, oldest first.

    Args:
        lake: an open lake; its configuration says how long all, and one a day, stay.
    """
    kept = lake.config.lake
    values = {
        "all_days": kept.all_snapshots_days,
        "daily_days": kept.daily_snapshots_days,
        "published": published_snapshot(lake.config.published_path) or 0,
    }
    return [int(snapshot) for (snapshot,) in lake.rows(_SQL, values)]


def forget(lake: Lake) -> int:
    """Forget earlier states of the lake, if many may go; return how many.

    Args:
        lake: an open, writable lake.
    """
    chosen = forgettable(lake)
    if len(chosen) < FEWEST:
        return 0
    with lake.locked():
        lake.rows(f"FROM ducklake_expire_snapshots('{CATALOG}', versions => {chosen})")
    return len(chosen)

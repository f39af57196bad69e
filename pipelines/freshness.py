"""Freshness: how old may what people read become before Dagster says so.

What belongs here: the policy and to which assets it applies. What must not be here: alerts.
"""

from __future__ import annotations

from datetime import timedelta

import dagster as dg

# Collectors deliver at least once a day where anything runs; half a day more allows for a weekend's late delivery.
WARN_AFTER = timedelta(hours=26)
FAIL_AFTER = timedelta(hours=36)
# The marts of months and of all time move with every publication, so one policy fits all that people read.
READ_BY_PEOPLE = frozenset({"mart", "published"})

# A feed is asked every half hour: after six hours some ten askings in a row have failed, after a day it is an outage.
FEED_WARN_AFTER = timedelta(hours=6)
FEED_FAIL_AFTER = timedelta(days=1)


def of_feed(every: timedelta, lag: timedelta) -> dg.FreshnessPolicy:
    """Return how old the last answer of a feed may become.

    Args:
        every: how often it has something to ask for.
        lag: how long after an interval's end its first value usually comes.
    """
    return dg.FreshnessPolicy.time_window(
        fail_window=every + lag + FEED_FAIL_AFTER, warn_window=every + lag + FEED_WARN_AFTER
    )


def with_freshness(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Return the asset with the freshness policy if people read it, else as it is."""
    if spec.group_name not in READ_BY_PEOPLE:
        return spec
    return dg.apply_freshness_policy(
        spec, dg.FreshnessPolicy.time_window(fail_window=FAIL_AFTER, warn_window=WARN_AFTER)
    )

"""When to stop asking: after failures that every other zone, or every other range of a zone, would share.

What belongs here: this rule. What must not be here: asking (``sync``), retries of one request (``patience``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.feeds.landing import PullRecord

GIVE_UP_AFTER_N = 3
"""Failures in a row after which a zone, or a feed that fails in any zone, is left alone until the next time."""
HOPELESS = frozenset({"not_configured", "tls"})
"""Reasons for which every other zone and range would fail as well."""
OF_ZONE = frozenset({"unauthorised", "not_found", "bad_request"})
"""Reasons that may concern one zone alone, such as a plan that does not cover it: the others are still asked for."""


@dataclass(slots=True)
class Failures:
    """Which zones of a feed are left alone after failures, and why.

    Attributes:
        left: zones that are left alone: askings that were not made, and the reason.
        in_zone: failures in a row by zone.
        in_row: failures in a row that may concern all zones.
        hopeless: why no zone is asked for any more.
    """

    left: dict[str, tuple[int, str]] = field(default_factory=dict)
    in_zone: dict[str, int] = field(default_factory=dict)
    in_row: int = 0
    hopeless: str = ""

    def leaves(self, zone: str) -> bool:
        """Tell whether a zone is left alone, and count one asking that is not made."""
        if zone not in self.left and not self.hopeless:
            return False
        left_n, why = self.left.get(zone, (0, self.hopeless))
        self.left[zone] = left_n + 1, why
        return True

    def note(self, record: PullRecord) -> None:
        """Take note of what came of an asking."""
        if record.outcome != "failed":
            self.in_zone[record.zone], self.in_row = 0, 0
            return
        why = f"{record.reason}: {record.detail}"
        self.in_zone[record.zone] = self.in_zone.get(record.zone, 0) + 1
        self.in_row = self.in_row if record.reason in OF_ZONE else self.in_row + 1
        if record.reason in HOPELESS or self.in_row >= GIVE_UP_AFTER_N:
            self.hopeless = why
        if record.reason == "unauthorised" or self.in_zone[record.zone] >= GIVE_UP_AFTER_N:
            self.left[record.zone] = 0, why

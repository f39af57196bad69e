"""Rows on askings that break the landing contract go to quarantine, and what is due is judged without them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.feed_homes import DAY_MS, START_MS, Home, feed_home, section
from tests.support.landed import landed_bytes, landed_name, put

SOUND: dict[str, Any] = {
    **{"source": "neso", "zone": "GB", "from_ms": START_MS, "to_ms": START_MS + DAY_MS, "outcome": "complete"},
    **{"fetched_ms": START_MS + DAY_MS + 3_600_000, "reason": None, "detail": None, "url": None},
    **{"values_n": 48, "changed_n": 0, "refused_n": 0, "missing_ms": 0, "http_status": 200, "response_sha256": None},
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with feed_home(tmp_path / "home", lambda feeds: [section("neso", ["GB"], feeds)]) as found:
        yield found


def land(home: Home, *rows: dict[str, Any]) -> None:
    content = landed_bytes("feed_pull", rows, written_ms=home.now_ms)
    put(home.config.landing_path, landed_name("feed_pull", START_MS + DAY_MS, "by-hand"), content)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"outcome": "perhaps"}, "unknown_value"),
        ({"outcome": None}, "null_value"),
        ({"zone": None}, "null_value"),
        ({"source": "ne\0so"}, "unsafe_text"),
        ({"values_n": -1}, "out_of_range"),
        ({"fetched_ms": START_MS + 10_000 * DAY_MS}, "future_time"),
        ({"to_ms": START_MS - DAY_MS}, "end_before_start"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_row_that_breaks_the_contract_is_refused_by_name_and_the_others_stay(
    home: Home, broken: dict[str, Any], reason: str
) -> None:
    others = [SOUND | {"zone": zone} for zone in ("FR", "DE")]
    land(home, SOUND | broken, *others)
    report = home.sync()
    assert home.lake.rows("select reason, row_number from raw.quarantine_row") == [(reason, 0)]
    assert home.lake.value("select count(*) from raw.feed_pull where zone in ('FR', 'DE')") == 2
    # Great Britain is still due: a row that cannot be right is no proof that it was asked for.
    assert [(pull.zone, pull.from_ms, pull.outcome) for pull in report.pulls] == [("GB", START_MS, "complete")]


def test_a_row_that_keeps_the_contract_counts_as_asked(home: Home) -> None:
    land(home, SOUND)
    (pull,) = home.sync().pulls
    assert pull.from_ms == START_MS + DAY_MS, "only what came after that day is due"

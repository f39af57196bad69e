"""A day on which an hourly source of generation answers nothing, and its recovery, with constructed figures.

A GPU draws 1 kW from 10:00 to 11:00 UTC on 2024-03-05 at a place in California with PUE 1.0: 1 kWh. (Great Britain's
real figures are in ``tests/real/test_feeds_outage.py``.)
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.feed_homes import START_MS, Home, feed_home, section
from tests.support.feed_server import HOUR_MS, TOKEN, Feeds, figure
from tests.support.generation_services import EIA_FACTORS, weighted
from tests.support.gpu_jobs import land_gpu
from tests.support.stub_http import Reply
from warehouse.engine import run_all

ZONE = "US-CAL-CISO"
PLACE = {"id": "dc1", "zone": ZONE, "pue": 1.0, "hosts": ["host-*"]}
TEN_MS = START_MS + 10 * HOUR_MS
TIERS = (
    "select quality_tier, sum(energy_kwh), sum(gco2e) from core.emission where method = 'location' "
    "and component = 'it' group by 1"
)


def sections(feeds: Feeds) -> list[dict[str, object]]:
    return [section("eia", [ZONE], feeds, factor_sets=["eia_published"])]


@pytest.mark.slow
def test_an_outage_of_a_source_of_generation_is_bridged_noted_and_made_good(tmp_path: Path) -> None:
    environ = {"EIA_API_KEY": TOKEN}
    with feed_home(tmp_path / "home", sections, environ, grid={"basis": "lifecycle"}, facility=[PLACE]) as home:
        land_gpu(home.config, TEN_MS, TEN_MS + HOUR_MS, 1000, "job-1")
        home.feeds.fault = lambda *_: Reply(b"<html>maintenance</html>", 503)
        for hours in (50, 56, 62):  # the first figures of a day come 26 h later
            home.now_ms = START_MS + hours * HOUR_MS
            assert [pull.reason for pull in home.sync().pulls] == ["server_error"]
        run_all(home.lake)
        ((tier, kwh, provisional),) = home.lake.rows(TIERS)
        assert (tier, kwh) == ("zone_year", pytest.approx(1.0))
        recovers(home, provisional)


def recovers(home: Home, provisional: float) -> None:
    home.feeds.fault = None
    home.now_ms = START_MS + 68 * HOUR_MS
    (pull,) = home.sync().pulls
    # 68 h less the 26 h that the source needs: 42 hours have a figure.
    assert (pull.outcome, pull.values_n, pull.missing_ms) == ("complete", 42, 0)
    assert [outcome for _, _, outcome, _ in home.pulls()] == ["failed", "failed", "failed", "complete"]
    run = run_all(home.lake)
    assert (run.days, run.hour_files_opened) == (["2024-03-05"], 0)
    # NG 490, COL 820 and NUC 12 g/kWh, weighted by what the stub gives for 10:00 (labelled 11 by the source).
    generated = [figure(TEN_MS, series) for series in range(3)]
    expected = (generated[0] * 490 + generated[1] * 820 + generated[2] * 12) / sum(generated)
    assert expected == weighted(TEN_MS, list(EIA_FACTORS.values()))
    ((tier, kwh, final),) = home.lake.rows(TIERS)
    assert (tier, kwh, final) == ("zone_slot_measured", pytest.approx(1.0), pytest.approx(expected, rel=1e-9))
    ((day, cause, old, new, energy, old_kg, new_kg),) = home.lake.rows(
        "select start, cause, old_tier, new_tier, energy_kwh, old_kgco2e, new_kgco2e from audit.restatement "
        "where period = 'day'"
    )
    assert (str(day), cause, old, new) == ("2024-03-05", "grid_arrived", "zone_year", "zone_slot_measured")
    assert (energy, old_kg, new_kg) == pytest.approx((1.0, provisional / 1e3, final / 1e3), rel=1e-9)

"""A day on which Great Britain's feed answers nothing, and its recovery, with the figures that the service really gave.

A GPU draws 1 kW from 10:00 to 11:00 UTC on 2023-03-14 at a place with PUE 1.0: half a kWh in each of two half hours.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.feed_homes import Home, feed_home, section
from tests.support.feed_server import HOUR_MS, Feeds, iso, millis
from tests.support.gpu_jobs import land_gpu
from tests.support.stub_http import Reply, Request, as_json
from warehouse.engine import run_all

pytestmark = pytest.mark.real

START_MS = millis("2023-03-14T10:00:00Z")
PLACE = {"id": "dc1", "zone": "GB", "pue": 1.0, "hosts": ["host-*"]}
TIERS = (
    "select quality_tier, sum(energy_kwh), sum(gco2e) from core.emission where method = 'location' "
    "and component = 'it' group by 1"
)


def recorded(shared_data: Path) -> list[dict[str, object]]:
    path = shared_data / "feeds" / "gb_neso" / "national_pt24h_asof_2023-03-15T0201Z.json"
    return list(json.loads(path.read_text(encoding="utf-8"))["data"])


def sections(feeds: Feeds) -> list[dict[str, object]]:
    return [section("neso", ["GB"], feeds, since="2023-03-14")]


def answering(points: list[dict[str, object]]) -> object:
    """Return a service that answers with those recorded half hours that lie in the range asked for."""

    def answer(request: Request, _: Reply) -> Reply:
        start, end = (part.replace("%3A", ":") for part in request.path.split("/")[-2:])
        return as_json({"data": [point for point in points if start <= str(point["from"]) < end]})

    return answer


def refusing(_: Request, __: Reply) -> Reply:
    return Reply(b"<html>maintenance</html>", 503)


def test_an_outage_of_a_day_is_bridged_noted_and_made_good(shared_data: Path, tmp_path: Path) -> None:
    points = recorded(shared_data)
    grid = {"basis": "operational"}
    with feed_home(tmp_path / "home", sections, grid=grid, facility=[PLACE]) as home:
        land_gpu(home.config, START_MS, START_MS + HOUR_MS, 1000, "job-1")
        home.feeds.fault = refusing
        for hours in (2, 8, 14):
            home.now_ms = START_MS + hours * HOUR_MS
            assert [pull.reason for pull in home.sync().pulls] == ["server_error"]
        run_all(home.lake)
        # Combustion of the zone's slots is not known, so the mean of a year stands in, and says so.
        ((tier, kwh, provisional),) = home.lake.rows(TIERS)
        assert (tier, kwh) == ("zone_year", pytest.approx(1.0))
        recovers(home, points, provisional)


def recovers(home: Home, points: list[dict[str, object]], provisional: float) -> None:
    home.feeds.fault = answering(points)  # type: ignore[assignment]
    home.now_ms = millis("2023-03-15T02:01:00Z")
    (pull,) = home.sync().pulls
    # The first two hours of the day are before the recorded answer, its last half hour has no figure yet.
    assert (pull.outcome, pull.values_n) == ("partial", 47)
    outcomes = [outcome for _, _, outcome, _ in home.pulls()]
    assert outcomes == ["failed", "failed", "failed", "partial"]
    run = run_all(home.lake)
    assert (run.days, run.hour_files_opened) == (["2023-03-14"], 0)
    by_start = {str(point["from"]): point["intensity"] for point in points}
    halves = [by_start[iso(START_MS + half * HOUR_MS // 2, "%Y-%m-%dT%H:%MZ")] for half in range(2)]
    expected = sum(0.5 * intensity["actual"] for intensity in halves)  # type: ignore[index]
    ((tier, kwh, final),) = home.lake.rows(TIERS)
    assert (tier, kwh, final) == ("zone_slot_measured", pytest.approx(1.0), pytest.approx(expected, rel=1e-9))
    ((day, cause, old, new, energy, old_kg, new_kg),) = home.lake.rows(
        "select start, cause, old_tier, new_tier, energy_kwh, old_kgco2e, new_kgco2e from audit.restatement "
        "where period = 'day'"
    )
    assert (str(day), cause, old, new) == ("2023-03-14", "grid_arrived", "zone_year", "zone_slot_measured")
    assert (energy, old_kg, new_kg) == pytest.approx((1.0, provisional / 1e3, final / 1e3), rel=1e-9)

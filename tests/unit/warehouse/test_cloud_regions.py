"""Figures of cloud regions that land: which PUE a day takes, as it was known, and the restatement that links two.

A GPU draws 360 W for an hour in a region of Google in Belgium, 0.36 kWh at 100 g/kWh: 36 g, and 36 g x (PUE - 1) more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import make_home
from tests.support.intensities import MS_PER_MINUTE, intensity, land
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from tests.support.worlds import EVENING_MS
from warehouse.asknown import emissions_as_known
from warehouse.config import Config
from warehouse.engine import run_all
from warehouse.ingest import ingest_landing
from warehouse.lake import Lake, open_lake
from warehouse.sqlfiles import sql_text

HOUR_MS = 60 * MS_PER_MINUTE
DAY_MS = 24 * HOUR_MS
REGION, PLACE = "europe-west1", "gcp/europe-west1"
YEAR_2023_MS, YEAR_2024_MS = 1_672_531_200_000, 1_704_067_200_000
YEAR_2025_MS, YEAR_2026_MS = 1_735_689_600_000, 1_767_225_600_000
LEARNED_MS = EVENING_MS + 3 * DAY_MS
APPLIED = "select pue, factor_id, tier, age_years, source from core.place_factor"
OVERHEAD = "select sum(gco2e) from core.emission where method = 'location' and component = 'overhead'"


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with open_lake(home(tmp_path)) as opened:
        yield opened


def home(folder: Path, **changes: Any) -> Config:
    config = make_home(folder / "home", facility=changes.pop("facility", []), **changes)
    rows = [sample(EVENING_MS + s * 1000, power_mw=360_000) for s in range(0, 3601, 10)]
    end_ms = EVENING_MS + HOUR_MS
    where = {"provider": "gcp", "region": REGION, "facility": None}
    events = [
        job_event(EVENING_MS, "train", "started", **where),
        job_event(end_ms, "train", "ended", state="completed", **where),
    ]
    held = [job_device("train", EVENING_MS, end_ms=end_ms)]
    for table, of_table in (("power_sample", rows), ("job_event", events), ("job_device", held)):
        content = landed_bytes(table, of_table, written_ms=end_ms)
        put(config.landing_path, landed_name(table, EVENING_MS, "one"), content)
    land(config, [intensity(EVENING_MS, 100.0, zone="BE")], "grid")
    return config


def figure(value: float, from_ms: int = YEAR_2025_MS, to_ms: int = YEAR_2026_MS, **changes: Any) -> dict[str, Any]:
    return {
        "provider": "gcp",
        "region": REGION,
        "valid_from": from_ms,
        "valid_to": to_ms,
        "metric": "pue",
        "value": value,
        "unit": "1",
        "source": "stated",
        "published": "unknown",
        "fetched_ms": LEARNED_MS,
        "response_sha256": "0" * 64,
    } | changes


def land_figures(config: Config, name: str, *rows: dict[str, Any]) -> None:
    content = landed_bytes("cloud_region_factor", list(rows), written_ms=rows[0]["fetched_ms"])
    put(config.landing_path, landed_name("cloud_region_factor", rows[0]["fetched_ms"], name), content)


def test_a_landed_pue_of_the_period_comes_before_the_shipped_one_and_is_named(lake: Lake) -> None:
    land_figures(lake.config, "one", figure(1.5))
    run_all(lake)
    assert lake.rows(APPLIED) == [(1.5, f"pue.stated.gcp.{REGION}.2025-01-01", "region_period", 0, "stated 2025")]
    assert lake.value(OVERHEAD) == pytest.approx(18.0, rel=1e-9)  # 0.36 kWh x 0.5 x 100 g/kWh


def test_what_the_configuration_states_comes_before_both(tmp_path: Path) -> None:
    stated = {"id": PLACE, "zone": "BE", "pue": 1.25, "hosts": ["host-*"]}
    with open_lake(home(tmp_path, facility=[stated])) as lake:
        land_figures(lake.config, "one", figure(1.5))
        run_all(lake)
        assert lake.rows(APPLIED) == [(1.25, f"pue.configured.{PLACE}", "facility", 0, "wattledger.toml")]


def test_the_nearest_measured_year_of_the_region_applies(lake: Lake) -> None:
    run_all(lake)

    def applied(name: str, *rows: dict[str, Any]) -> Any:
        if rows:
            land_figures(lake.config, name, *rows)
            ingest_landing(lake)
        values = {"day": date(2025, 3, 3), "known_at": None}
        ((source,),) = lake.rows(f"select source from ({sql_text('core', 'place_factor')})", values)
        return source

    shipped = applied("nothing")
    assert shipped.endswith(" 2023")
    # A year that lies further away, a projection, another region and another metric are nobody's figure here.
    away = [figure(1.5, YEAR_2023_MS - 365 * DAY_MS, YEAR_2023_MS), figure(1.5, source="gsf_real_time_cloud_estimate")]
    away += [figure(1.5, region="europe-west4"), figure(1.5, metric="wue", unit="l/kWh")]
    assert applied("away", *away) == shipped
    assert applied("same", figure(1.5, YEAR_2023_MS, YEAR_2024_MS)) == "stated 2023"
    assert applied("near", figure(1.5, YEAR_2024_MS, YEAR_2025_MS)) == "stated 2024"
    assert applied("now", figure(1.5)) == "stated 2025"
    # Of two that hold the day, the one that was learned last.
    assert applied("later", figure(1.4, source="other", fetched_ms=LEARNED_MS + 1)) == "other 2025"


def test_a_new_pue_restates_the_days_that_it_touches_and_no_others(lake: Lake) -> None:
    run_all(lake)
    shipped = lake.value("select pue from core.place_factor")
    land_figures(lake.config, "one", figure(1.5))
    report = run_all(lake)
    assert report.days == ["2025-03-03"]
    assert report.hour_files_opened == 0
    land_figures(lake.config, "two", figure(1.4, fetched_ms=LEARNED_MS + DAY_MS))
    run_all(lake)
    # Nobody's day: 2024 lies further away than what holds 2025; another region has no energy.
    other = [figure(1.3, YEAR_2024_MS, YEAR_2025_MS), figure(1.3, region="us-central1")]
    land_figures(lake.config, "three", *other)
    assert run_all(lake).days == []
    rows = lake.rows(
        "select cause, old_tier, new_tier, zone, energy_kwh, old_kgco2e, new_kgco2e from audit.restatement "
        "where period = 'day' order by restated_at"
    )
    expected = [
        ("pue_arrived", "region_other_period", "region_period", "BE", 0.54, 0.036 * shipped, 0.054),
        ("pue_revised", "region_period", "region_period", "BE", 0.504, 0.054, 0.0504),
    ]
    for row, right in zip(rows, expected, strict=True):
        assert row[:4] == right[:4]
        assert row[4:] == pytest.approx(right[4:], rel=1e-9)


def test_grid_and_pue_that_change_at_once_are_told_apart_and_add_up(lake: Lake) -> None:
    land_figures(lake.config, "one", figure(1.5))
    run_all(lake)
    later = LEARNED_MS + DAY_MS
    land_figures(lake.config, "two", figure(1.2, fetched_ms=later))
    land(lake.config, [intensity(EVENING_MS, 200.0, zone="BE", fetched_ms=later)], "again")
    run_all(lake)
    rows = lake.rows("select cause, old_kgco2e, new_kgco2e from audit.restatement where period = 'day' order by cause")
    # 0.36 kWh x 1.5 x 100 g = 54 g; by the new grid factor 108 g; by the new PUE 0.36 x 1.2 x 200 = 86.4 g.
    assert [cause for cause, *_ in rows] == ["grid_revised", "pue_revised"]
    assert [number for row in rows for number in row[1:]] == pytest.approx([0.054, 0.108, 0.108, 0.0864], rel=1e-9)


def test_a_day_is_asked_for_with_the_pue_that_was_known_then(lake: Lake) -> None:
    land_figures(lake.config, "one", figure(1.5))
    land_figures(lake.config, "two", figure(1.4, fetched_ms=LEARNED_MS + DAY_MS))
    run_all(lake)
    for known_ms, grams in ((LEARNED_MS, 54.0), (LEARNED_MS + DAY_MS, 50.4)):
        rows = emissions_as_known(lake, "2025-03-03", datetime.fromtimestamp(known_ms / 1000, UTC))
        assert sum(row["gco2e"] or 0 for row in rows) == pytest.approx(grams, rel=1e-9)
    versions = lake.rows(
        "select value, epoch_ms(known_from), epoch_ms(known_to) from ref.cloud_region_factor "
        "where file_sha256 is not null order by known_from"
    )
    assert versions == [(1.5, LEARNED_MS, LEARNED_MS + DAY_MS), (1.4, LEARNED_MS + DAY_MS, None)]


def test_a_pue_that_cannot_be_waits_in_quarantine(lake: Lake) -> None:
    land_figures(lake.config, "one", figure(0.9), figure(1.2, metric="wue"), figure(0.9, metric="cfe_hourly"))
    run_all(lake)
    reasons = lake.rows("select reason, count(*) from raw.quarantine_row group by 1")
    assert reasons == [("pue_out_of_range", 1)]
    assert lake.value("select count(*) from ref.cloud_region_factor where file_sha256 is not null") == 2

"""Market-based accounting by hand: a day of load, a solar and a wind contract, matched by the hour and by the year.

A GPU draws 400 W for 4 hours from 21:00 UTC, an hour of it on the next day; PUE 1.25: 0.5 kWh an hour, 2 kWh in all.
The wind contract delivers 0.2 kWh in every hour at 12 g/kWh; the solar one 0.6 kWh in the second hour, at 0 g/kWh.

| hour  | load | wind | solar used | matched | unmatched | lost |
|-------|------|------|------------|---------|-----------|------|
| 21    | 0.5  | 0.2  | 0          | 0.2     | 0.3       | 0    |
| 22    | 0.5  | 0.2  | 0.3 of 0.6 | 0.5     | 0         | 0.3  |
| 23    | 0.5  | 0.2  | 0          | 0.2     | 0.3       | 0    |
| 00    | 0.5  | 0.2  | 0          | 0.2     | 0.3       | 0    |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import make_home
from tests.support.intensities import MS_PER_MINUTE, intensity, land
from tests.support.landed import landed_bytes, landed_name, put, sample
from tests.support.worlds import EVENING_MS
from warehouse.config import Config, ConfigError
from warehouse.engine import run_all
from warehouse.lake import Lake, open_lake

HOUR_MS = 60 * MS_PER_MINUTE
PLACE = {"id": "dc1", "zone": "GB", "pue": 1.25, "hosts": ["host-*"]}
LOCATION_G = (100.0, 200.0, 300.0, 400.0)
"""Location-based intensity of the four hours [g/kWh]."""
RESIDUAL_G = 350.0


def instrument(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "type": "contract",
        "boundary": "GB",
        "valid_from": "2025-01-01",
        "valid_to": "2026-01-01",
        "profile": "hourly",
        "gco2e_per_kwh": 0.0,
        "is_carbon_free": True,
        "source": f"{name}.pdf",
    } | changes


WIND = instrument("wind", gco2e_per_kwh=12.0, tracking_id="GO-1")
SOLAR = instrument("solar", tracking_id="GO-2")


def home(
    folder: Path, *, market: dict[str, Any] | None = None, instruments: list[dict[str, Any]] | None = None
) -> Config:
    chosen = [WIND, SOLAR] if instruments is None else instruments
    return make_home(folder / "home", market=market or {"fallback": "location"}, instrument=chosen, facility=[PLACE])


def land_all(config: Config, *, residual: bool = False, shares: tuple[float, ...] = ()) -> None:
    rows = [sample(EVENING_MS + s * 1000, power_mw=400_000) for s in range(0, 4 * 3600 + 1, 10)]
    by_hour: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_hour.setdefault(row["ts_ms"] // HOUR_MS, []).append(row)
    for hour, of_hour in by_hour.items():
        content = landed_bytes("power_sample", of_hour, written_ms=EVENING_MS)
        put(config.landing_path, landed_name("power_sample", hour * HOUR_MS, f"p{hour}"), content)
    grid = [intensity(EVENING_MS + hour * HOUR_MS, g) for hour, g in enumerate(LOCATION_G)]
    for row, share in zip(grid, shares, strict=False):
        row["carbon_free_fraction"] = share
    if residual:
        year_ms = 1_735_689_600_000  # 2025-01-01
        grid.append(intensity(year_ms, RESIDUAL_G, minutes=365 * 24 * 60, kind="residual", fetched_ms=EVENING_MS))
    land(config, grid, "grid", written_ms=EVENING_MS)
    volumes = [volume("wind", hour, 0.2) for hour in range(4)] + [volume("solar", 1, 0.6)]
    for row in volumes:
        content = landed_bytes("instrument_volume", [row], written_ms=EVENING_MS)
        name = f"{row['instrument_id']}-{row['start_ms'] // HOUR_MS}"
        put(config.landing_path, landed_name("instrument_volume", row["start_ms"], name), content)


def volume(name: str, hour: int, kwh: float) -> dict[str, Any]:
    start = EVENING_MS + hour * HOUR_MS
    return {"instrument_id": name, "start_ms": start, "end_ms": start + HOUR_MS, "volume_kwh": kwh, "tracking_id": None}


def total(lake: Lake, method: str) -> float:
    return float(lake.value("select sum(gco2e) from core.emission where method = $m", {"m": method}))


def test_hours_are_matched_one_by_one_and_excess_is_lost(tmp_path: Path) -> None:
    config = home(tmp_path)
    land_all(config)
    with open_lake(config) as lake:
        run_all(lake)
        hours = lake.rows(
            "select load_kwh, contract_kwh, matched_kwh, unmatched_kwh, excess_kwh, matched_gco2e "
            "from core.market_hour order by hour_start"
        )
        wanted = [
            (0.5, 0.2, 0.2, 0.3, 0.0, 2.4),
            (0.5, 0.8, 0.5, 0.0, 0.3, 2.4),
            (0.5, 0.2, 0.2, 0.3, 0.0, 2.4),
            (0.5, 0.2, 0.2, 0.3, 0.0, 2.4),
        ]
        for row, right in zip(hours, wanted, strict=True):
            assert row == pytest.approx(right, rel=1e-9, abs=1e-12)
        for load, _, matched, unmatched, _, _ in hours:
            assert matched + unmatched == pytest.approx(load, rel=1e-12)
        # 0.5 kWh x (100 + 200 + 300 + 400) g/kWh.
        assert total(lake, "location") == pytest.approx(500.0, rel=1e-9)
        # Wind: 4 x 0.2 kWh x 12 g; the rest at the location's factor: 0.3 x (100 + 300 + 400).
        assert total(lake, "market_hourly") == pytest.approx(9.6 + 240.0, rel=1e-9)
        assert total(lake, "residual") == pytest.approx(500.0, rel=1e-9)


def test_by_the_year_more_is_matched_than_by_the_hour(tmp_path: Path) -> None:
    config = home(tmp_path)
    land_all(config)
    with open_lake(config) as lake:
        run_all(lake)
        names = (
            "load_kwh, contract_kwh, annual_matched_kwh, annual_excess_kwh, annual_matched_gco2e, hourly_matched_kwh, "
            "hourly_excess_kwh, cfe_annual_fraction, cfe_hourly_fraction"
        )
        (row,) = lake.rows(f"select {names} from mart.matching_annual")
        # 0.8 kWh of wind and 0.6 of sun against a load of 2.0: all of it is matched by the year, 1.1 by the hour.
        assert row == pytest.approx((2.0, 1.4, 1.4, 0.0, 9.6, 1.1, 0.3, 0.7, 0.55), rel=1e-9, abs=1e-12)
        ((annual, hourly, location),) = lake.rows(
            "select sum(market_annual_kgco2e), sum(market_hourly_kgco2e), sum(location_kgco2e) from mart.scope2_monthly"
        )
        # Each kWh takes 70 % of contracts (9.6 / 1.4 g/kWh) and 30 % of the fallback: 2 x 0.7 x 9.6 / 1.4 + 0.3 x 500.
        assert annual == pytest.approx((9.6 + 150.0) / 1e3, rel=1e-9)
        assert hourly == pytest.approx(0.2496, rel=1e-9)
        assert location == pytest.approx(0.5, rel=1e-9)
        score, grid = lake.rows("select cfe_score_fraction, grid_carbon_free_fraction from mart.matching_annual")[0]
        assert score == pytest.approx((1.1 + 0.9 * grid) / 2.0, rel=1e-9)


def test_unmatched_energy_takes_the_residual_mix_where_it_is_known(tmp_path: Path) -> None:
    config = home(tmp_path)
    land_all(config, residual=True)
    with open_lake(config) as lake:
        run_all(lake)
        assert total(lake, "market_hourly") == pytest.approx(9.6 + 0.9 * RESIDUAL_G, rel=1e-9)
        assert total(lake, "residual") == pytest.approx(2.0 * RESIDUAL_G, rel=1e-9)
        assert total(lake, "location") == pytest.approx(500.0, rel=1e-9)  # a residual mix is no location factor
        tiers = {tier for (tier,) in lake.rows("select quality_tier from core.emission where method = 'market_hourly'")}
        assert tiers == {"contract", "residual"}


def test_without_a_residual_mix_or_a_fallback_the_rest_is_not_known(tmp_path: Path) -> None:
    config = home(tmp_path, market={"boundary": []})
    land_all(config)
    with open_lake(config) as lake:
        run_all(lake)
        rows = lake.rows(
            "select quality_tier, sum(energy_kwh), sum(gco2e) from core.emission where method = 'market_hourly' "
            "group by all order by all"
        )
        assert rows == [("contract", pytest.approx(1.1), pytest.approx(9.6)), ("missing", pytest.approx(0.9), None)]


def test_methods_stand_side_by_side_and_are_never_added_up(tmp_path: Path) -> None:
    config = home(tmp_path)
    land_all(config)
    with open_lake(config) as lake:
        run_all(lake)
        for table in ("mart.footprint_daily", "mart.training_vs_inference_monthly"):
            ((location, market, embodied, total_kg),) = lake.rows(
                f"select sum(location_kgco2e), sum(market_kgco2e), sum(embodied_kgco2e), sum(total_kgco2e) from {table}"
            )
            assert (location, market) == pytest.approx((0.5, 0.2496), rel=1e-9)
            assert total_kg == pytest.approx(location + embodied, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"instruments": [WIND, WIND | {"tracking_id": "GO-3"}]}, "id stated twice: wind"),
        ({"instruments": [WIND, SOLAR | {"tracking_id": "GO-1"}]}, "tracking_id stated twice: GO-1"),
        ({"instruments": [instrument("flat", profile="flat")]}, "needs volume_kwh"),
        ({"instruments": [instrument("back", valid_to="2024-01-01")]}, "must lie after"),
        ({"market": {"boundary": [{"id": "a", "zones": ["GB"]}, {"id": "b", "zones": ["GB"]}]}}, "in several: GB"),
    ],
)
def test_an_instrument_that_cannot_be_used_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        home(tmp_path, **changes)


def test_more_than_was_issued_forbids_to_publish_and_volumes_of_nobody_are_told(tmp_path: Path) -> None:
    config = home(tmp_path, instruments=[WIND | {"volume_kwh": 0.7}])
    land_all(config)
    with open_lake(config) as lake:
        report = run_all(lake)
        found = {(finding.check_id, finding.entity) for finding in report.findings}
        assert {("instrument_beyond_issued", "wind"), ("instrument_unknown", "solar")} <= found
        assert [finding.check_id for finding in report.blocking] == ["instrument_beyond_issued"]
        assert report.published is None


def test_a_volume_for_the_year_alone_matches_no_hour(tmp_path: Path) -> None:
    certificate = instrument("go", type="certificate", profile="annual", volume_kwh=1.5)
    flat = instrument("flat", profile="flat", volume_kwh=0.1 * 365 * 24)
    config = home(tmp_path, instruments=[certificate, flat])
    land_all(config)
    with open_lake(config) as lake:
        run_all(lake)
        (row,) = lake.rows("select annual_matched_kwh, hourly_matched_kwh, hourly_excess_kwh from mart.matching_annual")
        # By the year both cover all of the load; by the hour the flat one alone delivers, 0.1 kWh in each of 4 hours.
        assert row == pytest.approx((2.0, 0.4, 0.0), rel=1e-9, abs=1e-12)


def test_the_share_of_the_grid_in_each_hour_moves_the_score(tmp_path: Path) -> None:
    config = home(tmp_path)
    land_all(config, shares=(0.2, 0.4, 0.6))
    with open_lake(config) as lake:
        run_all(lake)
        hours = lake.rows(
            "select grid_carbon_free_fraction, grid_carbon_free_tier, grid_carbon_free_age_years from core.market_hour "
            "order by hour_start"
        )
        yearly = lake.value(
            "select carbon_free_fraction from ref.grid_intensity where zone = 'GB' and tier = 'zone_year' "
            "order by valid_from desc limit 1"
        )
        assert hours[:3] == [(share, "zone_slot_measured", 0) for share in (0.2, 0.4, 0.6)]
        assert hours[3] == (yearly, "zone_year", 1)  # the newest shipped year is 2024, the hour lies in 2025
        (row,) = lake.rows(
            "select cfe_score_fraction, grid_carbon_free_fraction, share_by_slot_fraction, share_by_year_fraction, "
            "share_missing_fraction from mart.matching_annual"
        )
        # 1.1 of 2.0 kWh by contracts; 0.3 kWh are unmatched in the first, third and fourth hour.
        score = (1.1 + 0.3 * (0.2 + 0.6 + yearly)) / 2.0
        grid = (0.2 + 0.4 + 0.6 + yearly) / 4
        assert row == pytest.approx((score, grid, 0.75, 0.25, 0.0), rel=1e-9, abs=1e-12)
        assert total(lake, "location") == pytest.approx(500.0, rel=1e-9)  # a share makes no location figure


def test_a_share_of_the_hour_weighs_by_the_load_in_each_of_its_slots(tmp_path: Path) -> None:
    # 40 minutes from 21:20: ten of them in a half hour of 0.1, thirty in one of 0.5: (10 x 0.1 + 30 x 0.5) / 40 = 0.4.
    config = home(tmp_path, instruments=[])
    rows = [sample(EVENING_MS + s * 1000, power_mw=400_000) for s in range(20 * 60, 3601, 10)]
    content = landed_bytes("power_sample", rows, written_ms=EVENING_MS)
    put(config.landing_path, landed_name("power_sample", EVENING_MS, "p"), content)
    halves = [
        intensity(EVENING_MS + half * HOUR_MS // 2, 100.0, minutes=30, carbon_free_fraction=share)
        for half, share in enumerate((0.1, 0.5))
    ]
    land(config, halves, "grid", written_ms=EVENING_MS)
    with open_lake(config) as lake:
        run_all(lake)
        (row,) = lake.rows("select load_kwh, grid_carbon_free_fraction, grid_carbon_free_tier from core.market_hour")
        assert row == (pytest.approx(0.4 * 40 / 60 * 1.25), pytest.approx(0.4, rel=1e-9), "zone_slot_measured")


def test_another_share_alone_is_a_new_version_and_computes_its_day_again(tmp_path: Path) -> None:
    config = home(tmp_path, instruments=[])
    land_all(config, shares=(0.2, 0.2, 0.2, 0.2))
    with open_lake(config) as lake:
        run_all(lake)
        emitted = "select sum(gco2e) from core.emission where method = 'location'"
        before = lake.value(emitted)
        later = EVENING_MS + 12 * HOUR_MS
        land(config, [intensity(EVENING_MS, 100.0, carbon_free_fraction=0.8, fetched_ms=later)], "again")
        report = run_all(lake)
        assert report.days == ["2025-03-03"]
        versions = lake.rows(
            "select carbon_free_fraction, epoch_ms(known_to) from ref.grid_intensity "
            "where file_sha256 is not null and epoch_ms(valid_from) = $at order by known_from",
            {"at": EVENING_MS},
        )
        assert versions == [(0.2, later), (0.8, None)]
        # No contract: the score is the grid's, (0.8 + 3 x 0.2) / 4 = 0.35.
        assert lake.value("select cfe_score_fraction from mart.matching_annual") == pytest.approx(0.35, rel=1e-9)
        assert lake.value(emitted) == before
        assert lake.value("select count(*) from audit.restatement where period = 'day'") == 0

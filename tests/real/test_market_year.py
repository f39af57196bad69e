"""A year of load with a solar and a wind contract, by hand and by an oracle that shares nothing with the program.

By hand, in Great Britain: 1 kWh in each hour. Wind delivers 0.8 kWh in every hour of one day and 0.2 of the next, by
turns, at 12 g/kWh; the sun 3 kWh in each of six hours of a day, at 41 g/kWh; the residual mix is 400 g/kWh.

| day   | wind used | sun used      | lost | matched | unmatched |
|-------|-----------|---------------|------|---------|-----------|
| windy | 24 x 0.8  | 6 x 0.2 of 18 | 16.8 | 20.4    | 3.6       |
| calm  | 24 x 0.2  | 6 x 0.8 of 18 | 13.2 | 9.6     | 14.4      |

In Texas the load follows a day and a week, and the contracts have the real shape of the wind and the sun of 2022,
scaled so that they deliver 50 % and 40 % of the load by the year. What is expected is worked out here, hour by hour.

Every 61st day is run, three windy and three calm ones; ``WATTLEDGER_YEAR=1`` runs all 365 (183 and 182), half an hour.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.feeds.drop import read_drop
from pipelines.feeds.dropping import land_drop
from tests.support.homes import make_home
from tests.support.intensities import intensity, land
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from warehouse.config import Config
from warehouse.engine import run_all
from warehouse.lake import Lake, open_lake

pytestmark = [pytest.mark.real, pytest.mark.slow]

HOUR_MS, STEP_MS = 3_600_000, 600_000
YEAR_MS = round(datetime(2022, 1, 1, tzinfo=UTC).timestamp() * 1000)
DAYS_N = 365
DAYS = range(DAYS_N) if os.environ.get("WATTLEDGER_YEAR") else range(0, DAYS_N, 61)
HOURS = [24 * day + hour for day in DAYS for hour in range(24)]
WINDY_N, CALM_N = sum(day % 2 == 0 for day in DAYS), sum(day % 2 for day in DAYS)
TEXAS_HOURS = [hour for hour in HOURS if hour < DAYS_N * 24 - 1]
"""The file of Texas ends with the hour before the last one of the year."""
J_PER_KWH = 3.6e6
GB, TEXAS = "GB", "US-TEX-ERCO"
RESIDUAL_G = {GB: 400.0, TEXAS: 520.0}
WIND_G, SUN_G = 12.0, 41.0
PUE = {GB: 1.0, TEXAS: 1.3}
DROP = Path(__file__).resolve().parents[2] / "examples" / "feeds" / "eia_2022.toml"


@dataclass(frozen=True)
class Market:
    """Hours since the year began, load and what contracts deliver in them [kWh], intensity of the grid [g/kWh]."""

    hours: list[int]
    load_kwh: list[float]
    wind_kwh: list[float]
    sun_kwh: list[float]
    grid_g: list[float]


def british() -> Market:
    wind = [0.8 if hour // 24 % 2 == 0 else 0.2 for hour in HOURS]
    sun = [3.0 if 9 <= hour % 24 < 15 else 0.0 for hour in HOURS]
    return Market(HOURS, [1.0] * len(HOURS), wind, sun, [])


def texan(file: Path) -> Market:
    """Return a load of 500 to 1,000 W before overhead, and contracts in the shape of the real wind and sun."""
    factors = {"WND": 11, "SUN": 41, "WAT": 24, "OIL": 650, "NG": 490, "COL": 820, "NUC": 12, "OTH": 230}
    with gzip.open(file, "rt", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    # A period names the end of its hour: the first row is the hour before the year.
    made = [{fuel: float(rows[hour + 1][f"{fuel}_mwh"]) for fuel in factors} for hour in TEXAS_HOURS]
    watts = [500 + 300 * (7 <= hour % 24 < 19) + 200 * (hour // 24 % 7 < 5) for hour in TEXAS_HOURS]
    load = [watt / 1000 * PUE[TEXAS] for watt in watts]
    wind, sun = [hour["WND"] for hour in made], [hour["SUN"] for hour in made]
    return Market(
        TEXAS_HOURS,
        load,
        [0.5 * sum(load) / sum(wind) * mwh for mwh in wind],
        [0.4 * sum(load) / sum(sun) * mwh for mwh in sun],
        [sum(hour[fuel] * g for fuel, g in factors.items()) / sum(hour.values()) for hour in made],
    )


@pytest.fixture(scope="module")
def texas(shared_data: Path) -> Market:
    return texan(shared_data / "feeds" / "hourly" / f"eia930_generation_{TEXAS}_2022.csv.gz")


@pytest.fixture(scope="module")
def lake(texas: Market, shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    config = make_home(
        tmp_path_factory.mktemp("year") / "home",
        accounting={"max_gap_s": 3600},
        facility=[{"id": f"dc-{zone}", "zone": zone, "pue": PUE[zone], "hosts": [f"{zone}-*"]} for zone in PUE],
        market={"boundary": []},
        instrument=[instrument(zone, name, g) for zone in PUE for name, g in (("wind", WIND_G), ("sun", SUN_G))],
    )
    for zone, market in ((GB, british()), (TEXAS, texas)):
        land_load(config, zone, market)
        land_volumes(config, zone, market)
        row = intensity(YEAR_MS, RESIDUAL_G[zone], minutes=DAYS_N * 24 * 60, zone=zone, kind="residual")
        land(config, [row | {"zone": row["zone"].split("-")[0]}], f"residual-{zone.lower()}")
    with open_lake(config) as opened:
        land_drop(opened, read_drop(shared_data / "feeds" / "hourly" / f"eia930_generation_{TEXAS}_2022.csv.gz", DROP))
        run_all(opened)
        yield opened


def instrument(zone: str, name: str, g_per_kwh: float) -> dict[str, Any]:
    country = zone.split("-")[0]
    return {
        "id": f"{name}-{country}",
        "type": "contract",
        "boundary": country,
        "valid_from": "2022-01-01",
        "valid_to": "2023-01-01",
        "profile": "hourly",
        "gco2e_per_kwh": g_per_kwh,
        "is_carbon_free": True,
        "source": f"{name}.pdf",
    }


def land_load(config: Config, zone: str, market: Market) -> None:
    """Land devices, one a day, whose counters rise by the load of each hour, and a job of the day that holds each."""
    of_day: dict[int, list[tuple[int, float]]] = {}
    for hour, kwh in zip(market.hours, market.load_kwh, strict=True):
        of_day.setdefault(hour // 24, []).append((hour, kwh))
    rows, events, devices = [], [], []
    for day, hours in of_day.items():
        host, counter_mj = f"{zone}-{day}", 0
        start_ms, end_ms = YEAR_MS + hours[0][0] * HOUR_MS, YEAR_MS + (hours[-1][0] + 1) * HOUR_MS
        rows.append(reading(host, start_ms, counter_mj))
        for hour, kwh in hours:
            for step in range(1, 7):
                counter_mj += round(kwh / PUE[zone] * J_PER_KWH * 1000 / 6)
                rows.append(reading(host, YEAR_MS + hour * HOUR_MS + step * STEP_MS, counter_mj))
        events += [job_event(start_ms, host, "started"), job_event(end_ms, host, "ended", state="completed")]
        devices.append(job_device(host, start_ms, end_ms=end_ms, host=host))
    for table, of_table in (("power_sample", rows), ("job_event", events), ("job_device", devices)):
        content = landed_bytes(table, of_table, written_ms=YEAR_MS + DAYS_N * 24 * HOUR_MS, host=zone)
        put(config.landing_path, landed_name(table, YEAR_MS, zone.lower()), content)


def reading(host: str, at_ms: int, counter_mj: int) -> dict[str, Any]:
    return sample(at_ms, host=host, power_mw=None, energy_mj=counter_mj, source="nvml_energy")


def land_volumes(config: Config, zone: str, market: Market) -> None:
    rows = [
        {
            "instrument_id": f"{name}-{zone.split('-')[0]}",
            "start_ms": YEAR_MS + hour * HOUR_MS,
            "end_ms": YEAR_MS + (hour + 1) * HOUR_MS,
            "volume_kwh": kwh,
            "tracking_id": None,
        }
        for name, series in (("wind", market.wind_kwh), ("sun", market.sun_kwh))
        for hour, kwh in zip(market.hours, series, strict=True)
    ]
    content = landed_bytes("instrument_volume", rows, written_ms=YEAR_MS)
    put(config.landing_path, landed_name("instrument_volume", YEAR_MS, zone.lower()), content)


def hours_of(lake: Lake, boundary: str) -> list[tuple[Any, ...]]:
    return lake.rows(
        "select load_kwh, matched_kwh, unmatched_kwh, excess_kwh, matched_gco2e from core.market_hour "
        "where market_boundary = $boundary order by hour_start",
        {"boundary": boundary},
    )


def grams(lake: Lake, zone: str) -> dict[str, float]:
    rows = lake.rows(
        "select method, sum(gco2e) from core.emission where zone = $zone and component in ('it', 'overhead') "
        "group by method",
        {"zone": zone},
    )
    return dict(rows)


def annual_kg(lake: Lake, boundary: str) -> float:
    asked = "select sum(market_annual_kgco2e) from mart.scope2_monthly where market_boundary = $boundary"
    return float(lake.value(asked, {"boundary": boundary}))


def matching(lake: Lake, boundary: str) -> dict[str, float]:
    names = ("load_kwh", "annual_matched_kwh", "annual_excess_kwh", "hourly_matched_kwh", "hourly_excess_kwh")
    (row,) = lake.rows(f"select {', '.join(names)} from mart.matching_annual where market_boundary = '{boundary}'")
    return dict(zip(names, row, strict=True))


def test_the_year_by_hand(lake: Lake) -> None:
    wind = WINDY_N * 19.2 + CALM_N * 4.8
    sun = WINDY_N * 1.2 + CALM_N * 4.8
    unmatched = WINDY_N * 3.6 + CALM_N * 14.4
    load = 24 * len(DAYS)
    assert wind + sun + unmatched == pytest.approx(load)
    assert matching(lake, "GB") == pytest.approx(
        {
            "load_kwh": load,
            "hourly_matched_kwh": WINDY_N * 20.4 + CALM_N * 9.6,
            "hourly_excess_kwh": WINDY_N * 16.8 + CALM_N * 13.2,
            # By the year the sun, 18 kWh a day, fills all that the wind leaves.
            "annual_matched_kwh": load,
            "annual_excess_kwh": 18 * len(DAYS) - (load - wind),
        },
        rel=1e-9,
    )
    assert grams(lake, GB)["market_hourly"] == pytest.approx(wind * 12 + sun * 41 + unmatched * 400, rel=1e-9)
    assert grams(lake, GB)["residual"] == pytest.approx(load * 400, rel=1e-9)
    assert annual_kg(lake, GB) == pytest.approx((wind * 12 + (load - wind) * 41) / 1000, rel=1e-9)


def test_real_wind_and_sun_hour_by_hour(lake: Lake, texas: Market) -> None:
    hours = hours_of(lake, "US")
    assert len(hours) == len(TEXAS_HOURS)
    market_g = location_g = 0.0
    for found, load, wind, sun, grid_g in zip(
        hours, texas.load_kwh, texas.wind_kwh, texas.sun_kwh, texas.grid_g, strict=True
    ):
        from_wind = min(wind, load)
        from_sun = min(sun, load - from_wind)
        matched_g = WIND_G * from_wind + SUN_G * from_sun
        matched = from_wind + from_sun
        assert found == pytest.approx(
            (load, matched, load - matched, wind + sun - matched, matched_g), rel=1e-8, abs=1e-9
        )
        assert found[1] + found[2] == pytest.approx(found[0], rel=1e-12)
        market_g += matched_g + RESIDUAL_G[TEXAS] * (load - matched)
        location_g += load * grid_g
    of_year = grams(lake, TEXAS)
    assert of_year["location"] == pytest.approx(location_g, rel=1e-8)
    assert of_year["market_hourly"] == pytest.approx(market_g, rel=1e-8)
    assert of_year["residual"] == pytest.approx(sum(texas.load_kwh) * RESIDUAL_G[TEXAS], rel=1e-8)


def test_by_the_year_nine_tenths_are_matched_and_by_the_hour_much_less(lake: Lake, texas: Market) -> None:
    load = sum(texas.load_kwh)
    by_hour = math.fsum(
        min(need, wind + sun) for need, wind, sun in zip(texas.load_kwh, texas.wind_kwh, texas.sun_kwh, strict=True)
    )
    found = matching(lake, "US")
    assert found["annual_matched_kwh"] == pytest.approx(0.9 * load, rel=1e-8)
    assert found["annual_excess_kwh"] == pytest.approx(0, abs=1e-6)
    assert found["hourly_matched_kwh"] == pytest.approx(by_hour, rel=1e-8)
    assert found["hourly_excess_kwh"] == pytest.approx(0.9 * load - by_hour, rel=1e-8)
    # 0.5 of wind at 12 g/kWh, 0.4 of sun at 41, 0.1 of the residual mix at 520.
    assert annual_kg(lake, "US") == pytest.approx(load * (0.5 * 12 + 0.4 * 41 + 0.1 * 520) / 1000, rel=1e-8)


def test_months_add_up_to_the_year_by_every_method(lake: Lake) -> None:
    rows = lake.rows(
        "select sum(location_kgco2e), sum(market_hourly_kgco2e), count(distinct month) from mart.scope2_monthly "
        "where market_boundary = $boundary",
        {"boundary": "US"},
    )
    ((location, hourly, months),) = rows
    of_year = grams(lake, TEXAS)
    assert months == len({datetime.fromtimestamp(YEAR_MS / 1000 + 86400 * day, UTC).month for day in DAYS})
    assert (location * 1000, hourly * 1000) == pytest.approx((of_year["location"], of_year["market_hourly"]), rel=1e-12)

"""Intensities that land: versions as they were known, figures that follow, restatements that link them.

A GPU draws 360 W for an hour, 0.36 kWh, at a place with PUE 1.25: 0.45 kWh. So 100 g/kWh are 45 g.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import make_home
from tests.support.intensities import MS_PER_MINUTE, intensity, land
from tests.support.landed import landed_bytes, landed_name, put, sample
from tests.support.worlds import EVENING_MS
from warehouse.config import Config
from warehouse.engine import run_all
from warehouse.ingest import ingest_landing
from warehouse.lake import Lake, open_lake
from warehouse.publish import open_published

HOUR_MS = 60 * MS_PER_MINUTE
KWH = 0.36
PLACE = {"id": "dc1", "zone": "GB", "pue": 1.25, "hosts": ["host-*"]}
YEARLY_GB = 192.0
VERSIONS = (
    "select gco2e_per_kwh, epoch_ms(known_from), epoch_ms(known_to) from ref.grid_intensity "
    "where file_sha256 is not null order by valid_from, known_from"
)
LOCATION = "select sum(gco2e) from core.emission where method = 'location'"
RESTATED = (
    "select cause, old_tier, new_tier, energy_kwh, old_kgco2e, new_kgco2e from audit.restatement where period = 'day' "
    "order by restated_at, cause"
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return make_home(tmp_path / "home", facility=[PLACE])


@pytest.fixture
def lake(config: Config) -> Iterator[Lake]:
    with open_lake(config) as opened:
        yield opened


def land_energy(config: Config, start_ms: int = EVENING_MS, seconds: int = 3600, watts: int = 360) -> None:
    rows = [sample(start_ms + s * 1000, power_mw=watts * 1000) for s in range(0, seconds + 1, 10)]
    content = landed_bytes("power_sample", rows, written_ms=start_ms)
    put(config.landing_path, landed_name("power_sample", start_ms, f"p{start_ms}"), content)


def test_a_value_of_the_slot_comes_before_that_of_the_year(lake: Lake) -> None:
    land_energy(lake.config)
    land(lake.config, [intensity(EVENING_MS, 100.0)], "one")
    run_all(lake)
    assert lake.value(LOCATION) == pytest.approx(45.0, rel=1e-12)  # 0.36 kWh x 1.25 x 100 g/kWh
    tiers = lake.rows(
        "select distinct quality_tier, factor_age_years, basis from core.emission "
        "where gco2e > 0 and method = 'location'"
    )
    assert tiers == [("zone_slot_measured", 0, "lifecycle")]
    (factor,) = lake.rows(
        "select tier, factor_id, gco2e_per_kwh from core.grid_factor where hour_start = $h", {"h": at(EVENING_MS)}
    )
    assert factor == ("zone_slot_measured", "grid.stated.GB.average.lifecycle.consumption.own", 100.0)


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def test_a_revision_is_a_new_version_and_restates_to_the_gram(lake: Lake) -> None:
    land_energy(lake.config)
    first = intensity(EVENING_MS, 100.0)
    land(lake.config, [first], "one")
    run_all(lake)
    later = first["fetched_ms"] + 12 * HOUR_MS
    land(lake.config, [intensity(EVENING_MS, 110.0, fetched_ms=later)], "two")
    report = run_all(lake)
    assert report.days == ["2025-03-03"]
    assert report.hour_files_opened == 0
    assert lake.rows(VERSIONS) == [(100.0, first["fetched_ms"], later), (110.0, later, None)]
    assert lake.value(LOCATION) == pytest.approx(49.5, rel=1e-12)
    ((cause, old, new, kwh, old_kg, new_kg),) = lake.rows(RESTATED)
    assert (cause, old, new) == ("grid_revised", "zone_slot_measured", "zone_slot_measured")
    assert (kwh, old_kg, new_kg) == pytest.approx((0.45, 0.045, 0.0495), rel=1e-12)
    with open_published(lake.config.published_path) as published:
        stated = "select gco2e_per_kwh from {} where zone = 'GB' and tier = 'zone_slot_measured'"
        then = stated.format("ref.grid_intensity_as_known_at(make_timestamptz($ms * 1000))")
        assert published.execute(stated.format("ref.grid_intensity_current")).fetchall() == [(110.0,)]
        assert published.execute(then, {"ms": later - 1}).fetchall() == [(100.0,)]
        assert published.execute(then, {"ms": later}).fetchall() == [(110.0,)]


def test_an_outage_is_bridged_by_a_worse_tier_and_ended_by_a_restatement(lake: Lake) -> None:
    land_energy(lake.config, seconds=7200)
    land(lake.config, [intensity(EVENING_MS, 100.0)], "first")
    run_all(lake)
    tiers = dict(
        lake.rows("select quality_tier, sum(energy_kwh) from core.emission where method = 'location' group by 1")
    )
    assert set(tiers) == {"zone_slot_measured", "zone_year"}
    provisional = lake.value(LOCATION)
    for table in ("mart.footprint_daily", "mart.training_vs_inference_monthly"):
        by_slot, energy = lake.rows(f"select sum(slot_factor_kwh), sum(it_kwh) from {table}")[0]
        assert (by_slot, energy) == pytest.approx((0.36, 0.72), rel=1e-9)
    yearly = lake.value("select gco2e_per_kwh from core.grid_factor where tier = 'zone_year'")
    assert provisional == pytest.approx(45.0 + 0.45 * yearly, rel=1e-12)
    land(lake.config, [intensity(EVENING_MS + HOUR_MS, 130.0)], "recovered")
    run_all(lake)
    final = lake.value(LOCATION)
    assert final == pytest.approx(45.0 + 58.5, rel=1e-12)
    ((cause, old, new, kwh, old_kg, new_kg),) = lake.rows(RESTATED)
    assert (cause, old, new) == ("grid_arrived", "zone_year", "zone_slot_measured")
    assert kwh == pytest.approx(0.45, rel=1e-12)
    assert (new_kg - old_kg) * 1e3 == pytest.approx(final - provisional, rel=1e-9)


def test_a_restatement_is_whole_when_slots_become_shorter(lake: Lake) -> None:
    land_energy(lake.config)
    run_all(lake)
    provisional = lake.value(LOCATION)
    halves = [intensity(EVENING_MS + half * 30 * MS_PER_MINUTE, 100.0 + 50 * half, minutes=30) for half in range(2)]
    land(lake.config, halves, "halves")
    run_all(lake)
    final = lake.value(LOCATION)
    assert final == pytest.approx(0.225 * 100 + 0.225 * 150, rel=1e-9)
    ((_, _, _, kwh, old_kg, new_kg),) = lake.rows(RESTATED)
    assert (kwh, old_kg * 1e3, new_kg * 1e3) == pytest.approx((0.45, provisional, final), rel=1e-9)


def test_only_days_with_energy_of_the_zone_are_computed_again(lake: Lake) -> None:
    land_energy(lake.config)
    land_energy(lake.config, EVENING_MS + 24 * HOUR_MS)
    run_all(lake)
    elsewhere = [intensity(EVENING_MS, 100.0, zone="FR"), intensity(EVENING_MS - 5 * HOUR_MS, 90.0)]
    land(lake.config, elsewhere, "elsewhere")
    assert run_all(lake).days == []
    marginal = [intensity(EVENING_MS, 500.0, kind="marginal"), intensity(EVENING_MS, 400.0, kind="residual")]
    land(lake.config, marginal, "marginal")
    assert run_all(lake).days == []
    land(lake.config, [intensity(EVENING_MS, 100.0)], "here")
    assert run_all(lake).days == ["2025-03-03"]


def test_half_hours_weigh_by_the_energy_in_them(lake: Lake) -> None:
    # The GPU runs from 21:20 to 22:00, 10 of 40 minutes in the first half hour: 0.06 kWh x 100 and 0.18 kWh x 200.
    land_energy(lake.config, EVENING_MS + 20 * MS_PER_MINUTE, seconds=2400)
    halves = [intensity(EVENING_MS, 100.0, minutes=30), intensity(EVENING_MS + 30 * MS_PER_MINUTE, 200.0, minutes=30)]
    land(lake.config, halves, "halves")
    run_all(lake)
    assert lake.value(LOCATION) == pytest.approx(1.25 * (0.06 * 100 + 0.18 * 200), rel=1e-12)
    slots = lake.rows("select slot_s, sum(energy_j) from core.job_slot group by all")
    assert slots == [(1800, pytest.approx(0.24 * 3.6e6, rel=1e-12))]
    assert lake.value("select sum(energy_j) from core.job_energy") == pytest.approx(0.24 * 3.6e6, rel=1e-12)


def test_a_slot_that_is_covered_in_part_takes_no_part_of_it(lake: Lake) -> None:
    land_energy(lake.config)
    land(lake.config, [intensity(EVENING_MS, 100.0, minutes=30)], "half")
    run_all(lake)
    tiers = lake.rows(
        "select slot_start, tier from core.grid_factor where hour_start = $h order by 1", {"h": at(EVENING_MS)}
    )
    assert [tier for _, tier in tiers] == ["zone_slot_measured", "zone_year"]


def test_another_basis_stands_in_only_where_none_of_the_wanted_is_known(lake: Lake, config: Config) -> None:
    land_energy(config)
    land(config, [intensity(EVENING_MS, 60.0, basis="operational")], "operational")
    run_all(lake)
    # Great Britain has a yearly life-cycle factor: combustion alone is not taken in its place.
    assert lake.rows(
        "select distinct tier, basis from core.grid_factor where hour_start = $h", {"h": at(EVENING_MS)}
    ) == [("zone_year", "lifecycle")]


def test_combustion_and_what_the_life_cycle_adds_are_rows_of_their_own(tmp_path: Path) -> None:
    config = make_home(tmp_path / "home", grid={"basis": "operational"}, facility=[PLACE | {"grid_loss_fraction": 0.1}])
    with open_lake(config) as lake:
        land_energy(config)
        both = [intensity(EVENING_MS, 60.0, basis="operational"), intensity(EVENING_MS, 100.0)]
        land(config, both, "both")
        run_all(lake)
        grams = dict(
            lake.rows(
                "select component, sum(gco2e) from core.emission where method = 'location' and gco2e > 0 group by 1"
            )
        )
        # 0.36 kWh x 60; x 0.25 of overhead; 0.45 kWh x (100 - 60); 0.45 kWh x 0.1 / 0.9 x 100.
        assert grams == pytest.approx({"it": 21.6, "overhead": 5.4, "upstream": 18.0, "losses": 5.0}, rel=1e-12)
        ((location, upstream, total, embodied),) = lake.rows(
            "select sum(location_kgco2e), sum(upstream_kgco2e), sum(total_kgco2e), sum(embodied_kgco2e) "
            "from mart.footprint_daily"
        )
        assert (location, upstream) == pytest.approx((0.027, 0.023), rel=1e-9)
        assert total == pytest.approx(location + upstream + (embodied or 0), rel=1e-12)


def test_versions_do_not_depend_on_the_order_in_which_files_land(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    chance = random.Random(7)
    for hour in range(4):
        start = EVENING_MS + hour * HOUR_MS
        moments = sorted(chance.sample(range(1, 400), 6))
        rows += [
            intensity(start, chance.choice([100.0, 110.0, 120.0]), fetched_ms=start + m * HOUR_MS) for m in moments
        ]
    found = []
    for order in (0, 1, 2):
        config = make_home(tmp_path / f"home{order}", facility=[PLACE])
        shuffled = list(rows)
        if order:
            random.Random(order).shuffle(shuffled)
        with open_lake(config) as lake:
            for number, row in enumerate(shuffled):
                land(config, [row], f"f{number}", written_ms=EVENING_MS)
                if number % 5 == 0:
                    ingest_landing(lake)
            ingest_landing(lake)
            found.append(lake.rows(VERSIONS))
    assert found[0] == found[1] == found[2]
    # Each interval is known without a hole from its first answer on, and neighbours state different values.
    for earlier, later in zip(found[0], found[0][1:], strict=False):
        if earlier[2] is not None:
            assert earlier[2] == later[1]
            assert earlier[0] != later[0]

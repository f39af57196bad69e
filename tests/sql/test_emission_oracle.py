"""The emission SQL against the pure functions of ``models``: the same factor, interval and amortised rate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import factors
from models.embodied.amortise import rate_gco2e_per_h
from tests.support import attribution
from tests.support.attribution import DAY, START_MS, segment
from warehouse.config import Config, Facility, Landing, Organisation
from warehouse.lake import Lake, open_lake
from warehouse.reference import sync_reference

PUE = 1.5
KWH = 400 * 60 / 3.6e6


@pytest.fixture(params=["DE", "SG", "US-CAL-CISO", "DE-NOWHERE", "ZZ-1"])
def emitted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Lake]]:
    place = Facility(id="dc", zone=request.param, pue=PUE, hosts=["a"])
    config = Config(
        organisation=Organisation(name="T"), landing=Landing(path="landing"), facility=[place], home=tmp_path
    )
    with open_lake(config) as lake:
        sync_reference(lake)
        attribution.put_segments(lake, [segment(START_MS, START_MS + 60_000, 400.0 * 60)])
        attribution.compute(lake, tables=(*attribution.ENERGY_TABLES, "core.place_factor", "core.emission"))
        yield request.param, lake


def test_operational_and_embodied_rows_equal_the_models(emitted: tuple[str, Lake]) -> None:
    zone, lake = emitted
    sql = "select component, low_gco2e, gco2e, high_gco2e, factor_id, quality_tier, factor_age_years from core.emission"
    rows = {row[0]: row[1:] for row in lake.rows(sql)}
    wanted = factors.nearest_grid_factor(zone, int(DAY[:4]))
    if wanted is None:
        assert rows["it"] == (None, None, None, None, "missing", None)
    else:
        spread = next(row for row in factors.grid_age_spread() if row.age_years == wanted.age_years)
        reading = next(row for row in factors.source_uncertainties() if row.source == "nvml_power")
        factor = wanted.factor
        values = (
            factor.low_gco2e_per_kwh * spread.low_factor * reading.low_factor,
            factor.gco2e_per_kwh,
            factor.high_gco2e_per_kwh * spread.high_factor * reading.high_factor,
        )
        for component, kwh in (("it", KWH), ("overhead", KWH * (PUE - 1))):
            assert rows[component][:3] == pytest.approx([kwh * value for value in values], rel=1e-12)
            assert rows[component][3:] == (factor.factor_id, wanted.tier, wanted.age_years)

    chip = factors.find_hardware_factor("an unheard-of accelerator", "accelerator")
    assert chip is not None
    assert chip.is_fallback
    hours = 60 / 3600
    assert rows["chip"][1] == pytest.approx(rate_gco2e_per_h(chip.factor.kgco2e, chip.factor.life_h) * hours, rel=1e-12)
    assert rows["chip"][3] == chip.factor.factor_id

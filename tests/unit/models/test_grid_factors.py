"""Yearly grid factors, the order in which they answer, and the tables beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import factors, grid
from models.table import FactorDataError

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = REPOSITORY.parent / "shared"
FACTORS = factors.grid_factors()
LANDING_SOURCES = {
    *("nvml_energy", "nvml_power", "nvml_power_average", "nvml_power_instant", "rapl", "amdsmi", "redfish"),
    *("ipmi", "dcgm", "prometheus", "meter", "model"),
}


def _forget() -> None:
    """Forget every table that was read."""
    for function in (factors.sources, factors._grid_factors, factors._hardware_factors, factors.components):
        function.cache_clear()
    factors.fab_node.cache_clear()


@pytest.fixture
def fresh_tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Forget what was read, before and after a test that changes a table."""
    _forget()
    yield monkeypatch
    _forget()


@pytest.mark.parametrize(
    ("zone", "year", "factor_id", "tier", "age_years"),
    [
        ("DE", 2023, "grid.em.DE.2023", "zone_year", 0),
        ("DE", 2026, "grid.em.DE.2024", "zone_year", 2),
        ("US-CAL-CISO", 2019, "grid.em.US-CAL-CISO.2021", "zone_year", 2),
        ("NA", 2022, "grid.em.NA.2022", "zone_year", 0),
        ("DE-NOWHERE", 2024, "grid.ember.DE.2024", "country_year", 0),
        ("WORLD", 2025, "grid.ember.WORLD.2024", "world", 1),
    ],
)
def test_the_nearest_factor_answers_with_its_tier_and_age(
    zone: str, year: int, factor_id: str, tier: str, age_years: int
) -> None:
    found = factors.nearest_grid_factor(zone, year)
    assert found is not None
    assert (found.factor.factor_id, found.tier, found.age_years) == (factor_id, tier, age_years)


@pytest.mark.parametrize("zone", ["", "ZZ", "ZZ-TOP", "world", "WORLD-1", "de", "Earth"])
def test_an_unknown_zone_never_gets_the_world_average(zone: str) -> None:
    assert factors.nearest_grid_factor(zone, 2024) is None


def test_of_two_equally_near_years_the_earlier_answers() -> None:
    pool = [f for f in FACTORS if f.zone == "DE" and f.year in {2021, 2023}]
    found = grid.resolve(pool, "DE", 2022)
    assert found is not None
    assert found.factor.year == 2021


@given(st.sampled_from(sorted({f.zone for f in FACTORS if f.tier == "zone_year"})), st.integers(2000, 2050))
def test_every_known_zone_answers_for_every_year_from_its_nearest_own_year(zone: str, year: int) -> None:
    found = factors.nearest_grid_factor(zone, year)
    assert found is not None
    assert found.tier == "zone_year"
    assert found.age_years == max(0, 2021 - year, year - 2024)


def test_published_values_are_carried_unchanged() -> None:
    value = {f.factor_id: f.gco2e_per_kwh for f in FACTORS}
    assert value["grid.em.GB.2024"] == 175
    assert value["grid.em.DE.2021"] == 439
    assert value["grid.ember.GB.2024"] == 215.79
    assert value["grid.ember.FR.2024"] == 44.18
    assert value["grid.ember.WORLD.2024"] == 472.94


def test_keys_are_unique_and_rows_ordered_sourced_and_whole() -> None:
    assert len({f.factor_id for f in FACTORS}) == len(FACTORS)
    assert len({(f.tier, f.zone, f.year) for f in FACTORS}) == len(FACTORS)
    for factor in FACTORS:
        assert 0 < factor.low_gco2e_per_kwh < factor.gco2e_per_kwh < factor.high_gco2e_per_kwh
        assert factor.source_title
        assert factor.licence
        assert factor.basis == "lifecycle"
        assert factor.flow == ("consumption" if factor.tier == "zone_year" else "production")
        assert (factor.valid_from, factor.valid_to) == (f"{factor.year}-01-01", f"{factor.year + 1}-01-01")


def test_namibia_is_a_zone_and_a_country() -> None:
    assert {f.tier for f in FACTORS if f.zone == "NA"} == {"zone_year", "country_year"}


def test_every_zone_of_a_cloud_region_has_four_years() -> None:
    years = {(f.zone, f.year) for f in FACTORS if f.tier == "zone_year"}
    regions = factors.region_zones()
    assert len({(r.provider, r.region) for r in regions}) == len(regions) == 148
    assert [r for r in regions for year in (2021, 2022, 2023, 2024) if (r.zone, year) not in years] == []
    assert all(r.country == grid.country_of_zone(r.zone) for r in regions)


def test_a_pue_that_is_not_published_is_not_known() -> None:
    regions = {(r.provider, r.region): r for r in factors.region_zones()}
    assert regions["aws", "ap-east-1"].pue is None
    assert regions["aws", "ap-northeast-1"].pue == 1.27
    assert all(r.pue_source and r.pue_year for r in regions.values() if r.pue is not None)


def test_the_interval_of_a_zone_in_its_own_year_is_22_percent() -> None:
    germany = next(f for f in FACTORS if f.factor_id == "grid.em.DE.2023")
    assert germany.high_gco2e_per_kwh / germany.gco2e_per_kwh == pytest.approx(math.exp(1.96 * math.sqrt(0.0101)))
    assert germany.low_gco2e_per_kwh * germany.high_gco2e_per_kwh == pytest.approx(germany.gco2e_per_kwh**2)


def test_the_interval_of_a_country_holds_each_of_its_zones() -> None:
    countries = {(f.country, f.year): f for f in FACTORS if f.tier == "country_year"}
    checked = 0
    for zone in (f for f in FACTORS if f.tier == "zone_year"):
        country = countries.get((zone.country, zone.year))
        if country is not None:
            assert country.low_gco2e_per_kwh <= zone.gco2e_per_kwh <= country.high_gco2e_per_kwh
            checked += 1
    assert checked > 300


def test_the_stated_drift_is_that_of_the_zone_table() -> None:
    by_zone: dict[str, dict[int, float]] = {}
    for factor in (f for f in FACTORS if f.tier == "zone_year"):
        by_zone.setdefault(factor.zone, {})[factor.year] = factor.gco2e_per_kwh
    stated = {row.age_years: row for row in factors.grid_age_spread()}
    for lag in (1, 2, 3):
        changes = [math.log(g[y + lag] / g[y]) for g in by_zone.values() for y in range(2021, 2025 - lag)]
        assert stated[lag].drift_sd_ln == pytest.approx(pstdev(changes), abs=5e-5)
        inside = [stated[lag].low_factor <= math.exp(c) <= stated[lag].high_factor for c in changes]
        assert 0.90 < sum(inside) / len(inside) < 0.98


def test_the_stated_provider_difference_is_that_of_the_tables() -> None:
    zones = {(f.zone, f.year): f.gco2e_per_kwh for f in FACTORS if f.tier == "zone_year"}
    countries = [f for f in FACTORS if f.tier == "country_year"]
    found = [math.log(zones[f.zone, f.year] / f.gco2e_per_kwh) for f in countries if (f.zone, f.year) in zones]
    assert len(found) == 196
    assert pstdev(found) == pytest.approx(0.2955, abs=5e-5)


def test_the_interval_widens_with_age_and_not_at_all_in_the_same_year() -> None:
    table = factors.grid_age_spread()
    assert [row.age_years for row in table] == list(range(11))
    assert (table[0].low_factor, table[0].high_factor) == (1, 1)
    assert all(a.high_factor < b.high_factor for a, b in pairwise(table))
    assert all(row.low_factor * row.high_factor == pytest.approx(1) for row in table)
    assert all(row.high_factor >= row.pedigree_high_factor for row in table)
    assert [row.is_extrapolated for row in table] == [False] * 4 + [True] * 7


def test_every_source_of_the_landing_contract_has_an_uncertainty() -> None:
    found = {u.source: u for u in factors.source_uncertainties()}
    assert set(found) == LANDING_SOURCES
    assert found["meter"].high_factor < found["nvml_power"].high_factor < found["model"].high_factor
    assert all(u.low_factor < 1 < u.high_factor for u in found.values())


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data beside the repository")
def test_the_zone_table_holds_every_value_of_its_source() -> None:
    ours = {(f.zone, f.year): (f.gco2e_per_kwh, f.carbon_free_fraction) for f in FACTORS if f.tier == "zone_year"}
    theirs = {}
    for year in (2021, 2022, 2023, 2024):
        text = (SHARED / f"data/feeds/yearly/electricitymaps_yearly_{year}.json").read_text("utf-8")
        for zone, row in json.loads(text).items():
            theirs[zone, year] = (row["carbonIntensity"]["value"], row["carbonFreeEnergy"]["value"] / 100)
    assert ours == theirs


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data beside the repository")
def test_the_country_table_holds_every_country_of_its_source_but_the_zero() -> None:
    text = (SHARED / "data/feeds/yearly/ember_average_intensities_co2js.json").read_text("utf-8")
    theirs = sorted(
        (row["year"], row["emissions_intensity_gco2_per_kwh"])
        for row in json.loads(text).values()
        if row["country_code"] not in {"", "CAF"}
    )
    assert sorted((f.year, f.gco2e_per_kwh) for f in FACTORS if f.tier == "country_year") == theirs


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data beside the repository")
def test_the_band_of_nvml_holds_every_comparison_with_a_meter() -> None:
    bands = {u.source: u for u in factors.source_uncertainties()}
    sources = {
        "power.draw [W]": "nvml_power",
        "power.draw.average [W]": "nvml_power_average",
        "power.draw.instant [W]": "nvml_power_instant",
    }
    text = (SHARED / "data/traces/nvidia_smi_vs_external_meter/expected/energy_vs_external_meter.csv").read_text(
        "utf-8"
    )
    rows = [line.split(",") for line in text.splitlines()[1:]]
    ratios = [(bands[sources[row[1]]], float(row[4]) / float(row[5])) for row in rows if row[4]]
    assert len(ratios) == 7
    assert len({band.source for band, _ in ratios}) == 3
    assert all(band.low_factor <= ratio <= band.high_factor for band, ratio in ratios)


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("grid_zone_year.csv", "DE,2023,379,", "DE,2023,-379,", "column gco2e_per_kwh.*'-379'"),
        ("grid_zone_year.csv", "DE,2023,379,", "DE,2023,nan,", "column gco2e_per_kwh.*'nan'"),
        ("grid_zone_year.csv", "DE,2023,379,", "DE,2023,n/a,", "a number is needed, found 'n/a'"),
        ("grid_zone_year.csv", "DE,2023,379,", "DE,2022,379,", "stands twice"),
        ("grid_zone_year.csv", "DE,2023,379,", "DE,2023,379,,", "values are needed"),
        ("cloud_region_pue.csv", ",2025-01-01,1.24,", ",2025-01-01,0.24,", r"column pue: a finite number in \[1, 3\]"),
        ("source_uncertainty.csv", "spec_power_analyzer", "", "column source_id: a text is needed"),
        ("source_uncertainty.csv", "spec_power_analyzer", "hearsay", "not a source of source.csv, found 'hearsay'"),
        ("building.csv", "300,980,1800", "990,980,1800", "line 2, column kgco2e_per_kw: low <= central <= high"),
        ("building.csv", "300,980,1800", "300,980,inf", "column high_kgco2e_per_kw: a finite number"),
        ("accelerator.csv", ",secondary_text,", ",believed,", "column verified: must be one of"),
    ],
)
def test_a_bad_value_is_refused_with_its_place(
    fresh_tables: pytest.MonkeyPatch, file: str, old: str, new: str, complaint: str
) -> None:
    text = factors._text(file)
    assert old in text
    real = factors._text
    fresh_tables.setattr(factors, "_text", lambda name: text.replace(old, new, 1) if name == file else real(name))
    with pytest.raises(FactorDataError, match=complaint):
        _read_everything()


def _read_everything() -> None:
    """Read every table there is."""
    factors.grid_factors()
    factors.grid_age_spread()
    factors.region_zones()
    factors.source_uncertainties()
    factors.hardware_factors()


def test_no_table_carries_a_path_of_a_machine() -> None:
    for path in (REPOSITORY / "models" / "data").iterdir():
        text = path.read_text("utf-8")
        assert str(REPOSITORY.parent) not in text
        assert "/home/" not in text


def test_models_reads_files_in_one_module_only_and_imports_nothing_of_ours_else() -> None:
    for path in (REPOSITORY / "models").rglob("*.py"):
        text = path.read_text("utf-8")
        for word in ("collectors", "warehouse", "pipelines", "duckdb", "dagster", "datetime", "time"):
            assert f"import {word}" not in text
            assert f"from {word}" not in text
        if path.name != "factors.py":
            assert "read_text" not in text
            assert "open(" not in text

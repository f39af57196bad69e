"""The intensity of a generation mix, the factor sets behind it, the fuel codes and the zones."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import factors, generation_factors, zones
from models.generation import (
    FUELS,
    STORAGE_FUELS,
    FactorSet,
    NoFactorError,
    carbon_free_fraction,
    intensity_gco2e_per_kwh,
)
from models.table import FactorDataError

SETS = {(one.name, one.basis): one for sets in generation_factors.factor_sets().values() for one in sets}
EIA = SETS["eia_published", "lifecycle"]
IPCC = SETS["ipcc_ar5", "lifecycle"]


def test_a_mix_is_weighted_by_generation() -> None:
    # (100 x 820 + 300 x 490) / 400 = (82,000 + 147,000) / 400 = 572.5
    assert intensity_gco2e_per_kwh({"coal": 100, "gas": 300}, EIA).gco2e_per_kwh == pytest.approx(572.5, abs=1e-12)


def test_negative_generation_is_zero_and_reported() -> None:
    found = intensity_gco2e_per_kwh({"coal": -10, "gas": 300}, EIA)
    assert found.gco2e_per_kwh == 490
    assert found.generation_mwh == 300
    assert found.clipped_mwh == {"coal": -10}


def test_storage_is_not_generation() -> None:
    found = intensity_gco2e_per_kwh({"gas": 300, "hydro_storage": 500, "battery_storage": -200}, EIA)
    assert found.gco2e_per_kwh == 490
    assert not found.clipped_mwh


def test_a_fuel_without_a_factor_is_refused_by_name_unless_it_generated_nothing() -> None:
    with pytest.raises(NoFactorError, match=r"ipcc_ar5 \(lifecycle\) has no factor for oil, unknown"):
        intensity_gco2e_per_kwh({"gas": 1, "oil": 0.001, "unknown": 2}, IPCC)
    assert intensity_gco2e_per_kwh({"gas": 1, "oil": 0, "unknown": -2}, IPCC).gco2e_per_kwh == 490


def test_a_fuel_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="'fusion' is no fuel; known are battery_storage, biomass"):
        intensity_gco2e_per_kwh({"fusion": 0.0}, EIA)
    with pytest.raises(ValueError, match="generation must be finite, not nan MWh of gas"):
        intensity_gco2e_per_kwh({"gas": math.nan}, EIA)


def test_no_generation_has_no_intensity() -> None:
    for mix in ({}, {"gas": 0.0}, {"gas": -1.0}, {"hydro_storage": 5.0}):
        assert intensity_gco2e_per_kwh(mix, EIA).gco2e_per_kwh is None


def test_the_carbon_free_share_counts_neither_biomass_nor_other_nor_storage() -> None:
    mix = {
        "wind": 10,
        "nuclear": 30,
        "hydro": 20,
        "gas": 25,
        "biomass": 10,
        "unknown": 5,
        "hydro_storage": 900,
        "coal": -7,
    }
    # (10 + 30 + 20) / (10 + 30 + 20 + 25 + 10 + 5) = 60 / 100
    assert carbon_free_fraction(mix, generation_factors.carbon_free_fuels()) == 0.6
    assert carbon_free_fraction({"hydro_storage": 5.0, "wind": -1.0}, frozenset({"wind"})) is None


@given(st.dictionaries(st.sampled_from(sorted(FUELS)), st.floats(-1e4, 1e6)))
def test_a_carbon_free_share_lies_between_nothing_and_all(mix: dict[str, float]) -> None:
    share = carbon_free_fraction(mix, generation_factors.carbon_free_fuels())
    assert share is None or 0 <= share <= 1


def test_low_and_high_come_from_the_ranges_or_not_at_all() -> None:
    found = intensity_gco2e_per_kwh({"coal": 1, "gas": 1}, IPCC)
    # low (740 + 410) / 2 = 575, high (910 + 650) / 2 = 780
    assert (found.low_gco2e_per_kwh, found.high_gco2e_per_kwh) == (575, 780)
    assert intensity_gco2e_per_kwh({"coal": 1}, EIA).low_gco2e_per_kwh is None


MIXES = st.dictionaries(
    st.sampled_from(sorted(EIA.factors)), st.integers(-(10**9), 10**9).map(lambda kwh: kwh / 1e3), min_size=1
)


@given(MIXES, st.floats(0.01, 100))
def test_an_intensity_lies_between_its_factors_and_does_not_depend_on_size(mix: dict[str, float], size: float) -> None:
    found = intensity_gco2e_per_kwh(mix, EIA).gco2e_per_kwh
    used = [EIA.factors[fuel].gco2e_per_kwh for fuel, mwh in mix.items() if mwh > 0]
    if found is None:
        assert not used
        return
    assert min(used) * (1 - 1e-12) <= found <= max(used) * (1 + 1e-12)
    scaled = {fuel: mwh * size for fuel, mwh in mix.items()}
    assert intensity_gco2e_per_kwh(scaled, EIA).gco2e_per_kwh == pytest.approx(found, rel=1e-9)


def test_the_sets_hold_the_published_factors() -> None:
    def central(one: FactorSet) -> dict[str, float]:
        return {fuel: factor.gco2e_per_kwh for fuel, factor in one.factors.items()}

    eight = {"wind": 11, "solar": 41, "hydro": 24, "oil": 650, "gas": 490, "coal": 820, "nuclear": 12, "unknown": 230}
    assert central(EIA) == eight
    assert central(SETS["electricity_maps_default", "operational"])["unknown"] == 575
    assert IPCC.factors["hydro"].high_gco2e_per_kwh == 2_200
    assert set(SETS) == {
        ("eia_published", "lifecycle"),
        *(("ipcc_ar5", basis) for basis in ("lifecycle", "operational")),
        *(("electricity_maps_default", basis) for basis in ("lifecycle", "operational")),
    }


def test_only_electricity_maps_has_a_factor_for_every_fuel() -> None:
    whole = {key for key, one in SETS.items() if set(one.factors) == FUELS - STORAGE_FUELS}
    assert whole == {("electricity_maps_default", "lifecycle"), ("electricity_maps_default", "operational")}


def test_every_code_of_both_systems_has_a_fuel_and_storage_is_named() -> None:
    entsoe, eia = generation_factors.fuel_codes("entsoe"), generation_factors.fuel_codes("eia")
    assert set(entsoe) == {*(f"B{number:02}" for number in range(1, 21)), "B25"}
    assert {code for code, one in {**entsoe, **eia}.items() if one.is_storage} == {"B10", "B25", "BAT", "PS"}
    assert len(eia) == 12


def test_namibia_is_a_zone_and_every_zone_in_use_has_a_time_zone_that_exists() -> None:
    found = zones.zones()
    assert (found["NA"].country, found["NA"].iso3, found["NA"].time_zone) == ("NA", "NAM", "Africa/Windhoek")
    assert (len(found), sum(zone.is_retired for zone in found.values())) == (437, 58)
    assert found["US-CAL-CISO"].eia_respondent == "CISO"
    assert found["DE"].entsoe_eic == "10Y1001A1001A83F"
    for zone in found.values():
        assert zone.is_retired or ZoneInfo(zone.time_zone or "missing")


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("generation_factor.csv", "740,820,910", "940,820,910", "low <= central <= high"),
        ("generation_factor.csv", "eia_published,gas,", "eia_published,coal,", "stands twice in this factor set"),
        ("generation_factor.csv", "eia_published,gas,", "eia_published,hydro_storage,", "must be one of biomass"),
        ("fuel_code.csv", "Battery storage,battery_storage,true", "Battery storage,battery_storage,false", "not fit"),
        ("fuel_code.csv", "eia,NUC,", "eia,COL,", "stands twice"),
        ("carbon_free_fuel.csv", "\nsolar,", "\nwind,", "stands twice"),
        ("carbon_free_fuel.csv", "wind,true,2020,google_247_cfe,\n", "", "says nothing of wind"),
        ("zone.csv", "Europe/Andorra", "", "column time_zone: a text is needed"),
        ("zone.csv", "\nAE,", "\nAD,", "column zone: stands twice"),
    ],
)
def test_a_bad_row_is_refused_with_its_place(
    monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str, complaint: str
) -> None:
    real = factors._text
    text = real(file)
    assert old in text
    monkeypatch.setattr(factors, "_text", lambda name: text.replace(old, new, 1) if name == file else real(name))
    with pytest.raises(FactorDataError, match=complaint):
        _read_everything()


def _read_everything() -> None:
    """Read the tables anew."""
    generation_factors.factor_sets.__wrapped__()
    generation_factors.fuel_codes.__wrapped__("eia")
    generation_factors.carbon_free_fuels.__wrapped__()
    zones.zones.__wrapped__()

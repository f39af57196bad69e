"""Real files through the file drop, against figures worked out with pandas, and against published intensities."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from pipelines.feeds.drop import Drop, read_drop
from pipelines.feeds.stamps import iso_of

pytestmark = pytest.mark.real
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "feeds"
EIA_FACTORS = {"WND": 11, "SUN": 41, "WAT": 24, "OIL": 650, "NG": 490, "COL": 820, "NUC": 12, "OTH": 230}
EM_LIFECYCLE = {
    **{"Biomass": 230, "Fossil Gas": 490, "Fossil Hard coal": 820, "Fossil Oil": 650, "Nuclear": 12, "Other": 700},
    **{"Hydro Run-of-river and poundage": 24, "Hydro Water Reservoir": 24, "Solar": 45, "Waste": 230},
    **{"Wind Offshore": 11, "Wind Onshore": 11},
}
PUBLISHED_ROUNDING = 5e-5
"""Published intensities have four decimals [g/kWh]."""
EIA_HOURS = {"US-CAL-CISO": 8757, "US-MIDA-PJM": 8737, "US-NW-BPAT": 8760, "US-SW-AZPS": 8760, "US-TEX-ERCO": 8760}


@pytest.fixture(scope="session")
def feeds_data(shared_data: Path) -> Path:
    return shared_data / "feeds"


@cache
def dropped(path: Path, example: str) -> Drop:
    return read_drop(path, EXAMPLES / f"{example}.toml")


def holes(found: Drop) -> list[tuple[str, str]]:
    return [(iso_of(gap.start_ms)[:16], iso_of(gap.end_ms)[:16]) for gap in found.gaps]


@pytest.mark.parametrize("zone", sorted(EIA_HOURS))
def test_the_published_intensities_of_eia_are_reproduced_from_its_generation(feeds_data: Path, zone: str) -> None:
    path = feeds_data / "hourly" / f"eia930_generation_{zone}_2022.csv.gz"
    found = dropped(path, "eia_2022")
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
    # The label is the end of the hour.
    ends_ms = pd.to_datetime(frame["period"], utc=True).map(lambda moment: int(moment.timestamp() * 1000))
    published = dict(zip(ends_ms, frame["ci_published_g_per_kwh"], strict=True))
    assert len(found.values) == EIA_HOURS[zone]
    assert {value.zone for value in found.values} == {zone}
    worst = max(abs(value.gco2e_per_kwh - published[value.end_ms]) for value in found.values)
    assert worst <= PUBLISHED_ROUNDING * (1 + 1e-6)
    mean = sum(value.gco2e_per_kwh for value in found.values) / len(found.values)
    assert mean == pytest.approx(frame["ci_published_g_per_kwh"].mean(), abs=1e-5)
    missing = int(frame["NG_mwh"].isna().sum())
    assert sum(gap.end_ms - gap.start_ms for gap in found.gaps) == missing * 3_600_000
    assert sum(refusal.values_n for refusal in found.refusals) == missing


@pytest.mark.parametrize("zone", sorted(EIA_HOURS))
def test_the_carbon_free_share_of_every_hour_is_that_of_the_sums_in_the_file(feeds_data: Path, zone: str) -> None:
    path = feeds_data / "hourly" / f"eia930_generation_{zone}_2022.csv.gz"
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""]).dropna(subset=["NG_mwh"])
    made = frame[[f"{fuel}_mwh" for fuel in EIA_FACTORS]].clip(lower=0)  # a plant's own use is no generation
    shares = made[["WND_mwh", "SUN_mwh", "WAT_mwh", "NUC_mwh"]].sum(axis=1) / made.sum(axis=1)
    ends_ms = pd.to_datetime(frame["period"], utc=True).map(lambda moment: int(moment.timestamp() * 1000))
    expected = dict(zip(ends_ms, shares, strict=True))
    found = {value.end_ms: value.carbon_free_fraction for value in dropped(path, "eia_2022").values}
    assert found == pytest.approx({end_ms: expected[end_ms] for end_ms in found}, rel=1e-12)
    assert len(found) == EIA_HOURS[zone]


def test_the_spring_forward_hole_of_pjm_and_its_single_hour_are_reported(feeds_data: Path) -> None:
    found = dropped(feeds_data / "hourly" / "eia930_generation_US-MIDA-PJM_2022.csv.gz", "eia_2022")
    # Labels 2022-03-13T07 to 03-14T04 are missing, ends of hours: 22 hours from 06:00 UTC, an hour before the clock
    # goes forward in the east of the US; and the label 2022-11-07T05.
    assert holes(found) == [("2022-03-13T06:00", "2022-03-14T04:00"), ("2022-11-07T04:00", "2022-11-07T05:00")]


def test_the_three_missing_hours_of_california_are_reported_one_by_one(feeds_data: Path) -> None:
    found = dropped(feeds_data / "hourly" / "eia930_generation_US-CAL-CISO_2022.csv.gz", "eia_2022")
    assert [gap.end_ms - gap.start_ms for gap in found.gaps] == [3_600_000] * 3


def test_an_evening_in_california_is_far_from_the_annual_mean(feeds_data: Path) -> None:
    found = dropped(feeds_data / "hourly" / "eia930_generation_US-CAL-CISO_2022.csv.gz", "eia_2022")
    # labels 18 to 22 UTC have 177.6 g/kWh, the year 256.2
    chosen = [value.gco2e_per_kwh for value in found.values if 18 <= value.end_ms // 3_600_000 % 24 < 22]
    assert sum(value.gco2e_per_kwh for value in found.values) / len(found.values) == pytest.approx(256.2, abs=0.05)
    assert sum(chosen) / len(chosen) == pytest.approx(177.6, abs=0.05)


def of_entsoe(path: Path) -> pd.DataFrame:
    """Return start, hours and lifecycle intensity of every row, negatives clipped and pumped storage left out."""
    frame = pd.read_csv(path)
    start = pd.to_datetime(frame["start_utc"], utc=True)
    length = (start.shift(-1) - start).dt.total_seconds() / 3600
    fuels = [name for name in EM_LIFECYCLE if name in frame]
    power = frame[fuels].clip(lower=0)
    grams = sum(power[name] * EM_LIFECYCLE[name] for name in fuels)
    return pd.DataFrame({"start": start, "hours": length.ffill(), "intensity": grams / power.sum(axis=1)})


def lifecycle(found: Drop) -> list[float]:
    return [value.gco2e_per_kwh for value in found.values if value.basis == "lifecycle"]


def test_france_2020_is_whole_and_its_negative_coal_is_clipped(feeds_data: Path) -> None:
    path = feeds_data / "hourly" / "entsoe_generation_FR_2020.csv.gz"
    found = dropped(path, "entsoe_fr_2020")
    assert (len(lifecycle(found)), found.refusals, found.gaps, found.step_changes) == (9288, (), (), ())
    assert lifecycle(found) == pytest.approx(of_entsoe(path)["intensity"].tolist(), rel=1e-12)
    assert {code: count for code, (count, _) in found.clipped.items()} == {"B05": 602, "B12": 3}


def test_the_quarter_hours_of_great_britain_begin_on_the_last_day_of_october(feeds_data: Path) -> None:
    path = feeds_data / "hourly" / "entsoe_generation_GB_2020.csv.gz"
    found = dropped(path, "entsoe_gb_2020")
    expected = of_entsoe(path)
    assert lifecycle(found) == pytest.approx(expected["intensity"].tolist(), rel=1e-12)
    assert (len(lifecycle(found)), found.gaps) == (21_980, ())
    changes = [one for one in found.step_changes if one.basis == "lifecycle"]
    # For the last hour of that day, and the last one of the file, there are half hours again.
    assert [(iso_of(one.at_ms)[:16], one.before_s, one.after_s) for one in changes] == [
        ("2020-10-31T00:00", 1800, 900),
        ("2020-10-31T23:00", 900, 1800),
        ("2020-11-01T00:00", 1800, 900),
        ("2021-01-09T23:00", 900, 1800),
    ]


def test_a_mean_over_mixed_steps_is_weighted_by_time(feeds_data: Path) -> None:
    found = dropped(feeds_data / "hourly" / "entsoe_generation_GB_2020.csv.gz", "entsoe_gb_2020")
    own = [one for one in found.values if one.basis == "lifecycle" and iso_of(one.start_ms).startswith("2020")]
    hours = [(one.end_ms - one.start_ms) / 3_600_000 for one in own]
    # 235.44 g/kWh by row, 234.64 by time
    assert sum(one.gco2e_per_kwh for one in own) / len(own) == pytest.approx(235.44, abs=0.005)
    weighted = sum(one.gco2e_per_kwh * length for one, length in zip(own, hours, strict=True)) / sum(hours)
    assert weighted == pytest.approx(234.64, abs=0.005)


@pytest.mark.parametrize("month", ["2019-05", "2021-03"])
def test_the_marginal_rate_of_california_comes_in_grams_and_no_forecast_with_it(feeds_data: Path, month: str) -> None:
    path = feeds_data / "marginal" / f"SGIP_CAISO_PGE_{month}.csv.gz"
    found = dropped(path, "sgip_caiso_marginal")
    frame = pd.read_csv(path)
    assert (len(found.values), found.refusals, found.gaps) == (9504, (), ())
    assert {(value.kind, value.basis) for value in found.values} == {("marginal", "operational")}
    total = sum(value.gco2e_per_kwh for value in found.values)
    assert total == pytest.approx(frame["moer"].sum() * 1000, rel=1e-12)
    assert {value.end_ms - value.start_ms for value in found.values} == {300_000}


def test_the_two_snapshots_of_great_britain_disagree_on_19_of_23_half_hours(feeds_data: Path) -> None:
    first, second = (
        dropped(feeds_data / "gb_neso" / f"national_pt24h_asof_{name}Z.json", f"neso_{name[:10]}")
        for name in ("2023-03-14T1401", "2023-03-15T0201")
    )
    assert [len(one.values) for one in (first, second)] == [47, 47]
    # The half hour before the answer has a forecast only, which is no value.
    assert [one.refusals[0].reason for one in (first, second)] == ["no_value", "no_value"]
    before = {value.start_ms: value.gco2e_per_kwh for value in first.values}
    after = {value.start_ms: value.gco2e_per_kwh for value in second.values}
    common = before.keys() & after.keys()
    assert (len(common), sum(before[at] != after[at] for at in common)) == (23, 19)
    assert first.as_of_ms is not None
    assert second.as_of_ms == first.as_of_ms + 12 * 3_600_000


@pytest.mark.parametrize("year", [2021, 2022, 2023, 2024])
def test_a_yearly_file_of_electricity_maps_gives_one_value_a_zone(feeds_data: Path, year: int) -> None:
    path = feeds_data / "yearly" / f"electricitymaps_yearly_{year}.json"
    found = dropped(path, "electricity_maps_yearly")
    entries = json.loads(path.read_text("utf-8"))
    values = {value.zone: value.gco2e_per_kwh for value in found.values}
    expected = {zone: entry["carbonIntensity"]["value"] for zone, entry in entries.items()}
    # Two zones of the file stand in no table of zones: they are refused by name.
    assert {refusal.reason for refusal in found.refusals} == {"wrong_zone"}
    assert values == {zone: value for zone, value in expected.items() if zone in values}
    assert set(expected) - set(values) == {"DK-BHM", "GB-ORK"}
    assert "NA" in values
    assert {iso_of(value.start_ms) for value in found.values} == {f"{year}-01-01T00:00:00Z"}

"""Real hours, half and quarter hours, and marginal rates, dropped into a lake in which jobs ran at four places.

Each GPU draws 1 kW at a place with PUE 1.0, so an hour of it is 1 kWh and its grams are the intensity of that hour.
What is expected is computed in this test, from the files themselves, by SQL that shares nothing with the program.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.feeds.drop import read_drop
from pipelines.feeds.dropping import land_drop
from tests.support.gpu_jobs import land_gpu
from tests.support.homes import make_home
from warehouse.engine import run_all
from warehouse.lake import Lake, open_lake

pytestmark = pytest.mark.real

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "feeds"
EIA_ZONES = {"US-CAL-CISO": 8757, "US-MIDA-PJM": 8737, "US-NW-BPAT": 8760, "US-SW-AZPS": 8760, "US-TEX-ERCO": 8760}
MARGINAL_N = 2 * 9504
PLACES = (("ca", "US-CAL-CISO"), ("pj", "US-MIDA-PJM"), ("gb", "GB"), ("fr", "FR"))
# Job, host, from, to. California before noon and in a year without hours; PJM into its hole; GB while its step changes.
JOBS = (
    ("solar", "ca-1", "2022-06-15T17:00", "2022-06-15T21:00"),
    ("no-hours", "ca-1", "2021-03-02T10:00", "2021-03-02T11:00"),
    ("hole", "pj-1", "2022-03-13T04:00", "2022-03-13T08:00"),
    ("steps", "gb-1", "2020-10-31T22:00", "2020-11-01T00:00"),
    ("france", "fr-1", "2020-10-31T12:00", "2020-10-31T13:00"),
)
# Factors of the published EIA figures, by which the file's own column is computed [gCO2e/kWh]; research feeds 1.5.
EIA_MIX = """
SELECT (11 * WND_mwh + 41 * SUN_mwh + 24 * WAT_mwh + 650 * OIL_mwh + 490 * NG_mwh + 820 * COL_mwh + 12 * NUC_mwh
    + 230 * OTH_mwh) / (WND_mwh + SUN_mwh + WAT_mwh + OIL_mwh + NG_mwh + COL_mwh + NUC_mwh + OTH_mwh)
FROM read_csv($path, types = {'period': 'VARCHAR'}) WHERE period > $start AND period <= $end ORDER BY period
"""


def at_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "feeds"


@pytest.fixture(scope="module")
def lake(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    places = [{"id": key, "zone": zone, "pue": 1.0, "hosts": [f"{key}-*"]} for key, zone in PLACES]
    config = make_home(tmp_path_factory.mktemp("hourly") / "home", facility=places)
    for job, host, start, end in JOBS:
        land_gpu(config, at_ms(start), at_ms(end), 1000, job, host=host)
    with open_lake(config) as opened:
        for data, description in files(folder):
            land_drop(opened, read_drop(data, EXAMPLES / f"{description}.toml"))
        run_all(opened)
        yield opened


def files(folder: Path) -> Iterator[tuple[Path, str]]:
    for zone in EIA_ZONES:
        yield folder / "hourly" / f"eia930_generation_{zone}_2022.csv.gz", "eia_2022"
    for zone in ("FR", "GB"):
        yield folder / "hourly" / f"entsoe_generation_{zone}_2020.csv.gz", f"entsoe_{zone.lower()}_2020"
    for month in ("2019-05", "2021-03"):
        yield folder / "marginal" / f"SGIP_CAISO_PGE_{month}.csv.gz", "sgip_caiso_marginal"


def published(folder: Path, zone: str, start: str, end: str) -> list[float]:
    path = folder / "hourly" / f"eia930_generation_{zone}_2022.csv.gz"
    with duckdb.connect() as own:
        rows = own.execute(EIA_MIX, {"path": str(path), "start": f"{start}:00Z", "end": f"{end}:00Z"}).fetchall()
    return [value for (value,) in rows if value is not None]


def hours_of(lake: Lake, job: str) -> list[tuple[Any, ...]]:
    """Return grams, tier and factor of each hour of a job."""
    return lake.rows(
        "select sum(gco2e), string_agg(distinct quality_tier, ' '), string_agg(distinct factor_id, ' ') "
        "from core.emission where job_id = $job and component = 'it' group by hour_start order by hour_start",
        {"job": job},
    )


def test_every_slot_of_every_file_is_in_the_lake_once(lake: Lake) -> None:
    found = lake.rows(
        "select zone, provider, kind, basis, count(*), count(distinct (valid_from, valid_to)) from ref.grid_intensity "
        "where file_sha256 is not null and known_to is null group by all order by all"
    )
    assert all(rows == slots for *_, rows, slots in found)
    counted = {(zone, provider, basis): rows for zone, provider, _, basis, rows, _ in found}
    assert {zone: counted[zone, "eia", "lifecycle"] for zone in EIA_ZONES} == EIA_ZONES
    assert counted["FR", "entsoe", "lifecycle"] == 9288
    assert counted["GB", "entsoe", "lifecycle"] == 21_980
    assert counted["US-CAL-CISO", "sgip", "operational"] == MARGINAL_N
    assert {(zone, provider) for zone, provider, kind, *_ in found if kind == "marginal"} == {("US-CAL-CISO", "sgip")}


def test_the_intensities_of_a_year_are_those_of_the_mix_to_the_last_digit(lake: Lake, folder: Path) -> None:
    for zone, hours_n in EIA_ZONES.items():
        expected = published(folder, zone, "2021-12-31T00:00", "2023-01-02T00:00")
        found = lake.rows(
            "select gco2e_per_kwh from ref.grid_intensity where zone = $zone and provider = 'eia' order by valid_from",
            {"zone": zone},
        )
        assert len(found) == hours_n
        assert [value for (value,) in found] == pytest.approx(expected, rel=1e-12)


def test_a_load_at_noon_in_california_gets_the_hourly_figures_and_not_the_annual_one(lake: Lake, folder: Path) -> None:
    expected = published(folder, "US-CAL-CISO", "2022-06-15T17:00", "2022-06-15T21:00")
    hours = hours_of(lake, "solar")
    assert [grams for grams, *_ in hours] == pytest.approx(expected, rel=1e-9)
    assert {tier for _, tier, _ in hours} == {"zone_slot_measured"}
    # Research feeds 5, row 17: labels 18 to 22 UTC, the ends of the hours from 17:00 on, have 177.6, the year 256.2.
    ((own, annual),) = lake.rows(
        "select avg(gco2e_per_kwh) filter (hour(valid_to) >= 18 and hour(valid_to) < 22), avg(gco2e_per_kwh) "
        "from ref.grid_intensity where zone = 'US-CAL-CISO' and provider = 'eia'"
    )
    assert (own, annual) == pytest.approx((177.6, 256.2), abs=0.05)
    assert annual / own == pytest.approx(1.44, abs=0.005)


def test_the_hole_of_pjm_is_bridged_by_a_worse_tier_on_its_own_rows(lake: Lake, folder: Path) -> None:
    hours = hours_of(lake, "hole")
    assert [tier for _, tier, _ in hours] == ["zone_slot_measured"] * 2 + ["zone_year"] * 2
    first_two = published(folder, "US-MIDA-PJM", "2022-03-13T04:00", "2022-03-13T06:00")
    assert [grams for grams, *_ in hours[:2]] == pytest.approx(first_two, rel=1e-9)
    yearly = lake.value(
        "select gco2e_per_kwh from core.grid_factor where zone = 'US-MIDA-PJM' and tier = 'zone_year' limit 1"
    )
    assert [grams for grams, *_ in hours[2:]] == pytest.approx([yearly] * 2, rel=1e-9)


def test_half_and_quarter_hours_of_great_britain_weigh_by_their_time(lake: Lake) -> None:
    steps = lake.rows(
        "select date_trunc('hour', valid_from) as h, count(*), "
        "sum(gco2e_per_kwh * (epoch_ms(valid_to) - epoch_ms(valid_from))) / 3.6e6 from ref.grid_intensity "
        "where zone = 'GB' and provider = 'entsoe' and basis = 'lifecycle' "
        "and valid_from >= '2020-10-31 22:00:00+00' and valid_from < '2020-11-01 00:00:00+00' group by h order by h"
    )
    assert [count for _, count, _ in steps] == [4, 2]
    hours = hours_of(lake, "steps")
    assert [grams for grams, *_ in hours] == pytest.approx([mean for *_, mean in steps], rel=1e-9)
    # All slots of a day are as long as its shortest interval.
    lengths = lake.rows("select slot_s, count(*) from core.grid_factor where zone = 'GB' group by all")
    assert lengths == [(900, 8)]


def test_a_marginal_rate_is_on_no_row(lake: Lake) -> None:
    ((grams, tier, factor),) = hours_of(lake, "no-hours")
    covered = lake.value(
        "select count(*) from ref.grid_intensity where kind = 'marginal' and zone = 'US-CAL-CISO' "
        "and valid_from >= '2021-03-02 10:00:00+00' and valid_to <= '2021-03-02 11:00:00+00'"
    )
    assert (covered, tier) == (12, "zone_year")
    assert "marginal" not in factor
    assert grams > 0
    assert lake.value("select count(*) from core.emission where factor_id like '%marginal%'") == 0
    assert lake.value("select count(*) from core.grid_factor where factor_id like '%marginal%'") == 0


def test_no_factor_is_missing_and_every_row_names_its_own(lake: Lake) -> None:
    tiers = dict(
        lake.rows(
            "select quality_tier, sum(energy_kwh) from core.emission "
            "where method = 'location' and component = 'it' group by 1"
        )
    )
    # 4 + 2 + 2 + 1 hours by slot; two in the hole and one in a year without hours by the mean of a year.
    assert tiers == {"zone_slot_measured": pytest.approx(9), "zone_year": pytest.approx(3)}

"""The published tables of cloud regions as they are: every known fault is caught by name, and the rest goes in.

The shared copies lack 8 rows of Google's 2024 and the 41 Google rows of the foundation's 2024. Where a fault sat
in those, the rows are built here again from Google's own files in the shape that the table had: the hourly columns hold
2023, and 2024 stands in the columns of the annual share and of the grid (research/feeds.md 3.2).
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from models import factors
from pipelines.feeds.cloud.google_regions import GoogleRegions
from pipelines.feeds.cloud.gsf_table import GsfTable
from pipelines.feeds.cloud.judge import Judged, judge
from pipelines.feeds.cloud.landing import land, region_map
from pipelines.feeds.cloud.publication import Reading
from tests.support.cloud_tables import gsf, row
from warehouse.ingest import ingest_landing
from warehouse.lake import Lake
from warehouse.rejected import ingest_rejected

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def google(shared_data: Path) -> list[Reading]:
    source = GoogleRegions()
    return [source.parse(source.read(p)) for p in sorted((shared_data / "feeds" / "cloud").glob("gcp_*.csv"))]


@pytest.fixture(scope="module")
def table(shared_data: Path) -> Reading:
    return GsfTable().parse(GsfTable().read(shared_data / "feeds" / "cloud" / "gsf_cloud_region_metadata.csv"))


@pytest.fixture(scope="module")
def verdict(google: list[Reading], table: Reading) -> Judged:
    return judge([*google, table], region_map())


@pytest.fixture(scope="module")
def own(google: list[Reading]) -> dict[tuple[str, str, int], float]:
    return {(f.metric, f.region, f.year): f.value for reading in google for f in reading.figures}


@pytest.fixture(scope="module")
def rows_of_2024(own: dict[tuple[str, str, int], float]) -> Reading:
    """Google's rows of 2024 as the table had them."""
    regions = sorted({region for _, region, year in own if year == 2024} & {r for _, r, year in own if year == 2023})
    zones = region_map()

    def text(metric: str, region: str, year: int) -> str:
        return str(own.get((metric, region, year), ""))

    return gsf(
        *(
            row(
                *(2024, "gcp", region),
                zone=zones["gcp", region].zone,
                cfe=text("cfe_hourly", region, 2023),
                own=text("intensity_location", region, 2023),
                cfe_annual=text("cfe_hourly", region, 2024),
                grid=text("intensity_location", region, 2024),
            )
            for region in regions
        )
    )


def places(judged: Judged, name: str) -> set[tuple[str, str, int]]:
    """Provider, region and year of what was refused or flagged under a name."""
    refused = {r.figure.row_key for r in judged.refused if r.reason == name and r.figure}
    return refused | {f.row_key for _, f in judged.taken if name in f.flags}


def test_every_row_of_googles_files_is_read_and_only_a_zero_is_refused(google: list[Reading]) -> None:
    judged = judge(google, region_map())
    # Rows by year in the shared files: 24, 27, 34, 36, 40, 36 (and a blank line in 2021); blank shares: 8, 8, 3.
    assert len(judged.taken) + len(judged.refused) + judged.missing["cfe_hourly"] == 2 * (24 + 27 + 34 + 36 + 40 + 36)
    assert judged.missing == {"cfe_hourly": 8 + 8 + 3}
    # Whole grams: the hydro power of Quebec is rounded to 0.
    assert {(r.reason, r.figure.region, r.figure.year) for r in judged.refused} == {
        ("zero_location", "northamerica-northeast1", 2021),
        ("zero_location", "northamerica-northeast1", 2022),
    }


def test_the_break_of_the_basis_is_flagged_in_every_region_of_2021(verdict: Judged) -> None:
    flagged = [f for _, f in verdict.taken if "basis_break" in f.flags and f.source == "google_region_carbon"]
    assert len(flagged) == 26
    assert {(f.year, f.metric, f.basis) for f in flagged} == {(2021, "intensity_location", "operational")}


def test_all_aws_grid_values_of_2024_are_copies_of_2023(verdict: Judged) -> None:
    stale = [r.figure for r in verdict.refused if r.reason == "stale_copy"]
    assert {(f.provider, f.year, f.series) for f in stale} == {("aws", 2024, "intensity_location_grid")}
    assert len(stale) == 20
    # The PUE of 2024 in the same rows is new and lands.
    assert sum(f.metric == "pue" for _, f in verdict.taken if (f.provider, f.year) == ("aws", 2024)) == 22


def test_the_finnish_north_europe_is_refused_and_the_irish_lands(verdict: Judged) -> None:
    assert places(verdict, "duplicated_region") == {("azure", "northeurope", 2022), ("azure", "northeurope", 2023)}
    landed = [f for _, f in verdict.taken if f.region == "northeurope"]
    assert {f.zone for f in landed} == {"IE"}
    assert {(f.year, f.value) for f in landed if f.metric == "pue"} == {(2022, 1.197), (2023, 1.19)}


def test_invented_regions_are_refused(verdict: Judged) -> None:
    assert {key[1] for key in places(verdict, "unknown_region")} == {"asiapacific", "indiasouthcentral"}


def test_wrong_zones_are_refused_and_their_figures_named(verdict: Judged) -> None:
    found = places(verdict, "wrong_zone")
    assert {("azure", "westus", 2022), ("azure", "northcentralus", 2023), ("gcp", "me-central1", 2023)} <= found
    # Six European rows of 2020 hold the zone, and so the grid figure, of the row below.
    assert {region for provider, region, year in found if (provider, year) == ("gcp", 2020)} == {
        *("europe-north1", "europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6"),
    }


def test_far_places_are_flagged(verdict: Judged) -> None:
    assert {key[:2] for key in places(verdict, "far_place")} == {
        *(("aws", "sa-east-1"), ("gcp", "southamerica-east1"), ("gcp", "us-south1"), ("gcp", "us-west4")),
        *(("gcp", "us-east5"), ("azure", "westus")),
    }


def test_blanks_that_the_table_filled_with_zero_are_refused(verdict: Judged) -> None:
    by_year = Counter(year for _, _, year in places(verdict, "filled_blank"))
    assert by_year == {2019: 8, 2020: 8, 2021: 3}


def test_market_zeros_are_flagged_and_never_a_location_figure(verdict: Judged) -> None:
    flagged = [f for _, f in verdict.taken if "market_zero" in f.flags]
    assert flagged
    assert {f.metric for f in flagged} == {"intensity_market"}
    assert all(f.value > 0 for _, f in verdict.taken if f.metric == "intensity_location")


def test_the_provider_wide_wue_of_aws_is_flagged(verdict: Judged) -> None:
    flagged = Counter(
        (f.year, f.value) for _, f in verdict.taken if "one_value_for_many" in f.flags and f.metric == "wue"
    )
    assert flagged == {(2022, 0.19): 32, (2023, 0.18): 32, (2024, 0.18): 6}


def test_large_restatements_are_flagged(verdict: Judged) -> None:
    # Berlin has the figures of Frankfurt, 0.90 to 0.68; the rows of Hong Kong and Frankfurt were taken out of 2024.
    assert ("gcp", "europe-west10", 2024) in places(verdict, "large_change")


def test_regions_that_vanished_are_findings(verdict: Judged) -> None:
    told = [mark.detail for mark in verdict.findings if mark.name == "vanished_region"]
    assert "google_region_carbon: gcp asia-east2 is in 2023 and not in 2024" in told


def test_shifted_years_and_wrong_columns_of_2024_are_refused(
    google: list[Reading], own: dict[tuple[str, str, int], float], rows_of_2024: Reading
) -> None:
    judged = judge([*google, rows_of_2024], region_map())
    changed = Counter(
        metric
        for metric, region, year in own
        if year == 2024 and (metric, region, 2023) in own and own[metric, region, 2023] != own[metric, region, 2024]
    )
    regions_n = len({figure.region for figure in rows_of_2024.figures})
    assert judged.reasons()["shifted_year"] == changed.total()
    # Both columns of every region, and nothing of the table's grid or annual columns lands.
    assert judged.reasons()["wrong_column"] == 2 * regions_n
    landed = {f.series for _, f in judged.taken if f.source.startswith("gsf")}
    assert landed <= {"cfe_hourly", "intensity_location"}


def test_without_googles_files_the_two_values_of_pjm_are_still_caught(table: Reading, rows_of_2024: Reading) -> None:
    figures = [f for f in table.figures if f.year == 2024]
    together = Reading(table.publication, figures + rows_of_2024.figures)
    judged = judge([together], region_map())
    pjm = [r for r in judged.refused if r.figure and r.figure.zone == "US-MIDA-PJM" and r.figure.is_grid]
    assert {r.reason for r in pjm} == {"zone_year_conflict"}
    assert {r.figure.value for r in pjm} == {396.25, 323.05}


def test_the_estimate_file_is_read_apart(shared_data: Path) -> None:
    path = shared_data / "feeds" / "cloud" / "gsf_cloud_region_metadata_estimate.csv"
    reading = GsfTable().parse(GsfTable().read(path))
    assert [mark.name for mark in reading.marks] == ["unnamed_column"]
    assert {f.source for f in reading.figures} == {"gsf_real_time_cloud_estimate", "gsf_real_time_cloud_estimate_grid"}


def test_what_passed_lands_in_the_lake_and_what_did_not_in_quarantine(verdict: Judged, lake: Lake) -> None:
    landing = lake.config.landing_path
    result = land(verdict, landing)
    assert result.rows_landed == len(verdict.taken)
    assert ingest_rejected(lake, landing) == len(verdict.refused)
    ingest_landing(lake)
    assert lake.value("select count(*) from raw.cloud_region_factor") == len(verdict.taken)
    held = lake.rows("select reason, count(*) from raw.quarantine_row where state = 'open' group by all")
    assert Counter(dict(held)) == verdict.reasons()


def test_no_region_of_the_map_has_a_retired_zone(shared_data: Path) -> None:
    path = shared_data / "feeds" / "factors" / "zone_crosswalk.csv"
    with path.open(encoding="utf-8", newline="") as file:
        current = {line["zone"] for line in csv.DictReader(file) if line["retired"] == "false"}
    assert {zone for r in factors.region_zones() for zone in (r.zone, *r.other_zones)} <= current

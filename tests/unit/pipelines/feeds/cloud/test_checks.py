"""Each fault of a published table is caught under its own name, and nothing beside it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.feeds.cloud import checks_rows
from pipelines.feeds.cloud.faults import FAULTS, NAMES, severity
from pipelines.feeds.cloud.gsf_table import ESTIMATE_SOURCE
from pipelines.feeds.cloud.publication import Mark
from tests.support.cloud_tables import google, gsf, row, verdict

FIVE = tuple("abcde")


def refused(judged) -> set[tuple[str, str, int, str]]:
    """Reason, region, year and series of everything that was refused."""
    return {(r.reason, r.figure.region, r.figure.year, r.figure.series) for r in judged.refused}


def flags(judged) -> set[tuple[str, str, int, str]]:
    """Flag, region, year and series of everything that landed with one."""
    return {(name, f.region, f.year, f.series) for _, f in judged.taken for name in f.flags}


def test_the_list_is_closed_and_every_fault_has_a_sentence() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(FAULTS)
    assert all(fault.sentence.endswith(".") and severity(name) for name, fault in FAULTS.items())
    with pytest.raises(ValueError, match="not in the list"):
        Mark("odd", "")


@pytest.mark.parametrize(
    ("column", "wrong", "right", "name"),
    [
        ("pue", ("0.99", "3.01"), ("1", "3"), "pue_out_of_range"),
        ("wue", ("-0.1", "20.1"), ("0", "20"), "wue_out_of_range"),
        ("cfe", ("-0.01", "1.01", "97"), ("0", "1"), "cfe_out_of_range"),
        ("cfe_annual", ("1.5",), ("0.5",), "cfe_out_of_range"),
        ("grid", ("-1", "2000.1"), ("0.1", "2000"), "intensity_out_of_range"),
        ("own", ("2500",), ("250",), "intensity_out_of_range"),
        ("grid", ("0",), ("1",), "zero_location"),
        ("own", ("0",), ("1",), "zero_location"),
    ],
)
def test_a_value_that_cannot_be_is_refused(column: str, wrong: tuple, right: tuple, name: str) -> None:
    for value in wrong:
        judged = verdict([gsf(row(2023, "aws", "a", zone="DE", **{column: value}))], aws_a="DE")
        assert judged.reasons() == {name: 1}, value
        assert not judged.taken
    for value in right:
        assert not verdict([gsf(row(2023, "aws", "a", zone="DE", **{column: value}))], aws_a="DE").refused, value


def test_a_market_factor_of_zero_lands_flagged_and_never_as_the_location_figure() -> None:
    judged = verdict([gsf(row(2023, "aws", "a", zone="DE", market="0", grid="371"))], aws_a="DE")
    assert flags(judged) == {("market_zero", "a", 2023, "intensity_market")}
    location = [figure.value for _, figure in judged.taken if figure.metric == "intensity_location"]
    assert location == [371.0]


def test_an_invented_region_is_refused_and_gets_no_zone() -> None:
    judged = verdict([gsf(row(2023, "azure", "asiapacific", zone="SG", pue="1.2", grid="400"))], azure_a="DE")
    assert judged.reasons() == {"unknown_region": 2}


def test_of_a_duplicated_region_only_the_row_of_our_map_lands() -> None:
    twice = (row(2022, "azure", "n", zone="FI", pue="1.12"), row(2022, "azure", "n", zone="IE", pue="1.197"))
    judged = verdict([gsf(*twice)], azure_n="IE")
    assert judged.reasons() == {"duplicated_region": 1}
    assert [(f.value, f.flags) for _, f in judged.taken] == [(1.197, ("has_duplicate",))]


def test_of_a_duplicated_region_none_lands_where_the_map_cannot_tell() -> None:
    twice = (row(2022, "azure", "n", zone="IE", pue="1.12"), row(2022, "azure", "n", zone="IE", pue="1.197"))
    assert verdict([gsf(*twice)], azure_n="IE").reasons() == {"duplicated_region": 2}


def test_a_wrong_zone_takes_the_grid_figure_and_flags_the_rest() -> None:
    judged = verdict([gsf(row(2022, "azure", "w", zone="FR", pue="1.15", grid="60"))], azure_w="DE")
    assert refused(judged) == {("wrong_zone", "w", 2022, "intensity_location_grid")}
    assert flags(judged) == {("row_of_wrong_zone", "w", 2022, "pue")}


def test_the_country_for_a_zone_is_only_flagged() -> None:
    judged = verdict([gsf(row(2022, "aws", "n", zone="SE", grid="24"))], aws_n="SE-SE3")
    assert flags(judged) == {("coarser_zone", "n", 2022, "intensity_location_grid")}
    assert not judged.refused


def test_a_grid_figure_without_a_zone_is_flagged() -> None:
    judged = verdict([gsf(row(2022, "aws", "n", grid="24", pue="1.1"))], aws_n="DE")
    assert flags(judged) == {("no_zone_stated", "n", 2022, "intensity_location_grid")}


def test_the_distance_of_two_known_places() -> None:
    # One degree along the equator: 2 pi 6371 km / 360 = 111.19 km; pole to pole: pi 6371 km = 20015 km.
    assert checks_rows.distance_km((0, 0), (0, 1)) == pytest.approx(111.19, abs=0.01)
    assert checks_rows.distance_km((90, 0), (-90, 77)) == pytest.approx(20_015, abs=1)


def test_a_far_place_is_flagged_and_its_values_land() -> None:
    # Our map has 50 N 8 E. 45.6 N lies 4.4 degrees = 489 km south, 45.4 N lies 4.6 degrees = 511 km south.
    rows = (row(2022, "aws", "a", place="45.6,8", pue="1.1"), row(2022, "aws", "b", place="45.4,8", pue="1.1"))
    judged = verdict([gsf(*rows)], aws_a="DE", aws_b="DE")
    assert flags(judged) == {("far_place", "b", 2022, "pue")}
    assert not judged.refused


@pytest.mark.parametrize("place", ["somewhere", "50", "50,8,1", "50.1.1,8", "91,8", "8,181", "nan,8"])
def test_a_place_that_cannot_be_read_is_flagged(place: str) -> None:
    judged = verdict([gsf(row(2022, "aws", "a", place=place, pue="1.1"))], aws_a="DE")
    assert flags(judged) == {("unreadable_place", "a", 2022, "pue")}


def test_a_value_of_five_regions_is_flagged_as_no_measurement_of_each() -> None:
    zones = {f"aws_{name}": "DE" for name in FIVE}
    rows = [row(2023, "aws", name, wue="0.18", pue="1.1" if name < "e" else "1.2") for name in FIVE]
    judged = verdict([gsf(*rows)], **zones)
    assert flags(judged) == {("one_value_for_many", name, 2023, "wue") for name in FIVE}


def test_shifted_years_a_wrong_column_and_a_filled_blank_are_told_apart_by_googles_own_files() -> None:
    own = [
        google(2023, "a,A,0.90,345", "b,B,0.50,200", "c,C,,100", "d,D,0.2,50"),
        google(2024, "a,A,0.68,275.82", "b,B,0.50,210", "c,C,,110", "d,D,0.2,55"),
    ]
    table = gsf(
        row(2024, "gcp", "a", zone="DE", cfe="0.9", cfe_annual="0.68", own="345", grid="275.82"),
        row(2024, "gcp", "b", zone="DE", cfe="0.5", own="210"),
        row(2024, "gcp", "c", zone="DE", cfe="0", own="111"),
        row(2024, "gcp", "e", zone="DE", cfe="0.3"),
    )
    judged = verdict([*own, table], gcp_a="DE", gcp_b="DE", gcp_c="DE", gcp_d="DE", gcp_e="DE")
    assert refused(judged) == {
        ("shifted_year", "a", 2024, "cfe_hourly"),
        ("shifted_year", "a", 2024, "intensity_location"),
        ("wrong_column", "a", 2024, "cfe_annual"),
        ("wrong_column", "a", 2024, "intensity_location_grid"),
        ("filled_blank", "c", 2024, "cfe_hourly"),
        ("differs_from_provider", "c", 2024, "intensity_location"),
    }
    assert ("not_compared", "e", 2024, "cfe_hourly") in flags(judged)


def test_without_googles_files_nothing_is_compared_and_that_is_said() -> None:
    judged = verdict([gsf(row(2024, "gcp", "a", cfe="0.9"))], gcp_a="DE")
    assert flags(judged) == {("not_compared", "a", 2024, "cfe_hourly")}


def copies(changed: int, source: str = "gsf_real_time_cloud"):
    """Ten regions in two years, of which the first ones changed."""
    names = "abcdefghij"
    before = [row(2023, "aws", n, zone="DE", pue=f"1.{i}5") for i, n in enumerate(names)]
    after = [row(2024, "aws", n, zone="DE", pue=f"1.{i}{5 + (i < changed)}") for i, n in enumerate(names)]
    return verdict([gsf(*before, *after, source=source)], **{f"aws_{name}": "DE" for name in names})


def test_a_column_that_repeats_the_year_before_is_refused_where_it_does() -> None:
    assert copies(0).reasons() == {"stale_copy": 10}
    assert copies(1).reasons() == {"stale_copy": 9}
    assert not copies(2).refused
    assert not copies(0, ESTIMATE_SOURCE).refused


def test_a_zone_with_two_values_in_a_year_is_refused() -> None:
    rows = (
        row(2024, "aws", "a", zone="US-MIDA-PJM", grid="396.25"),
        row(2024, "gcp", "b", zone="US-MIDA-PJM", grid="323.05"),
        row(2023, "gcp", "b", zone="US-MIDA-PJM", grid="396.25"),
        row(2024, "aws", "c", zone="DE", grid="371"),
    )
    judged = verdict([gsf(*rows)], aws_a="US-MIDA-PJM", gcp_b="US-MIDA-PJM", aws_c="DE")
    assert refused(judged) == {
        ("zone_year_conflict", "a", 2024, "intensity_location_grid"),
        ("zone_year_conflict", "b", 2024, "intensity_location_grid"),
    }


def test_the_basis_break_is_flagged_in_its_first_year_only_and_is_no_large_change() -> None:
    readings = [google(year, "a,A,0.5,400" if year <= 2020 else "a,A,0.5,200") for year in (2019, 2020, 2021, 2022)]
    judged = verdict(readings, gcp_a="DE")
    assert flags(judged) == {("basis_break", "a", 2021, "intensity_location")}
    assert len(judged.taken) == 8


def test_a_large_change_is_flagged_and_lands() -> None:
    # 0.90 - 0.68 = 0.22 and 0.7 - 0.5 = 0.2 (0.19999999999999996 in floating point) are large, 0.9 - 0.71 is not;
    # 300 / 200 = 1.5 is large, 299 / 200 is not.
    readings = [
        google(2023, "a,A,0.90,200", "b,B,0.7,200", "c,C,0.9,300"),
        google(2024, "a,A,0.68,299", "b,B,0.5,300", "c,C,0.71,200"),
    ]
    judged = verdict(readings, gcp_a="DE", gcp_b="DE", gcp_c="DE")
    assert flags(judged) == {
        ("large_change", "a", 2024, "cfe_hourly"),
        ("large_change", "b", 2024, "cfe_hourly"),
        ("large_change", "b", 2024, "intensity_location"),
        ("large_change", "c", 2024, "intensity_location"),
    }
    assert not judged.refused


def test_what_is_refused_does_not_make_the_next_year_look_wrong() -> None:
    own = [google(2020, "a,A,,400"), google(2021, "a,A,0.5,200")]
    judged = verdict([*own, gsf(row(2020, "gcp", "a", cfe="0"), row(2021, "gcp", "a", cfe="0.5"))], gcp_a="DE")
    assert judged.reasons() == {"filled_blank": 1}
    assert not [flag for flag in flags(judged) if flag[0] == "large_change"]


def test_a_region_that_vanished_is_a_finding() -> None:
    judged = verdict([google(2023, "a,A,0.9,2", "b,B,0.9,2"), google(2024, "a,A,0.9,2")], gcp_a="DE", gcp_b="DE")
    assert [mark.detail for mark in judged.findings] == ["google_region_carbon: gcp b is in 2023 and not in 2024"]


def test_two_versions_of_a_table_are_not_judged_together() -> None:
    with pytest.raises(ValueError, match=r"google_region_carbon, year 2023: 2 publications"):
        verdict([google(2023, "a,A,0.9,2"), google(2023, "a,A,0.8,2")], gcp_a="DE")


def test_a_clean_table_lands_whole() -> None:
    rows = [row(year, "aws", "a", zone="DE", place="50,8", pue="1.2", grid=str(year)[-3:]) for year in (2022,)]
    judged = verdict([gsf(*rows)], aws_a="DE")
    assert (len(judged.taken), judged.refused, judged.findings) == (2, (), ())
    assert all(not figure.flags for _, figure in judged.taken)


def test_the_page_names_every_fault_with_its_severity() -> None:
    page = (Path(__file__).resolve().parents[5] / "docs" / "feeds" / "cloud.md").read_text(encoding="utf-8")
    stated = {}
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and cells[2] in {"quarantine", "flag", "count"}:
            stated |= dict.fromkeys(re.findall(r"`(\w+)`", cells[1]), cells[2])
    assert stated == {name: fault.severity.value for name, fault in FAULTS.items()}

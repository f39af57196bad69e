"""Cloud regions: which zone they have in which year, and which PUE and WUE they may show."""

from __future__ import annotations

import pytest

from models import factors, regions
from models.table import FactorDataError, rows
from models.zones import zones as all_zones

ZONE_HEAD = "provider,region,zone,other_zone,country,lat,lon,valid_from,valid_to,confidence,source_id,note\n"
PUE_HEAD = "provider,region,year,valid_from,valid_to,pue,wue_l_per_kwh,tier,source_id,note\n"
SOURCE = "gsf_real_time_cloud"


def zones(text: str, year: int | None = None) -> list[regions.RegionZone]:
    return regions.zones(rows("z.csv", ZONE_HEAD + text), [], year)


def figures(text: str) -> list[regions.YearFigure]:
    return regions.year_figures(rows("p.csv", PUE_HEAD + text), factors.sources())


def test_an_unknown_region_has_no_zone() -> None:
    known = {(entry.provider, entry.region) for entry in factors.region_zones()}
    assert ("azure", "asiapacific") not in known
    assert ("azure", "indiasouthcentral") not in known


def test_no_region_has_a_retired_zone_or_one_of_another_country() -> None:
    known = all_zones()
    for entry in factors.region_zones():
        for zone in (entry.zone, *entry.other_zones):
            assert not known[zone].is_retired, (entry.region, zone)
            assert known[zone].country == entry.country, (entry.region, zone)


def test_the_four_open_disagreements_carry_the_other_zone() -> None:
    open_ones = {(r.provider, r.region): (r.zone, r.other_zones) for r in factors.region_zones() if r.other_zones}
    assert open_ones == {
        ("aws", "us-west-2"): ("US-NW-BPAT", ("US-NW-PACW",)),
        ("gcp", "us-central1"): ("US-MIDW-MISO", ("US-CENT-SWPP",)),
        ("gcp", "us-west1"): ("US-NW-BPAT", ("US-NW-PACW",)),
        ("gcp", "us-east1"): ("US-CAR-SC", ("US-CAR-SCEG",)),
    }


def test_a_region_that_moved_has_the_zone_of_its_year() -> None:
    before = f"aws,x-1,DE,,DE,50,8,,2023-01-01,adjudicated,{SOURCE},\n"
    moved = before + f"aws,x-1,AT,,AT,48,16,2023-01-01,,adjudicated,{SOURCE},\n"
    assert [entry.zone for entry in zones(moved, 2022)] == ["DE"]
    assert [entry.zone for entry in zones(moved, 2023)] == ["AT"]
    assert [entry.zone for entry in zones(moved)] == ["AT"]


def test_a_region_with_two_zones_at_once_is_refused() -> None:
    twice = f"aws,x-1,DE,,DE,50,8,,,adjudicated,{SOURCE},\naws,x-1,AT,,AT,48,16,,,adjudicated,{SOURCE},\n"
    with pytest.raises(FactorDataError, match="two zones at once"):
        zones(twice)


def test_a_past_year_keeps_its_own_pue() -> None:
    held = factors.region_figures()
    # Singapore of AWS, as the table of the Green Software Foundation states it.
    by_year = {y: regions.figure_for(held, "pue", "aws", "ap-southeast-1", y) for y in (2022, 2024, 2030)}
    assert {y: (f.value, f.year) for y, f in by_year.items() if f} == {
        2022: (by_year[2022].value, 2022),
        2024: (1.32, 2024),
        2030: (1.32, 2024),
    }
    assert by_year[2022].value != by_year[2024].value


def test_of_two_equally_near_years_the_earlier_one_answers() -> None:
    held = figures(
        f"gcp,a,2020,2020-01-01,2021-01-01,1.1,,region,{SOURCE},\ngcp,a,2022,2022-01-01,2023-01-01,1.2,,region,{SOURCE},\n"
    )
    assert regions.figure_for(held, "pue", "gcp", "a", 2021).value == 1.1


def test_a_provider_average_never_answers_for_a_region() -> None:
    held = factors.region_figures()
    assert regions.figure_for(held, "pue", "aws", "ap-east-1", 2023) is None
    average = regions.figure_for(held, "pue", "aws", "*", 2023)
    assert (average.value, average.tier) == (1.15, "provider_average")
    assert all(entry.wue_l_per_kwh != 0.18 for entry in factors.region_zones() if entry.provider == "aws")


def test_azure_years_begin_in_july() -> None:
    azure = [figure for figure in factors.region_figures() if figure.provider == "azure"]
    assert {(f.year, f.valid_from, f.valid_to) for f in azure} == {
        (2022, "2021-07-01", "2022-07-01"),
        (2023, "2022-07-01", "2023-07-01"),
    }


def test_region_zones_of_a_year_shows_no_later_figure() -> None:
    shown = {(r.provider, r.region): r for r in factors.region_zones(2022)}
    assert shown["aws", "ap-southeast-1"].pue_year == 2022
    assert shown["aws", "ap-southeast-1"].wue_year is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (f"gcp,a,2020,2020-01-01,2021-01-01,0.9,,region,{SOURCE},", "column pue"),
        (f"gcp,a,2020,2020-01-01,2021-01-01,3.1,,region,{SOURCE},", "column pue"),
        (f"gcp,a,2020,2020-01-01,2021-01-01,,21,region,{SOURCE},", "column wue_l_per_kwh"),
        (f"gcp,a,2020,2020-01-01,2021-01-01,1.1,,provider_average,{SOURCE},", "go together"),
        (f"gcp,*,2020,2020-01-01,2021-01-01,1.1,,region,{SOURCE},", "go together"),
        (f"gcp,a,2020,2021-01-01,2021-01-01,1.1,,region,{SOURCE},", "a date after valid_from"),
        (f"gcp,a,2020,2020,2021-01-01,1.1,,region,{SOURCE},", "a date such as"),
        ("gcp,a,2020,2020-01-01,2021-01-01,1.1,,region,hearsay,", "not a source"),
    ],
)
def test_a_bad_figure_is_refused_with_its_place(line: str, complaint: str) -> None:
    with pytest.raises(FactorDataError, match=f"p.csv, line 2.*{complaint}|{complaint}"):
        figures(line + "\n")


def test_a_figure_that_stands_twice_is_refused() -> None:
    line = f"gcp,a,2020,2020-01-01,2021-01-01,1.1,,region,{SOURCE},\n"
    with pytest.raises(FactorDataError, match="stands twice"):
        figures(line + line)

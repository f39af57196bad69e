"""Reading of published tables: what a cell means, and what is refused by name before any comparison."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.feeds.cloud.google_regions import SOURCE, GoogleRegions
from pipelines.feeds.cloud.gsf_table import ESTIMATE_SOURCE, GsfTable
from pipelines.feeds.cloud.publication import Publication
from pipelines.feeds.feed import FeedError
from tests.support.cloud_tables import COLUMNS, FETCHED_MS, google, gsf, gsf_text, row


def publication(text: str | bytes, year: int | None = None) -> Publication:
    body = text if isinstance(text, bytes) else text.encode()
    return Publication(SOURCE if year else "gsf_real_time_cloud", "t.csv", body, FETCHED_MS, year)


def test_a_google_row_gives_share_and_intensity_with_the_basis_of_its_year() -> None:
    for year, basis in ((2020, "lifecycle"), (2021, "operational")):
        share, intensity = google(year, "europe-west1,Belgium,0.84,103.37").figures
        assert (share.metric, share.value, share.unit, share.basis) == ("cfe_hourly", 0.84, "fraction", None)
        assert (intensity.metric, intensity.value, intensity.basis) == ("intensity_location", 103.37, basis)
        assert intensity.interval_ms == (
            int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000),
            int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp() * 1000),
        )


def test_a_blank_share_is_no_figure_and_counted() -> None:
    reading = google(2019, "asia-east2,Hong Kong,,506", "x,Y,NA,5")
    assert [figure.metric for figure in reading.figures] == ["intensity_location"] * 2
    assert reading.missing == {"cfe_hourly": 2}
    assert not reading.marks


@pytest.mark.parametrize(
    "head",
    [
        "Google Cloud Region,Location,Google CFE,Net carbon intensity (gCO2eq / kWh)",
        "Google Cloud Region,Location,Google CFE",
        "Region,Location,Google CFE,Grid carbon intensity (gCO2eq / kWh)",
        "Google Cloud Region,Location,Google CFE,Grid carbon intensity (gCO2eq / kWh),Net emissions",
    ],
)
def test_an_unknown_header_refuses_the_whole_table(head: str) -> None:
    cells = ",".join(["a", "b", "0.1", "2", "3"][: head.count(",") + 1])
    reading = GoogleRegions().parse(publication(f"{head}\n{cells}\n", 2024))
    assert [mark.name for mark in reading.marks] == ["unknown_header"]
    assert not reading.figures


def test_a_life_cycle_header_on_an_operational_year_is_refused() -> None:
    reading = google(2022, "a,b,0.1,200", basis="lifecycle")
    assert [mark.name for mark in reading.marks] == ["unknown_header"]
    assert "must be operational" in reading.marks[0].detail


def test_a_column_of_the_table_that_is_new_or_missing_refuses_it() -> None:
    added = gsf_text(row(2023, "aws", "a", pue="1.2"), head=(*COLUMNS, "scope-4"))
    lacking = gsf_text(row(2023, "aws", "a"), head=COLUMNS[:7] + COLUMNS[8:])
    for text, word in ((added, "scope-4"), (lacking, "geolocation")):
        reading = GsfTable().parse(publication(text))
        assert [mark.name for mark in reading.marks] == ["unknown_header"]
        assert word in reading.marks[0].detail
        assert not reading.figures


def test_an_unnamed_column_is_left_out_only_while_it_is_empty() -> None:
    head = (*COLUMNS[:-1], "Unnamed: 23", COLUMNS[-1])
    reading = GsfTable().parse(publication(gsf_text(row(2023, "aws", "a", pue="1.2"), head=head)))
    assert [mark.name for mark in reading.marks] == ["unnamed_column"]
    assert [figure.value for figure in reading.figures] == [1.2]
    filled = {**row(2023, "aws", "a", pue="1.2"), "Unnamed: 23": "7"}
    reading = GsfTable().parse(publication(gsf_text(filled, head=head)))
    assert [mark.name for mark in reading.marks] == ["unknown_header"]


def test_a_byte_order_mark_and_outer_blanks_change_nothing() -> None:
    plain = gsf_text(row(2023, "aws", "a", pue="1.2", place="50,8", zone="DE"))
    spaced = gsf_text(row(2023, "aws", " a ", pue=" 1.2 ", place="50,8 ", zone=" DE"))
    bom = b"\xef\xbb\xbf" + spaced.encode().replace(b"\n", b"\r\n")
    assert GsfTable().parse(publication(plain)).figures == GsfTable().parse(publication(bom)).figures


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("1,2", "decimal_comma"),
        ("1.2.3", "unparseable_number"),
        ("inf", "unparseable_number"),
        ("1_2", "unparseable_number"),
    ],
)
def test_a_number_that_is_none_is_refused_by_name_alone(cell: str, name: str) -> None:
    reading = gsf(row(2023, "aws", "a", pue=cell, wue="0.2"))
    assert [(mark.name, mark.line) for mark in reading.marks] == [(name, 2)]
    assert [figure.metric for figure in reading.figures] == ["wue"]


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "NaN", " "])
def test_what_is_not_available_is_counted_and_never_zero(cell: str) -> None:
    reading = gsf(row(2023, "aws", "a", pue=cell))
    assert not reading.figures
    assert not reading.marks
    assert reading.missing["pue"] == 1


def test_an_unknown_provider_and_a_bad_year_refuse_their_row_alone() -> None:
    rows = (row(2023, "Oracle Cloud", "x", pue="1.3"), row(23, "aws", "a", pue="1.2"), row(2023, "aws", "a", pue="1.1"))
    reading = gsf(*rows)
    assert [(mark.name, mark.line) for mark in reading.marks] == [("unknown_provider", 2), ("bad_year", 3)]
    assert [figure.value for figure in reading.figures] == [1.1]


def test_a_torn_row_is_refused_alone() -> None:
    text = gsf_text(row(2023, "aws", "a", pue="1.2")) + "2023,Amazon Web Services,b\n"
    reading = GsfTable().parse(publication(text))
    assert [(mark.name, mark.line) for mark in reading.marks] == [("torn_row", 3)]
    assert len(reading.figures) == 1


def test_grid_figures_and_the_providers_own_have_sources_of_their_own() -> None:
    reading = gsf(row(2023, "gcp", "a", own="345", grid="371.5", market="0", cfe="0.9"))
    assert {(f.source, f.metric, f.value, f.basis) for f in reading.figures} == {
        ("gsf_real_time_cloud", "intensity_location", 345.0, "operational"),
        ("gsf_real_time_cloud_grid", "intensity_location", 371.5, None),
        ("gsf_real_time_cloud", "intensity_market", 0.0, None),
        ("gsf_real_time_cloud", "cfe_hourly", 0.9, None),
    }


def test_the_pue_of_azure_belongs_to_the_fiscal_year_and_its_intensity_to_the_calendar_year() -> None:
    figures = {f.metric: f.interval_ms for f in gsf(row(2022, "azure", "a", pue="1.2", grid="300")).figures}
    start = int(datetime(2021, 7, 1, tzinfo=UTC).timestamp() * 1000)
    assert figures["pue"] == (start, int(datetime(2022, 7, 1, tzinfo=UTC).timestamp() * 1000))
    assert figures["intensity_location"][0] == int(datetime(2022, 1, 1, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    "body",
    [b"", b"\n \n", b"<!DOCTYPE html><html>", b'{"message":"Not Found"}', b"\xff\xfe\x00a", b"a\0b", b"a" * 200_000],
)
@pytest.mark.parametrize("source", [GoogleRegions(), GsfTable()])
def test_what_is_no_table_gives_one_reason(source: GoogleRegions | GsfTable, body: bytes) -> None:
    with pytest.raises(FeedError) as caught:
        source.parse(Publication("s", "t.csv", body, FETCHED_MS, 2024))
    assert caught.value.reason == "not_the_format"


@given(st.binary(max_size=300), st.sampled_from([GoogleRegions(), GsfTable()]))
def test_no_bytes_make_a_reader_fail_otherwise(body: bytes, source: GoogleRegions | GsfTable) -> None:
    reason = "not_the_format"
    try:
        reading = source.parse(Publication("s", "t.csv", body, FETCHED_MS, 2024))
    except FeedError as error:
        reason = error.reason
    else:
        assert not reading.figures
    assert reason == "not_the_format"


def test_a_dropped_file_says_year_and_kind_by_its_name_and_its_time_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "gcp_region_carbon_2024.csv"
    path.write_text("x", encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    read = GoogleRegions().read(path)
    assert (read.year, read.fetched_ms, read.version, read.published) == (2024, 1_700_000_000_000, None, "unknown")
    other = path.rename(tmp_path / "regions.csv")
    with pytest.raises(FeedError, match=r"must end in its year"):
        GoogleRegions().read(other)
    estimate = other.rename(tmp_path / "gsf_cloud_region_metadata_estimate.csv")
    assert GsfTable().read(estimate).source == ESTIMATE_SOURCE

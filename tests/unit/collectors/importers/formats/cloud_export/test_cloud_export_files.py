"""Files of carbon exports: every shape of a table, and what is no export of emissions."""

from __future__ import annotations

import io
import json
import math
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.importers.errors import RefusedError, SourceError
from collectors.importers.formats import load
from collectors.importers.formats.cloud_export.shapes import SHAPES, Cells
from tests.support.cloud_exports import AWS, column, csv_of, import_export

DOCS = Path(__file__).resolve().parents[6] / "docs" / "importers" / "cloud-export.md"


def test_csv_parquet_and_json_of_the_same_table_give_the_same_rows(tmp_path: Path) -> None:
    typed = AWS | {
        "total_lbm_emissions_value": 0.1234567,
        "total_mbm_emissions_value": 0.05,
        "usage_period_start": datetime(2024, 5, 1, tzinfo=UTC).replace(tzinfo=None),
        "usage_period_end": datetime(2024, 6, 1, tzinfo=UTC).replace(tzinfo=None),
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: [value] for name, value in typed.items()}), buffer)
    expected, _ = import_export(tmp_path, csv_of(AWS), "aws.csv")
    assert import_export(tmp_path, buffer.getvalue(), "aws.parquet")[0] == expected
    assert import_export(tmp_path, json.dumps([AWS]), "aws.json")[0] == expected
    assert import_export(tmp_path, json.dumps(AWS) + "\n" + json.dumps(AWS) + "\n", "aws.jsonl")[0] == expected


def test_a_file_that_is_no_known_export_is_told_what_each_export_lacks(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"export\.csv: is none of the known exports") as caught:
        import_export(tmp_path, "usage_month,carbon_model_version,kg\n2024-05-01,14,3\n", "export.csv")
    said = str(caught.value)
    assert "AWS Data Exports: lacks usage_period_start, usage_period_end, model_version" in said
    assert "Google Cloud Carbon Footprint: lacks carbon_footprint_" in said
    assert "It has carbon_model_version, kg, usage_month" in said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "line_item_usage_amount,line_item_usage_type\n5,BoxUsage\n",
            "it states no emissions, and none are made of it",
        ),
        ("usage_month,carbon_model_version\n", "has no rows"),
        ("", "is empty"),
        ("a,a\n1,2\n", "has two columns a"),
        ("[1, 2]", "holds '1' where a row belongs"),
        ('{"value": [', "is neither JSON nor JSON lines"),
        (b"PAR1 is not enough", "is no readable Parquet file"),
    ],
)
def test_what_is_no_export_of_emissions_is_refused(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        import_export(tmp_path, content, "export.csv")


def test_a_torn_line_costs_no_other(tmp_path: Path) -> None:
    rows, result = import_export(tmp_path, csv_of(AWS) + "2024-06-20,US\n", "aws.csv")
    assert (len(rows), result.rejected_by_reason) == (2, {"torn_row": 1})


@given(st.decimals(min_value=0, max_value=10**6, places=9))
def test_tonnes_become_kilograms_with_one_rounding(tonnes: Decimal) -> None:
    cells = Cells({"usage_account_id": "1", "x": str(tonnes)})
    assert cells.number("x", Decimal(1000)) == float(tonnes * 1000)


@given(st.text(max_size=12))
def test_any_text_is_a_number_or_is_refused(text: str) -> None:
    try:
        value = Cells({"x": text}).number("x")
    except RefusedError:
        value = 0.0
    assert math.isfinite(value)


def test_the_worked_example_of_the_page_works_and_every_export_is_on_it(tmp_path: Path) -> None:
    page = DOCS.read_text(encoding="utf-8")
    content = re.search(r"<!-- example: aws.csv -->\n```\n(.*?)```", page, re.S)
    said = re.search(r"read (\d+) rows, filtered (\d+), landed (\d+), rejected (\d+)", page)
    assert content
    assert said
    rows, result = import_export(tmp_path, content[1], "aws.csv")
    counts = (result.rows_read, result.rows_filtered, result.rows_landed, result.rows_rejected)
    assert counts == tuple(map(int, said.groups()))
    assert column(rows, "method", "value") == [("location_based", 123.4567), ("market_based", 50.0)]
    assert all(shape.name in page for shape in SHAPES)
    assert all(f"`--{option.name.replace('_', '-')}" in page for option in load("cloud-export").options)

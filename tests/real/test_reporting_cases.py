"""Every published reporting case of the shared table: reproduced by our functions, or listed with the reason."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from models.products.case_page import NOT_HERE, PRINT_REFUTED, Case, cases
from models.products.cases import ANSWERS, answer

pytestmark = pytest.mark.real
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "reporting" / "cases.csv"
OURS = {one.case_id: one for one in cases()}


def read(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            row | {"inputs": json.loads(row["inputs_json"]), "expected": json.loads(row["expected"])}
            for row in csv.DictReader(file)
        ]


ALL = read(SHARED) if SHARED.is_file() else []


def figures(expected: float | list[float]) -> tuple[float, ...]:
    return tuple(expected) if isinstance(expected, list) else (expected,)


@pytest.mark.parametrize("row", ALL, ids=lambda row: row["case_id"])
def test_each_case_is_reproduced_or_listed(row: dict[str, Any]) -> None:
    case_id = row["case_id"]
    if OURS[case_id].verdict == NOT_HERE:
        assert case_id not in ANSWERS
        assert OURS[case_id].arithmetic, "a case that is left out says why"
    else:
        got = answer(case_id, row["inputs"])
        assert got == pytest.approx(figures(row["expected"]), rel=float(row["rel_tol"]), abs=0)


def test_no_case_is_passed_over(shared_data: Path) -> None:
    found = read(shared_data / "reporting" / "cases.csv")
    assert len(found) == 29
    assert [row["case_id"] for row in found] == [row["case_id"] for row in ALL], "each case is a test of its own"
    assert {row["case_id"] for row in found} == set(OURS)
    assert {case_id for case_id, one in OURS.items() if one.verdict == NOT_HERE} == {"S27", "S28"}


@pytest.mark.parametrize("row", ALL, ids=lambda row: row["case_id"])
def test_our_table_states_the_case_as_it_is(row: dict[str, Any]) -> None:
    one: Case = OURS[row["case_id"]]
    assert (one.inputs, one.published, one.unit) == (row["inputs"], figures(row["expected"]), row["unit"])
    assert one.rel_tol == float(row["rel_tol"])


def test_the_print_of_the_sci_example_is_a_thousandth_of_what_its_inputs_give() -> None:
    row = next(row for row in ALL if row["case_id"] == "S20")
    per_1k_g = answer("S20", row["inputs"])[0]
    assert OURS["S20"].verdict == PRINT_REFUTED
    assert "0.13 g/million" in row["published_as"]
    assert per_1k_g * 1_000 / 0.13 == pytest.approx(1_000), "130 g per million, where 0.13 is printed"


def test_a_left_out_measurement_does_not_contradict_its_limits() -> None:
    # S27: energy 0.863 at time 1.068 is 0.808 of the mean power; the limit went to 150 / 250 = 0.60 and binds in part.
    row = next(row for row in ALL if row["case_id"] == "S27")
    energy, time = figures(row["expected"])
    assert row["inputs"]["cap_w"] / row["inputs"]["base_w"] < (1 + energy) / (1 + time) < 1

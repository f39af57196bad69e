"""The emissions file of CodeCarbon 3.3.2: 6 runs, with the totals that the tool states, however the file is cut."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from collectors.importers.run import import_format
from tests.support.emissions_csv import FORMAT, MJ_PER_KWH, Rows, counted_mj, read, union

pytestmark = pytest.mark.real

OPTIONS = {"zone": "UTC"}
LINES = 9


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "codecarbon"


@pytest.fixture(scope="module")
def lines(folder: Path) -> list[str]:
    """Return the file line by line, the header first."""
    found = (folder / "emissions_v3.3.2.csv").read_text(encoding="utf-8").splitlines()
    assert len(found) == 1 + LINES
    return found


def joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def stated(rows: Rows, quantity: str) -> float:
    """Return the sum over runs of the largest figure that each states; a run's lines are cumulative."""
    largest: dict[str, float] = {}
    for row in rows["stated_figure"]:
        if row["quantity"] == quantity:
            largest[row["subject"]] = max(row["value"], largest.get(row["subject"], 0.0))
    assert len(largest) == 6
    return math.fsum(largest.values())


def test_six_runs_with_the_totals_that_the_tool_states(folder: Path, tmp_path: Path) -> None:
    result = import_format(FORMAT, folder / "emissions_v3.3.2.csv", tmp_path, OPTIONS)
    assert (result.rows_read, result.rows_rejected, result.rows_filtered) == (LINES, 0, 0)
    figures = {(figure.subject, figure.unit): figure.value for figure in result.figures[:2]}
    assert {name: f"{value:.5e}" for name, value in figures.items()} == {
        ("6 runs", "kgCO2e"): "3.81158e-05",
        ("6 runs", "kWh"): "2.05496e-04",
    }
    assert result.landed_by_table["job_device"] == 6


def test_every_cut_and_the_reverse_order_give_the_same_rows(lines: list[str], tmp_path: Path) -> None:
    header, *rows = lines
    whole = union(read(tmp_path, joined(lines)))
    assert f"{stated(whole, 'emissions'):.5e}" == "3.81158e-05"
    assert f"{stated(whole, 'energy'):.5e}" == "2.05496e-04"
    for cut in range(1, LINES):
        parts = [read(tmp_path, joined([header, *rows[:cut]])), read(tmp_path, joined([header, *rows[cut:]]))]
        assert union(*parts) == whole
        assert union(*reversed(parts)) == whole
    assert union(read(tmp_path, joined([header, *reversed(rows)]))) == whole
    assert union(*(read(tmp_path, joined([header, row])) for row in rows)) == whole


def test_what_counts_is_the_last_state_of_each_run_without_overhead(lines: list[str], tmp_path: Path) -> None:
    """5 runs state no overhead; that of ``rf-pue-process`` is 1.15. 12 counters are rounded to a millijoule each."""
    rows = union(read(tmp_path, joined(lines)))
    overhead_kwh = 1.5385819744974896e-5 * (1 - 1 / 1.15)
    expected_mj = (stated(rows, "energy") - overhead_kwh) * MJ_PER_KWH
    landed_mj = sum(counted_mj(rows).values())
    assert abs(landed_mj - expected_mj) <= 12 * 0.5
    assert landed_mj == 732_561
    naive_mj = sum(row["value"] for row in rows["stated_figure"] if row["quantity"] == "energy") * MJ_PER_KWH
    assert naive_mj > 1.2 * expected_mj  # what adding up the lines would give


def test_tasks_sum_to_their_run(folder: Path, tmp_path: Path) -> None:
    result = import_format(FORMAT, folder, tmp_path, OPTIONS)
    assert result.rows_read == LINES + 3
    assert not any("tasks (" in said or "has 3 tasks" in said for said in result.findings)
    assert sum("last task" in said for said in result.findings) == 1

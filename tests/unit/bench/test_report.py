"""The page of results says met where a goal is met, missed where it is missed, and never more than was measured."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench import report
from bench.goals import GOALS, Goal
from bench.report import Machine, Results
from bench.tables import Section, Table

FULL = Machine("2026-01-01", "full", 0.1, 2, "a processor", 24.0, {"duckdb": "1"})
SHORT = dataclasses.replace(FULL, date="2026-02-02", form="short")
MOST = Goal("most", "kernel", "what is small", "at most", 1.5)
LEAST = Goal("least", "kernel", "what is large", "at least", 20.0)
FEW = Goal("few", "kernel", "a part", "at most", 0.02, "%")


@pytest.fixture(autouse=True)
def goals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "GOALS", (MOST, LEAST, FEW))


def section(figures: dict[str, float], title: str = "Title") -> Section:
    tables, profile = (Table(name, ("a", "b"), [("1", "2")]) for name in ("Measured", "Profile"))
    return Section("kernel", title, ["A note."], [tables], figures, [profile])


def cells(results: Results) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in report.goal_table(results).rows}


@pytest.mark.parametrize(
    ("goal", "value", "verdict"),
    [
        (MOST, 1.5, "met"),
        (MOST, 1.5001, "**missed**"),
        (MOST, float("nan"), "**missed**"),
        (LEAST, 20.0, "met"),
        (LEAST, 19.9, "**missed**"),
        (LEAST, float("nan"), "**missed**"),
    ],
)
def test_a_figure_at_its_limit_meets_the_goal_and_one_beyond_misses_it(goal: Goal, value: float, verdict: str) -> None:
    assert report.verdict(goal, value) == verdict


def test_every_goal_stands_beside_its_figure_and_its_run() -> None:
    results = Results()
    results.add(section({"most": 1.62, "few": 0.015}), FULL)
    assert cells(results) == {
        "what is small": ("<= 1.5x", "1.62x", "**missed**", "2026-01-01, full"),
        "what is large": (">= 20x", "not measured", "", ""),
        "a part": ("<= 2 %", "1.5 %", "met", "2026-01-01, full"),
    }


def test_a_short_run_keeps_what_it_does_not_measure_with_its_date(tmp_path: Path) -> None:
    first = Results()
    first.add(section({"most": 1.0, "least": 30.0}, "From the full run"), FULL)
    report.write(first, tmp_path)
    again = report.read(tmp_path)
    again.add(section({"most": 9.0}, "From the short run"), SHORT)
    report.write(again, tmp_path)
    kept = cells(report.read(tmp_path))
    assert kept["what is small"][1:] == ("9x", "**missed**", "2026-02-02, short")
    assert kept["what is large"][1:] == ("30x", "met", "2026-01-01, full")
    assert "From the full run" in (tmp_path / "RESULTS.md").read_text()


def test_the_same_results_give_the_same_page_after_being_kept(tmp_path: Path) -> None:
    results = Results()
    results.add(section({"most": 1.0}), FULL)
    report.write(results, tmp_path)
    assert report.page(report.read(tmp_path)) == report.page(results) == (tmp_path / "RESULTS.md").read_text()


def test_profiles_are_shown_only_where_a_goal_is_missed() -> None:
    for value, shown in ((1.0, False), (2.0, True)):
        results = Results()
        results.add(section({"most": value}), FULL)
        assert ("**Profile**" in report.page(results)) is shown


def test_a_busy_machine_is_told() -> None:
    for load, told in ((0.5, False), (0.51, True)):
        results = Results()
        results.add(section({"most": 1.0}), dataclasses.replace(FULL, load=load))
        assert ("was busy" in report.page(results)) is told
        assert cells(results)["what is small"][-1].endswith("busy machine") is told


def test_every_goal_belongs_to_a_benchmark_and_its_figure_is_told_once() -> None:
    assert {goal.section for goal in GOALS} <= set(report._ORDER)
    assert len({goal.figure for goal in GOALS}) == len(GOALS)
    root = Path(report.__file__).parent
    for goal in GOALS:
        stem = goal.figure.removesuffix("_unwrapped").removesuffix("_wraps").replace("_unwrapped_mb", "")
        stem = stem.removesuffix("_wraps_mb")
        assert stem in (root / f"{goal.section}.py").read_text(), goal.figure

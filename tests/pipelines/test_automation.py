"""The policy: which runs are asked for in which state of the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from pipelines.automation import DAYS_A_RUN, RETRY_S, RUNS_A_LOOK, LedgerState, next_requests
from pipelines.partitions import day_ranges, landed_partition, month_ranges

NOW_S = 1_800_000_000.0


def days_between(first: str, last: str) -> list[str]:
    """All days from the first to the last, both included."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [(start + timedelta(days=step)).isoformat() for step in range((end - start).days + 1)]


CLEAN = LedgerState(computed="c", ledger="l", published_computed="c", published_ledger="l")


def asked(state: LedgerState, now_s: float = NOW_S) -> list[tuple[str, str | None, str | None]]:
    return [(one.job, one.first, one.last) for one in next_requests(state, now_s)]


def keys(state: LedgerState, now_s: float = NOW_S) -> list[str]:
    return [one.run_key for one in next_requests(state, now_s)]


def test_nothing_to_do_asks_for_nothing() -> None:
    assert asked(CLEAN) == []
    assert asked(LedgerState()) == []


def test_exactly_the_pending_days_are_asked_for_however_late() -> None:
    state = replace(CLEAN, pending={"2019-02-28": "a", "2025-03-03": "b", "2025-03-04": "c"})
    assert asked(state) == [
        ("compute_days", "2019-02-28", "2019-02-28"),
        ("compute_days", "2025-03-03", "2025-03-04"),
    ]


def test_days_that_have_not_begun_wait() -> None:
    assert asked(replace(CLEAN, pending={"2099-01-01": "a", "2099-01": "b"})) == []


def test_months_go_before_further_days_and_before_publication() -> None:
    state = replace(CLEAN, computed="new", pending={"2025-03-05": "a", "2025-03": "b", "2025-05": "c"})
    assert asked(state) == [
        ("compute_months", "2025-03-01", "2025-03-01"),
        ("compute_months", "2025-05-01", "2025-05-01"),
    ]


def test_what_was_computed_is_published_before_further_days() -> None:
    state = replace(CLEAN, computed="new", pending={"2025-03-05": "a"})
    assert asked(state) == [("publish", None, None)]
    assert asked(replace(CLEAN, pending={"*": "a"})) == [("publish", None, None)]


def test_a_recalculation_computes_its_days_before_the_tables_of_all_time() -> None:
    state = replace(CLEAN, pending={"*": "a", "2025-03-05": "a"})
    assert asked(state) == [("compute_days", "2025-03-05", "2025-03-05")]


def test_ledgers_alone_are_published_when_no_day_is_to_do() -> None:
    state = replace(CLEAN, ledger="new")
    assert asked(state) == [("publish", None, None)]
    assert asked(replace(state, pending={"2025-03-05": "a"})) == [("compute_days", "2025-03-05", "2025-03-05")]


def test_a_blocking_finding_of_a_day_holds_months_and_publication_but_not_days() -> None:
    state = replace(CLEAN, computed="new", blocked=1, blocked_days=1, pending={"2025-03": "b"})
    assert asked(state) == []
    assert asked(replace(state, pending={"2025-03": "b", "2025-03-05": "a"})) == [
        ("compute_days", "2025-03-05", "2025-03-05")
    ]


def test_a_blocking_finding_of_a_month_holds_publication_but_not_the_month_that_heals_it() -> None:
    state = replace(CLEAN, computed="new", blocked=1)
    assert asked(state) == []
    assert asked(replace(state, pending={"2025-03": "b"})) == [("compute_months", "2025-03-01", "2025-03-01")]


def test_another_configuration_is_noted_before_anything_else() -> None:
    assert asked(replace(CLEAN, outdated=3, pending={"2025-03": "b"})) == [("ingest", None, None)]


def test_the_same_work_is_asked_for_once_an_hour_and_new_work_at_once() -> None:
    state = replace(CLEAN, pending={"2025-03-03": "a"})
    begin = NOW_S - NOW_S % RETRY_S
    assert keys(state, begin) == keys(state, begin + RETRY_S - 1)
    assert keys(state, begin) != keys(state, begin + RETRY_S)
    assert keys(state, begin) != keys(replace(state, pending={"2025-03-03": "b"}), begin)


def test_a_year_at_once_is_a_run_a_month_and_bounded_a_look() -> None:
    year = replace(CLEAN, pending=dict.fromkeys(days_between("2024-01-01", "2024-12-31"), "a"))
    requests = next_requests(year, NOW_S)
    assert len(requests) == 12
    assert all(request.job == "compute_days" for request in requests)
    scattered = replace(CLEAN, pending=dict.fromkeys(days_between("2024-01-01", "2024-12-31")[::2], "a"))
    assert len(next_requests(scattered, NOW_S)) == RUNS_A_LOOK


def test_ranges_cover_exactly_the_days() -> None:
    days = [*days_between("2024-02-20", "2024-04-10"), "2024-05-01"]
    ranges = day_ranges(reversed(days), DAYS_A_RUN)
    assert [day for first, last in ranges for day in days_between(first, last)] == days
    assert all(len(days_between(first, last)) <= DAYS_A_RUN for first, last in ranges)
    assert month_ranges(["2024-12", "2025-01", "2025-03"]) == [("2024-12", "2025-01"), ("2025-03", "2025-03")]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("power_sample/date=2025-03-03/hour=11/a.parquet", ("raw.sample_hour", "2025-03-03-11:00")),
        ("job_event/date=2025-03-03/hour=11/a.parquet", ("raw.job_event", "2025-03-03")),
        ("power_sample/date=2019-12-31/hour=11/a.parquet", None),
        ("released/a.parquet", None),
    ],
)
def test_a_landed_file_belongs_to_a_partition(path: str, expected: tuple[str, str] | None) -> None:
    assert landed_partition(path) == expected

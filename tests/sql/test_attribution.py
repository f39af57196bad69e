"""How energy reaches a job: lives that make no sense, shares, parts of a GPU, reservations, policies, midnight."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import attribution
from tests.support.attribution import END_MS, MS_PER_HOUR, START_MS, Row, segment
from warehouse.config import Config, Landing, Organisation
from warehouse.lake import Lake, open_lake

PAGE = Path(__file__).resolve().parents[2] / "docs" / "attribution.md"
HOUR_MS = START_MS + 10 * MS_PER_HOUR
MINUTE = 60_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("home")
    config = Config(organisation=Organisation(name="Test"), landing=Landing(path="landing"), home=home)
    with open_lake(config) as opened:
        yield opened


def life(job_id: str, start_ms: int, end_ms: int | None, *, phase: str = "training", **more: Any) -> list[Row]:
    base = {"job_id": job_id, "attempt": 1, "phase": phase, **more}
    found = [{**base, "ts_ms": start_ms, "event": "started"}]
    return found if end_ms is None else [*found, {**base, "ts_ms": end_ms, "event": "ended", "state": "completed"}]


def held(job_id: str, device: str, start_ms: int, end_ms: int | None, share: float | None = None, **more: Any) -> Row:
    return {
        "job_id": job_id, "attempt": 1, "host": "a", "device": device, "start_ms": start_ms, "end_ms": end_ms,
        "share_fraction": share, **more,
    }  # fmt: skip


def minutes(device: str, watts: float, start: int, end: int, cuts: tuple[int, ...] = (), **more: Any) -> list[Row]:
    """Segments of constant power between two minutes of the hour, cut at slots and at the given minutes."""
    kind = "cpu" if device.startswith("cpu") else "gpu"
    edges = sorted({start, end, *(at for at in (*cuts, *range(0, 120, 5)) if start < at < end)})
    at = [HOUR_MS + minute * MINUTE for minute in edges]
    return [segment(a, b, watts * (b - a) / 1000, device=device, kind=kind, **more) for a, b in itertools.pairwise(at)]


def given(
    lake: Lake, events: list[Row], reservations: list[Row], *segments: list[Row], idle: str = "visible"
) -> dict[Any, Any]:
    """Joules by job (or allocation and basis) and device."""
    attribution.put_jobs(lake, events, reservations)
    attribution.put_segments(lake, [row for rows in segments for row in rows])
    attribution.compute(lake, idle=idle)
    sql = "select coalesce(job_id, allocation), basis, device, exact_sum(energy_j) from core.job_energy group by all"
    return {row[:3]: pytest.approx(row[3], rel=1e-12, abs=1e-12) for row in lake.rows(sql)}


def holds(lake: Lake) -> list[tuple[Any, ...]]:
    sql = f"""
        select job_id, basis, device, (start_ms - {HOUR_MS}) / {MINUTE}, (end_ms - {HOUR_MS}) / {MINUTE}, share_fraction
        from core.job_hold order by all
    """
    return lake.rows(sql)


# --- what a job holds ---


def at(minute: float) -> int:
    return HOUR_MS + int(minute * MINUTE)


def test_a_reservation_is_held_in_the_phases_of_its_job_and_reserved_around_them(lake: Lake) -> None:
    attribution.put_jobs(lake, life("j", at(10), at(20)), [held("j", "gpu-0", at(5), at(30))])
    assert holds(lake) == [
        ("j", "held", "gpu-0", 10, 20, None),
        ("j", "reserved", "gpu-0", 5, 10, None),
        ("j", "reserved", "gpu-0", 20, 30, None),
    ]


def test_a_reservation_without_an_end_ends_with_its_job(lake: Lake) -> None:
    attribution.put_jobs(lake, life("j", at(10), at(20)), [held("j", "gpu-0", at(10), None)])
    assert holds(lake) == [("j", "held", "gpu-0", 10, 20, None)]


def test_a_reservation_that_lies_outside_of_its_job_is_only_reserved(lake: Lake) -> None:
    attribution.put_jobs(
        lake, life("j", at(10), at(20)), [held("j", "gpu-0", at(2), at(4)), held("j", "gpu-1", at(25), at(30))]
    )
    assert holds(lake) == [("j", "reserved", "gpu-0", 2, 4, None), ("j", "reserved", "gpu-1", 25, 30, None)]


@pytest.mark.parametrize("end", [10, 9, -500])
def test_a_job_that_ends_at_or_before_its_start_holds_nothing_and_harms_nobody(lake: Lake, end: int) -> None:
    events = [*life("bad", at(10), at(end)), *life("good", at(0), at(20))]
    found = given(
        lake, events, [held(name, "gpu-0", at(0), at(20)) for name in ("bad", "good")], minutes("gpu-0", 100, 0, 20)
    )
    assert found == {("good", "held", "gpu-0"): 120_000}
    assert {row[0] for row in holds(lake)} == {"good"}
    assert lake.value("select count(*) from core.job_phase where end_ms <= start_ms") == 0
    assert lake.value("select count(*) from core.job") == 2


@pytest.mark.parametrize("end", [5, 4])
def test_a_reservation_that_ends_at_or_before_its_start_is_none(lake: Lake, end: int) -> None:
    rows = [held("j", "gpu-0", at(5), at(end)), held("j", "gpu-1", at(0), at(20))]
    attribution.put_jobs(lake, life("j", at(0), at(20)), rows)
    assert holds(lake) == [("j", "held", "gpu-1", 0, 20, None)]


def test_a_job_that_never_started_reserves_nothing(lake: Lake) -> None:
    event = {"job_id": "j", "attempt": 1, "ts_ms": at(0), "event": "submitted", "phase": "training"}
    attribution.put_jobs(lake, [event], [held("j", "gpu-0", at(0), at(20))])
    assert holds(lake) == []
    assert lake.rows("select first_ms, last_ms, start_ms from core.job") == [(at(0), at(20), None)]


def test_overlapping_reservations_of_a_job_count_once_with_the_largest_share(lake: Lake) -> None:
    events = [*life("j", at(0), at(20)), *life("k", at(0), at(20))]
    rows = [
        held("j", "gpu-0", at(0), at(20), 0.25),
        held("j", "gpu-0", at(5), at(10), 0.5),
        held("k", "gpu-0", at(0), at(20), 0.5),
    ]
    found = given(lake, events, rows, minutes("gpu-0", 100, 0, 20))
    assert found[("k", "held", "gpu-0")] == 60_000
    assert found[("j", "held", "gpu-0")] == 6000 * (0.25 * 15 + 0.5 * 5)
    assert holds(lake)[:3] == [
        ("j", "held", "gpu-0", 0, 5, 0.25),
        ("j", "held", "gpu-0", 5, 10, 0.5),
        ("j", "held", "gpu-0", 10, 20, 0.25),
    ]


def test_reservations_that_follow_one_another_are_one_hold(lake: Lake) -> None:
    rows = [held("j", "gpu-0", at(0), at(5)), held("j", "gpu-0", at(5), at(12)), held("j", "gpu-0", at(7), at(20))]
    attribution.put_jobs(lake, life("j", at(0), at(20)), rows)
    assert holds(lake) == [("j", "held", "gpu-0", 0, 20, None)]


def test_rows_of_days_outside_the_bounds_are_not_read(lake: Lake) -> None:
    attribution.put_jobs(lake, life("j", at(0), at(20)), [held("j", "gpu-0", at(0), at(20))])
    lake.connection.execute(
        "insert into lake.raw.job_event select * replace (day + 1 as day, 'other' as team) from lake.raw.job_event"
    )
    attribution.fill_jobs(lake.connection, "core.job", *2 * [lake.value("select min(day) from raw.job_event")])
    assert lake.value("select team from core.job") is None


# --- shares ---


def test_a_job_over_midnight_gets_its_part_of_each_day(lake: Lake) -> None:
    attribution.put_jobs(
        lake, life("j", END_MS - 5 * MINUTE, END_MS + 5 * MINUTE), [held("j", "gpu-0", END_MS - 10 * MINUTE, None)]
    )
    rows = [segment(END_MS + n * 5 * MINUTE, END_MS + (n + 1) * 5 * MINUTE, 1000.0 * (n + 3)) for n in (-2, -1, 0, 1)]
    attribution.put_segments(lake, rows)
    for day in ("2025-03-03", "2025-03-04"):
        attribution.compute(lake, day)
    sql = "select cast(day as varchar), basis, energy_j from core.job_energy order by all"
    found = [
        ("2025-03-03", "held", 2000.0),
        ("2025-03-03", "reserved", 1000.0),
        ("2025-03-04", "free", 4000.0),
        ("2025-03-04", "held", 3000.0),
    ]
    assert lake.rows(sql) == found
    lake.connection.execute("delete from lake.core.job_energy")
    lake.connection.execute("delete from lake.core.device_energy")


def test_a_hold_on_a_part_of_a_gpu_is_one_on_the_gpu(lake: Lake) -> None:
    parts = [row for n in (1, 2, 3) for row in minutes(f"mig-{n}", 50, 0, 5, parent="gpu-0")]
    events = [*life("j", at(0), at(5)), *life("k", at(0), at(5))]
    whole = minutes("gpu-0", 300, 0, 5)
    equal = given(
        lake,
        events,
        [held("j", "mig-1", at(0), at(5)), held("j", "mig-2", at(0), at(5)), held("k", "mig-3", at(0), at(5))],
        whole,
        parts,
    )
    assert equal == {("j", "held", "gpu-0"): 60_000, ("k", "held", "gpu-0"): 30_000}
    stated = given(
        lake, events, [held("j", "mig-1", at(0), at(5), 0.5), held("k", "mig-3", at(0), at(5), 0.25)], whole, parts
    )
    assert stated == {("j", "held", "gpu-0"): 45_000, ("k", "held", "gpu-0"): 22_500, ("idle", "free", "gpu-0"): 22_500}


def test_a_hold_on_a_gpu_is_one_on_the_parts_that_are_shown_in_its_place(lake: Lake) -> None:
    parts = [row for n in (1, 2) for row in minutes(f"mig-{n}", 50 * n, 0, 5, parent="gpu-0")]
    found = given(lake, life("j", at(0), at(5)), [held("j", "gpu-0", at(0), at(5))], parts)
    assert found == {("j", "held", "mig-1"): 15_000, ("j", "held", "mig-2"): 30_000}


def test_a_hold_on_the_node_is_one_on_all_that_is_in_it(lake: Lake) -> None:
    node = minutes("node", 1000, 0, 5)
    node = [row | {"kind": "node", "point": "ac"} for row in node]
    found = given(lake, life("j", at(0), at(5)), [held("j", "node", at(0), at(5))], node, minutes("gpu-0", 400, 0, 5))
    assert found == {("j", "held", "gpu-0"): 120_000, ("j", "held", "host_other"): 180_000}


def test_host_equipment_follows_what_is_held_of_the_leading_devices_however_they_are_shown(lake: Lake) -> None:
    parts = [row for n in (1, 2) for row in minutes(f"mig-{n}", 50 * n, 0, 5, parent="gpu-0")]
    found = given(
        lake, life("j", at(0), at(5)), [held("j", "mig-1", at(0), at(5), 0.5)],
        parts, minutes("gpu-1", 100, 0, 5), minutes("cpu-package-0", 80, 0, 5),
    )  # fmt: skip
    assert found[("j", "follows", "cpu-package-0")] == 80 * 300 * 0.5 / 2, "half of one of two GPUs"


def test_shares_that_fill_the_device_but_for_their_rounding_leave_nothing_idle(lake: Lake) -> None:
    names = ("j", "k", "l")
    events = [event for name in names for event in life(name, at(0), at(5))]
    found = given(
        lake, events, [held(name, "gpu-0", at(0), at(5), 0.3333333333) for name in names], minutes("gpu-0", 300, 0, 5)
    )
    assert found == {(name, "held", "gpu-0"): 30_000 for name in names}


# --- reservations and policies ---


def reserved_world() -> tuple[list[Row], list[Row], list[Row]]:
    """One job runs on half of GPU 0; another has reserved it and starts ten minutes later; GPU 1 is free."""
    events = [*life("runs", at(0), at(10)), *life("waits", at(10), at(15))]
    rows = [held("runs", "gpu-0", at(0), at(10), 0.5), held("waits", "gpu-0", at(0), at(15), 0.5)]
    return events, rows, [*minutes("gpu-0", 100, 0, 15), *minutes("gpu-1", 40, 0, 15)]


def test_idle_energy_of_a_reserved_device_is_told_from_that_of_a_free_one(lake: Lake) -> None:
    found = given(lake, *reserved_world())
    assert found == {
        ("runs", "held", "gpu-0"): 30_000,
        ("waits", "held", "gpu-0"): 15_000,
        ("idle", "reserved", "gpu-0"): 15_000,
        ("idle", "free", "gpu-0"): 30_000,
        ("idle", "free", "gpu-1"): 36_000,
    }


def test_the_holder_of_a_reservation_may_bear_its_idle_energy(lake: Lake) -> None:
    found = given(lake, *reserved_world(), idle="holder")
    assert found[("waits", "reserved", "gpu-0")] == 15_000
    assert ("idle", "reserved", "gpu-0") not in found
    assert found[("idle", "free", "gpu-0")] == 30_000


def test_idle_energy_may_be_spread_over_the_jobs_of_the_host_by_their_energy(lake: Lake) -> None:
    found = given(lake, *reserved_world(), idle="spread")
    assert found[("runs", "spread", "gpu-1")] == 36_000 * 30 / 45
    assert found[("waits", "spread", "gpu-0")] == 45_000 * 15 / 45
    assert not [key for key in found if key[0] == "idle"]
    sql = "select distinct covered_s from core.job_energy where basis = 'spread' and device = 'gpu-0'"
    assert lake.rows(sql) == [(900.0,)], (
        "a measured second is covered once, though part of it is reserved and part is free"
    )


def test_idle_energy_of_a_host_without_a_job_in_the_hour_stays_visible(lake: Lake) -> None:
    events, rows, segments = reserved_world()
    other = [row | {"host": "b"} for row in minutes("gpu-0", 10, 0, 5)]
    later = minutes("gpu-1", 20, 60, 65)
    given(lake, events, rows, segments, other, later, idle="spread")
    left = lake.rows(
        "select host, hour(hour_start), energy_j from core.job_energy where allocation = 'idle' order by all"
    )
    assert left == [("a", 11, 6000.0), ("b", 10, 3000.0)]


# --- the page ---


def test_the_worked_example_of_the_page_is_what_the_sql_gives(lake: Lake) -> None:
    table = [line.split("|")[1:-1] for line in PAGE.read_text().splitlines() if line.startswith("| example")]
    stated = {(row[1].strip(), row[2].strip(), row[3].strip()): [float(cell) for cell in row[4:7]] for row in table}
    events = [*life("train", at(0), at(60)), *life("eval", at(30), at(60))]
    rows = [held("train", "gpu-0", at(0), at(60)), held("eval", "gpu-1", at(15), at(60), 0.25)]
    node = [row | {"kind": "node", "point": "ac"} for row in minutes("node", 1000, 0, 60, (15, 30))]
    cpu = minutes("cpu-package-0", 100, 0, 60, (15, 30), point="package")
    segments = [*minutes("gpu-0", 400, 0, 60, (15, 30)), *minutes("gpu-1", 200, 0, 60, (15, 30)), *cpu, *node]
    found: dict[Any, list[float]] = {}
    for index, idle in enumerate(("visible", "holder", "spread")):
        for key, joules in given(lake, events, rows, segments, idle=idle).items():
            found.setdefault(key, [0.0, 0.0, 0.0])[index] = joules.expected / 3600
    assert found.keys() == stated.keys()
    for key, watt_hours in found.items():
        assert watt_hours == pytest.approx(stated[key], abs=0.005), key
    totals = [sum(row[policy] for row in stated.values()) for policy in range(3)]
    assert totals == pytest.approx([1000.0] * 3, abs=0.02), "nothing is lost in any policy"

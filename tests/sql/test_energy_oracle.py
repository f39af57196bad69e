"""The attribution SQL against a slow reference written another way: exact fractions, one segment at a time."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from tests.support import attribution
from tests.support.attribution import END_MS, MS_PER_HOUR, SLOT_MS, START_MS, Row, segment
from tests.support.reference_attribution import allocate, counted_rows
from warehouse.config import Config, Landing, Organisation
from warehouse.lake import Lake, open_lake
from warehouse.transform import ConservationError, check_conservation

POLICIES = ("visible", "holder", "spread")
STEP_MS = 50_000  # jobs begin and end on this grid, so that segments repeat
TEN_MS = START_MS + 10 * MS_PER_HOUR
BEGINNINGS = (TEN_MS - 2 * SLOT_MS, TEN_MS - 2 * SLOT_MS, START_MS, END_MS - 3 * SLOT_MS)
SLOTS = 5
TOLERANCE = 1e-12


# --- random worlds ---------------------------------------------------------------------------------------------------


class World:
    """Segments and jobs of two hosts around an hour's edge or a midnight; everything follows from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.start_ms = self.random.choice(BEGINNINGS)
        self.fleet = [device for host in ("a", "b") for device in self.host(host)]
        self.jobs = [self.job(number) for number in range(self.random.randrange(7))]
        self.segments = [row for host in ("a", "b") for row in self.host_segments(host)]

    def host(self, host: str) -> list[Row]:
        has = lambda chance: self.random.random() < chance  # noqa: E731 - short and local
        parent = "module-0" if has(0.2) else None
        fleet = [
            self.device(host, f"gpu-{index}", "gpu", "board", parent if index == 0 else None) for index in range(2)
        ]
        parts_n = self.random.choice([0, 0, 2, 3])
        fleet += [self.device(host, f"mig-{index}", "gpu", "board", "gpu-0") for index in range(parts_n)]
        if has(0.2):
            fleet.append(self.device(host, "ci-0", "gpu", "board", "mig-0"))
        if parent and has(0.5):
            fleet.append(self.device(host, parent, "accelerator", "board", "node"))
        fleet += [
            self.device(host, "cpu-package-0", "cpu", "package"),
            self.device(host, "cpu-package-1", "cpu", "package"),
        ]
        fleet.append(self.device(host, "dram-0", "dram", "board"))
        fleet.append(self.device(host, "switch-0", "switch", "ac"))
        fleet.append(self.device(host, "hall", "facility", "meter"))
        fleet += [self.device(host, "node", "node", point) for point in ("ac", "dc")]
        return [device for device in fleet if has(0.5)]

    def device(self, host: str, device: str, kind: str, point: str, parent: str | None = None) -> Row:
        return {"host": host, "device": device, "kind": kind, "point": point, "parent": parent}

    def at(self, low: int = -2, high: int = SLOTS * 6 + 2) -> int:
        return self.start_ms + self.random.randrange(low, high) * STEP_MS

    def job(self, number: int) -> Row:
        start, end = self.at(high=SLOTS * 3), self.at(low=SLOTS * 3)
        if self.random.random() < 0.1:
            start, end = end, start  # the end is stamped before the start
        names = ["*", "node", "nobody", *{device["device"] for device in self.fleet}]
        reservations = []
        for _ in range(self.random.randrange(1, 5)):
            begin = start - self.random.choice([0, 0, 1, 4]) * STEP_MS
            until = self.random.choice([None, end, end + 4 * STEP_MS, begin + 5 * STEP_MS, begin])
            share = self.random.choice([None, None, 0.25, 0.5, 0.75, 1.0, 0.333333333, 0.0])
            # Most jobs want the same few devices.
            held = self.random.choice("aab"), self.random.choice([*4 * ["gpu-0", "gpu-1", "mig-0"], *sorted(names)])
            reservations.append((*held, begin, until, share))
            if self.random.random() < 0.3:  # the same again, from later on
                reservations.append((*held, begin + 2 * STEP_MS, until, self.random.choice([None, 0.5])))
        # Of reservations with the same key the last landed counts; here there is only one.
        unique = {
            (host, device, begin): (host, device, begin, until, share)
            for host, device, begin, until, share in reservations
        }
        changes = [(self.at(), self.random.choice(["evaluation", "training"])) for _ in range(self.random.randrange(3))]
        return {
            "id": f"job-{number}",
            "start": start,
            "end": end,
            "phase": self.random.choice(["training", "inference"]),
            "changes": sorted(dict(changes).items()),
            "reservations": list(unique.values()),
        }

    def edges(self) -> set[int]:
        found = {self.start_ms + slot * SLOT_MS for slot in range(SLOTS + 1)}
        for job in self.jobs:
            found |= {job["start"], job["end"], *(at for at, _ in job["changes"])}
            found |= {at for _, _, start, end, _ in job["reservations"] for at in (start, end) if at is not None}
        return {at for at in found if self.start_ms <= at <= self.start_ms + SLOTS * SLOT_MS}

    def host_segments(self, host: str) -> Iterator[Row]:
        cuts = sorted(self.edges())
        mine = [device for device in self.fleet if device["host"] == host]
        for slot in range(SLOTS):
            low = self.start_ms + slot * SLOT_MS
            inside = [(a, b) for a, b in itertools.pairwise(cuts) if low <= a < low + SLOT_MS]
            repeated = (
                {a: self.random.randrange(1, 10**6) / 7 for a, _ in inside} if self.random.random() < 0.4 else None
            )
            for device in mine:
                yield from self.device_segments(device, inside, repeated)

    def device_segments(
        self, device: Row, inside: list[tuple[int, int]], repeated: dict[int, float] | None
    ) -> Iterator[Row]:
        mode = self.random.choice(["read", "read", "read", "patchy", "estimated", "silent", "absent"])
        for start, end in inside:
            seen = mode != "absent" and not (mode == "patchy" and self.random.random() < 0.3)
            if not seen:
                continue
            length_s = (end - start) / 1000
            watts = {"node": 900, "switch": 90}.get(device["kind"], 300) * self.random.random()
            energy_j = repeated[start] if repeated and device["parent"] == "gpu-0" else watts * length_s
            dead = mode == "silent" or (mode == "patchy" and self.random.random() < 0.2)
            energy_j, read_s = (0.0, 0.0) if dead else (energy_j, length_s)
            is_estimate = mode == "estimated"
            counter = self.random.choice([0.0, 0.5, 1.0])
            yield from self.maybe_stitched(
                segment(
                    start,
                    end,
                    energy_j,
                    **device,
                    measured_s=read_s,
                    gap_s=length_s - read_s,
                    estimated_j=energy_j if is_estimate else 0.0,
                    estimated_s=read_s if is_estimate else 0.0,
                    counter_j=energy_j * counter,
                )
            )

    def maybe_stitched(self, row: Row) -> Iterator[Row]:
        choice = self.random.random()
        if choice < 0.7:
            yield row
        elif choice < 0.8:
            yield row | {"part": "stitch"}
        else:
            measures = ("energy_j", "measured_s", "gap_s", "estimated_j", "estimated_s", "counter_j")
            small = {name: row[name] * 0.25 for name in measures}
            yield row | {name: row[name] - value for name, value in small.items()}
            yield row | small | {"part": "stitch"}

    def of_the_day(self) -> list[Row]:
        return [row for row in self.segments if START_MS <= row["start_ms"] < END_MS]


# --- through the SQL -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("home")
    config = Config(organisation=Organisation(name="Test"), landing=Landing(path="landing"), home=home)
    with open_lake(config) as opened:
        yield opened


def load(lake: Lake, segments: list[Row], jobs: list[Row]) -> None:
    events, reservations = [], []
    for job in jobs:
        base = {"job_id": job["id"], "attempt": 1}
        events.append({**base, "ts_ms": job["start"], "event": "started", "phase": job["phase"]})
        events += [{**base, "ts_ms": at, "event": "phase_changed", "phase": phase} for at, phase in job["changes"]]
        events.append({**base, "ts_ms": job["end"], "event": "ended", "phase": job["phase"], "state": "completed"})
        reservations += [
            {**base, "host": host, "device": device, "start_ms": start, "end_ms": end, "share_fraction": share}
            for host, device, start, end, share in job["reservations"]
        ]
    attribution.put_jobs(lake, events, reservations)
    attribution.put_segments(lake, segments)


MEASURES = ("energy_j", "measured_s", "gap_s", "estimated_j", "counter_j", "covered_s")


def assert_equal(lake: Lake, wanted: dict[tuple[Any, ...], dict[str, Fraction]]) -> None:
    rows = lake.rows(
        "SELECT epoch_ms(hour_start) // 3600000, allocation, basis, job_id, phase, host, device, point, "
        f"{', '.join(MEASURES)} FROM core.job_energy"
    )
    found = {row[:8]: dict(zip(MEASURES, row[8:], strict=True)) for row in rows}
    assert len(found) == len(rows)
    assert found.keys() == wanted.keys()
    for key, measures in found.items():
        for name, value in measures.items():
            assert value >= 0, (key, name)
            assert abs(value - float(wanted[key][name])) <= TOLERANCE * max(float(wanted[key][name]), 1e-3), (key, name)


def assert_conserved(lake: Lake) -> None:
    sql = "SELECT hour_start, host, device, point, exact_sum(energy_j) FROM core.job_energy GROUP BY ALL"
    given = {row[:4]: row[4] for row in lake.rows(sql)}
    counted = {
        row[:4]: row[4]
        for row in lake.rows(
            "SELECT date_trunc('hour', slot_start), host, device, point, exact_sum(counted_j) "
            "FROM core.device_energy WHERE in_total GROUP BY ALL"
        )
    }
    assert given.keys() == counted.keys()
    for key, energy in counted.items():
        assert abs(given[key] - energy) <= TOLERANCE * energy, key


def assert_counted(lake: Lake, segments: list[Row]) -> None:
    wanted: dict[tuple[Any, ...], Fraction] = defaultdict(Fraction)
    for row in counted_rows(segments):
        wanted[row["slot"], row["host"], row["device"], row["point"]] += row["counted_j"]
    slots = f"SELECT epoch_ms(slot_start) // {SLOT_MS}, host, device, point, counted_j FROM core.device_energy"
    found = {row[:4]: row[4] for row in lake.rows(f"{slots} WHERE in_total")}
    assert found.keys() == wanted.keys()
    for key, energy in found.items():
        assert abs(energy - float(wanted[key])) <= TOLERANCE * max(float(wanted[key]), 1e-3), key
    assert lake.value("SELECT count(*) FROM core.device_energy WHERE NOT in_total AND counted_j <> 0") == 0


def compare(lake: Lake, seed: int) -> None:
    world = World(seed)
    load(lake, world.segments, world.jobs)
    for idle in POLICIES:
        attribution.compute(lake, idle=idle)
        assert_equal(lake, allocate(world.of_the_day(), world.jobs, idle))
        assert_conserved(lake)
    assert_counted(lake, world.of_the_day())


@pytest.mark.parametrize("seed", range(12))
def test_the_sql_equals_the_reference_in_every_policy_and_conserves(lake: Lake, seed: int) -> None:
    compare(lake, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130))
def test_it_does_so_in_many_more_worlds(lake: Lake, seed: int) -> None:
    compare(lake, seed)


def test_a_row_that_loses_energy_stops_the_day(lake: Lake) -> None:
    load(lake, [segment(TEN_MS, TEN_MS + SLOT_MS, 1000.0)], [])
    attribution.compute(lake)
    lake.connection.execute("UPDATE lake.core.job_energy SET energy_j = energy_j * 0.999")
    with pytest.raises(ConservationError, match="gpu-0"):
        check_conservation(lake.connection, attribution.DAY)

"""The energy SQL against a slow reference written another way: exact fractions, one interval at a time, plain loops."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.contract import TABLES
from warehouse import transform
from warehouse.config import Accounting, Config, Landing, Organisation
from warehouse.lake import Lake, open_lake
from warehouse.transform import MAX_POWER_W, Calculation, fill, prepare

DAY = "2025-03-03"
START_MS, END_MS = transform.day_bounds_ms(DAY)
SLOT_MS = 300_000
RUN = Calculation("test", "", "")
JITTER_MS = 1000
ENERGY_TABLES = ("core.job", "core.job_phase", "core.energy_segment", "core.device_energy", "core.job_energy")

Segments = dict[tuple[str, str, int], dict[str, Fraction]]


# --- the reference ---------------------------------------------------------------------------------------------------


def cuts_of(world: dict[str, Any], host: str) -> list[int]:
    cuts = set(range(START_MS, END_MS, SLOT_MS))
    for job in world["jobs"]:
        for held_host, _, start, end, _ in job["holds"]:
            if held_host != host:
                continue
            for phase_start, phase_end, _ in phases_of(job):
                a, b = max(start, phase_start), min(end, phase_end)
                if a < b:
                    cuts |= {a, b}
    return [*sorted(cut for cut in cuts if START_MS <= cut < END_MS), END_MS]


def phases_of(job: dict[str, Any]) -> Iterator[tuple[int, int, str]]:
    marks = [(job["start"], job["phase"]), *[(at, phase) for at, phase in job["changes"] if job["start"] <= at]]
    marks = sorted(dict(sorted(marks, key=lambda mark: mark[0])).items())
    for (at, phase), (following, _) in zip(marks, [*marks[1:], (job["end"], "")], strict=True):
        until = min(following, job["end"])
        if at < until:
            yield at, until, phase


def interval_rule(a: dict[str, Any], b: dict[str, Any], rules: Accounting) -> str | None:
    length = b["ts_ms"] - a["ts_ms"]
    if (
        a["energy_mj"] is not None
        and b["energy_mj"] is not None
        and a["session"] == b["session"]
        and b["energy_mj"] >= a["energy_mj"]
        and length <= rules.max_counter_gap_h * 3_600_000
        and (b["energy_mj"] - a["energy_mj"]) * 1000 <= MAX_POWER_W[b["kind"]] * 1000 * (length + JITTER_MS)
    ):
        return "counter"
    if a["power_mw"] is not None and b["power_mw"] is not None and length <= rules.max_gap_s * 1000:
        return "trapezoid"
    return "gap" if length <= rules.absent_after_s * 1000 else None


def energy_between(a: dict[str, Any], b: dict[str, Any], rule: str, x: int, y: int) -> Fraction:
    """Energy [J] of the part [x, y) of the interval between two readings."""
    length = b["ts_ms"] - a["ts_ms"]
    if rule == "counter":
        return Fraction(b["energy_mj"] - a["energy_mj"], 1000) * Fraction(y - x, length)
    if rule == "trapezoid":
        slope = Fraction(b["power_mw"] - a["power_mw"], length)
        at_x = a["power_mw"] + slope * (x - a["ts_ms"])
        at_y = a["power_mw"] + slope * (y - a["ts_ms"])
        return (at_x + at_y) / 2 * (y - x) / 1_000_000
    return Fraction(0)


def reference_segments(world: dict[str, Any], rules: Accounting) -> Segments:
    series: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for sample in world["samples"]:
        if sample["power_mw"] is not None or sample["energy_mj"] is not None:
            series[sample["host"], sample["device"]].append(sample)
    segments: Segments = {}
    for (host, device), samples in series.items():
        samples.sort(key=lambda sample: sample["ts_ms"])
        cuts = cuts_of(world, host)
        for a, b in itertools.pairwise(samples):
            rule = interval_rule(a, b, rules)
            if rule is None:
                continue
            for cut, following in itertools.pairwise(cuts):
                x, y = max(a["ts_ms"], cut), min(b["ts_ms"], following)
                if x >= y:
                    continue
                entry = segments.setdefault(
                    (host, device, cut), {"energy": Fraction(0), "measured": Fraction(0), "gap": Fraction(0)}
                )
                entry["energy"] += energy_between(a, b, rule, x, y)
                entry["gap" if rule == "gap" else "measured"] += Fraction(y - x, 1000)
                entry["end"] = Fraction(following)
    return segments


def reference_job_energy(world: dict[str, Any], segments: Segments) -> dict[tuple[str, str, str, str], Fraction]:
    """Energy by (job or allocation, phase, host, device): direct holds, then followers of the leading devices."""
    kinds = {(sample["host"], sample["device"]): sample["kind"] for sample in world["samples"]}
    seen = {(host, device) for host, device, _ in segments}
    totals: dict[tuple[str, str, str, str], Fraction] = defaultdict(Fraction)

    def shares(holders: list[tuple[str, str, float | None]]) -> list[tuple[str, str, Fraction]]:
        stated = sum((Fraction(share) for _, _, share in holders if share is not None), Fraction(0))
        unstated = [holder for holder in holders if holder[2] is None]
        parts = []
        for name, phase, share in holders:
            if share is None:
                parts.append((name, phase, max(1 - stated, Fraction(0)) / len(unstated)))
            else:
                parts.append((name, phase, Fraction(share) / max(stated, Fraction(1))))
        return parts

    def holders_of(host: str, device: str, at: int) -> list[tuple[str, str, float | None]]:
        found: dict[tuple[str, str], float | None] = {}
        for job in world["jobs"]:
            for held_host, held, start, end, share in job["holds"]:
                for phase_start, phase_end, phase in phases_of(job):
                    inside = max(start, phase_start) <= at < min(end, phase_end)
                    if held_host == host and held in {device, "*"} and inside:
                        found[job["id"], phase] = share
        return [(name, phase, share) for (name, phase), share in found.items()]

    for (host, device, cut), entry in segments.items():
        parts = shares(holders_of(host, device, cut))
        kind = kinds[host, device]
        if not parts and kind in {"cpu", "dram"}:
            gpus = sorted(name for place, name in seen if place == host and kinds[place, name] == "gpu")
            cpus = sorted(name for place, name in seen if place == host and kinds[place, name] == "cpu")
            leaders = gpus or cpus
            for leader in leaders:
                if leader != device:
                    parts += [(n, p, part / len(leaders)) for n, p, part in shares(holders_of(host, leader, cut))]
        for name, phase, part in parts:
            totals[name, phase, host, device] += entry["energy"] * part
        rest = 1 - sum((part for _, _, part in parts), Fraction(0))
        if rest > 0:
            totals["idle", "", host, device] += entry["energy"] * rest
    return {key: value for key, value in totals.items() if value}


# --- random worlds ---------------------------------------------------------------------------------------------------

BASE_MS = START_MS + 10 * 3_600_000


@st.composite
def series(draw: st.DrawFn, host: str, device: str, kind: str) -> list[dict[str, Any]]:
    has_counter = kind == "gpu" and draw(st.booleans())
    n = draw(st.integers(2, 30))
    near_midnight = draw(st.sampled_from([BASE_MS, BASE_MS, START_MS - 20_000, END_MS - 30_000]))
    at = near_midnight + draw(st.integers(0, 2000))
    energy, session = draw(st.integers(0, 10**9)), 0
    rows = []
    steps = st.one_of(st.integers(200, 2500), st.sampled_from([7_000, 10_000, 10_001, 60_000, 400_000, 4_000_000]))
    for _ in range(n):
        power = draw(st.integers(0, 700_000))
        if draw(st.integers(0, 15)) == 0:
            # Driver reload: the counter starts again, or goes on by chance where the old one stood.
            session, energy = session + 1, draw(st.sampled_from([0, 500, energy + 1000]))
        gone = draw(st.integers(0, 15)) == 0
        rows.append(
            {
                "ts_ms": at,
                "host": host,
                "device": device,
                "kind": kind,
                "parent": None,
                "point": "board" if kind == "gpu" else "package",
                "power_mw": None if gone or (has_counter and draw(st.booleans())) else power,
                "energy_mj": energy if has_counter and not gone else None,
                "session": session,
                "util_percent": None,
                "source": "nvml_energy" if kind == "gpu" else "rapl",
                "is_estimate": False,
                "gap_reason": "read_failed" if gone else None,
            }
        )
        step = draw(steps)
        at += step
        energy += power * step // 1000
        if draw(st.integers(0, 20)) == 0:
            energy += 10**9  # a jump that no device can have drawn
    return [row for row in rows if not (row["power_mw"] is None and row["energy_mj"] is None and not row["gap_reason"])]


@st.composite
def jobs(draw: st.DrawFn, devices: list[tuple[str, str]]) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        start = draw(st.sampled_from([BASE_MS, START_MS - 10_000, END_MS - 20_000])) + draw(st.integers(-5000, 60_000))
        end = start + draw(st.one_of(st.just(0), st.integers(1, 90_000), st.just(3_600_000)))
        changes = [
            (start + draw(st.integers(-2000, 80_000)), draw(st.sampled_from(["evaluation", "training"])))
            for _ in range(draw(st.integers(0, 2)))
        ]
        held = draw(st.lists(st.sampled_from([*devices, (devices[0][0], "*")]), min_size=1, max_size=3, unique=True))
        share = st.one_of(st.none(), st.sampled_from([0.25, 0.5, 0.75, 1.0]))
        found.append(
            {
                "id": f"job-{number}",
                "phase": draw(st.sampled_from(["training", "inference", "unknown"])),
                "start": start,
                "end": end,
                "changes": [(at, phase) for at, phase in dict(changes).items() if start < at <= end],
                "holds": [(host, device, start, end, draw(share)) for host, device in held],
            }
        )
    # A device and a star of the same host held by one job are one hold.
    for job in found:
        if any(device == "*" for _, device, *_ in job["holds"]):
            job["holds"] = [hold for hold in job["holds"] if hold[1] == "*"]
    return found


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    devices = [
        ("a", "gpu-0", "gpu"),
        ("a", "gpu-1", "gpu"),
        ("a", "cpu-package-0", "cpu"),
        ("b", "cpu-package-0", "cpu"),
    ]
    chosen = draw(st.lists(st.sampled_from(devices), min_size=1, max_size=4, unique=True))
    samples = [sample for device in chosen for sample in draw(series(*device))]
    return {"samples": samples, "jobs": draw(jobs([(host, device) for host, device, _ in chosen]))}


# --- through the SQL -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("home")
    config = Config(organisation=Organisation(name="Test"), landing=Landing(path="landing"), home=home)
    with open_lake(config) as opened:
        yield opened


def put(lake: Lake, name: str, rows: list[dict[str, Any]]) -> None:
    lake.connection.execute(f"DELETE FROM lake.raw.{name}")
    if not rows:
        return
    schema = TABLES[name].arrow_schema()
    filled = [{field.name: row.get(field.name) for field in schema} for row in rows]
    lake.connection.register("new_rows", pa.Table.from_pylist(filled, schema=schema))
    lake.connection.execute(
        f"INSERT INTO lake.raw.{name} SELECT *, CAST(make_timestamp({TABLES[name].time_column} * 1000) AS DATE), "
        "'file', row_number() OVER (), 0 FROM new_rows"
    )
    lake.connection.unregister("new_rows")


def load(lake: Lake, world: dict[str, Any]) -> None:
    put(lake, "power_sample", world["samples"])
    events = []
    for job in world["jobs"]:
        base = {"job_id": job["id"], "attempt": 1}
        events.append({**base, "ts_ms": job["start"], "event": "started", "phase": job["phase"]})
        events += [{**base, "ts_ms": at, "event": "phase_changed", "phase": phase} for at, phase in job["changes"]]
        events.append({**base, "ts_ms": job["end"], "event": "ended", "phase": job["phase"], "state": "completed"})
    put(lake, "job_event", events)
    put(
        lake,
        "job_device",
        [
            {"job_id": job["id"], "attempt": 1, "host": h, "device": d, "start_ms": s, "end_ms": e, "share_fraction": f}
            for job in world["jobs"]
            for h, d, s, e, f in job["holds"]
        ],
    )
    prepare(lake, RUN, DAY)
    lake.transaction(lambda connection: [fill(connection, lake.config, RUN, name, DAY) for name in ENERGY_TABLES])


def close(left: float, right: Fraction) -> bool:
    return abs(left - float(right)) <= 1e-9 * max(abs(float(right)), 1e-3)


@pytest.mark.slow
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(world=worlds())
def test_segments_and_shares_equal_the_reference_and_are_conserved(lake: Lake, world: dict[str, Any]) -> None:
    load(lake, world)
    rules = lake.config.accounting
    wanted = {key: entry for key, entry in reference_segments(world, rules).items() if START_MS <= key[2] < END_MS}
    found = {
        (host, device, start): (energy, measured, gap, end)
        for host, device, start, energy, measured, gap, end in lake.rows(
            "SELECT host, device, start_ms, energy_j, measured_s, gap_s, end_ms FROM core.energy_segment"
        )
    }
    assert found.keys() == wanted.keys()
    for key, (energy, measured, gap, end) in found.items():
        assert close(energy, wanted[key]["energy"]), key
        assert close(measured, wanted[key]["measured"]), key
        assert close(gap, wanted[key]["gap"]), key
        assert end == wanted[key]["end"], key

    jobs_wanted = reference_job_energy(world, wanted)
    jobs_found = {
        (job or allocation, phase or "", host, device): energy
        for job, allocation, phase, host, device, energy in lake.rows(
            "SELECT job_id, allocation, phase, host, device, exact_sum(energy_j) FROM core.job_energy GROUP BY ALL"
        )
    }
    for key in jobs_found.keys() | jobs_wanted.keys():
        assert close(jobs_found.get(key, 0.0), jobs_wanted.get(key, Fraction(0))), key
    assert_conserved(lake)


def assert_conserved(lake: Lake) -> None:
    for column in ("energy_j", "measured_s", "gap_s", "estimated_j"):
        devices = lake.value(f"SELECT exact_sum({column}) FROM core.device_energy WHERE in_total") or 0.0
        given_out = lake.value(f"SELECT exact_sum({column}) FROM core.job_energy") or 0.0
        assert abs(devices - given_out) <= 1e-9 * max(devices, 1.0), column


def test_a_segment_that_loses_energy_stops_the_day(lake: Lake) -> None:
    sample = {
        "host": "a", "device": "gpu-0", "kind": "gpu", "point": "board", "power_mw": 100_000, "session": 0,
        "source": "nvml_power", "is_estimate": False,
    }  # fmt: skip
    load(lake, {"samples": [{**sample, "ts_ms": BASE_MS + second * 1000} for second in range(10)], "jobs": []})
    lake.connection.execute("UPDATE lake.core.job_energy SET energy_j = energy_j * 0.999")
    with pytest.raises(transform.ConservationError, match="gpu-0"):
        transform.check_conservation(lake.connection, DAY)

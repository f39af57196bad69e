"""Audits of what the readings themselves state: clocks in another time zone, one counter under several names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import attribution
from tests.support.attribution import DAY, MS_PER_HOUR, START_MS, Row, segment
from warehouse.config import Config, Landing, Organisation
from warehouse.hourfile import SERIES_SCHEMA
from warehouse.lake import Lake, open_lake

MINUTE = 60_000
JOB_MS = START_MS + 12 * MS_PER_HOUR
EARLY_MS = -18_000_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("home")
    config = Config(organisation=Organisation(name="Test"), landing=Landing(path="landing"), home=home)
    with open_lake(config) as opened:
        yield opened


def job(
    job_id: str, start_ms: int, length_min: int = 40, *, host: str = "rack-1", device: str = "*"
) -> tuple[list[Row], Row]:
    end_ms = start_ms + length_min * MINUTE
    base = {"job_id": job_id, "attempt": 1, "phase": "training"}
    events = [
        {**base, "ts_ms": start_ms, "event": "started"},
        {**base, "ts_ms": end_ms, "event": "ended", "state": "completed"},
    ]
    return events, {
        "job_id": job_id,
        "attempt": 1,
        "host": host,
        "device": device,
        "start_ms": start_ms,
        "end_ms": end_ms,
    }


def series(device: str, start_ms: int, length_min: float = 42, *, host: str = "rack-1") -> list[Row]:
    """Readings from a minute before a time on, as the ledger of hour files knows them."""
    first, last = start_ms - MINUTE, start_ms + int((length_min - 1) * MINUTE)
    rows = []
    for hour in range(first // MS_PER_HOUR, last // MS_PER_HOUR + 1):
        a, b = max(first, hour * MS_PER_HOUR), min(last, (hour + 1) * MS_PER_HOUR - 1)
        rows.append(
            {
                "host": host,
                "device": device,
                "point": "ac",
                "hour_ms": hour * MS_PER_HOUR,
                "first_ts_ms": a,
                "last_ts_ms": b,
            }
        )
    return rows


def put_series(lake: Lake, rows: list[Row]) -> None:
    lake.connection.execute("DELETE FROM lake.raw.sample_series")
    text = {"kind": "switch", "source": "meter"}
    for row in rows:
        values: dict[str, Any] = {field.name: 1 if "int" in str(field.type) else None for field in SERIES_SCHEMA}
        values |= {
            "is_mixed": False,
            "shard": 0,
            **text,
            **{name: value for name, value in row.items() if name != "hour_ms"},
        }
        names, marks = ", ".join(values), ", ".join(f"${name}" for name in values)
        lake.connection.execute(
            f"INSERT INTO lake.raw.sample_series (day, hour_start, {names}) "
            f"SELECT CAST(make_timestamp($hour * 1000) AS DATE), make_timestamptz($hour * 1000), {marks}",
            values | {"hour": row["hour_ms"]},
        )


def found(lake: Lake, check: str, day: str = DAY) -> dict[str, str]:
    return dict(attribution.look(lake, check, day))


def offsets(lake: Lake, jobs: list[tuple[list[Row], Row]], *runs: list[Row], day: str = DAY) -> dict[str, str]:
    attribution.put_jobs(lake, [event for events, _ in jobs for event in events], [held for _, held in jobs])
    put_series(lake, [row for run in runs for row in run])
    return found(lake, "clock_offset", day)


def test_channels_that_are_stamped_five_hours_early_are_found(lake: Lake) -> None:
    channels = [series(f"switch-{n}", JOB_MS + EARLY_MS) for n in range(10)]
    seen = offsets(lake, [job("j", JOB_MS)], *channels, series("switch-right", JOB_MS))
    assert seen == {f"{DAY} rack-1/switch-{n}/ac": "readings 18000 s before job j, none in it" for n in range(10)}


@pytest.mark.parametrize(
    ("shift_min", "said"), [(-26 * 60, "93600 s before"), (345, "20700 s after"), (-15, "900 s before")]
)
def test_an_offset_of_any_time_zone_is_found_on_a_device_of_its_own(lake: Lake, shift_min: int, said: str) -> None:
    late = job("j", JOB_MS, 10, device="switch-0")
    seen = offsets(lake, [late], series("switch-0", JOB_MS + shift_min * MINUTE, 12))
    assert seen == {f"{DAY} rack-1/switch-0/ac": f"readings {said} job j, none in it"}


@pytest.mark.parametrize(
    ("why", "runs"),
    [
        ("the readings are where the job is", series("switch-0", JOB_MS)),
        ("no time zone is 27 hours away", series("switch-0", JOB_MS - 27 * MS_PER_HOUR)),
        ("seven minutes are no time zone", series("switch-0", JOB_MS + 97 * MINUTE, 42)),
        (
            "what was read all day and stopped before the job is a lost collector",
            series("switch-0", JOB_MS - 9 * MS_PER_HOUR, 500),
        ),
        ("half an hour would not cover the job", series("switch-0", JOB_MS + EARLY_MS, 30)),
        ("another host is not meant", series("switch-0", JOB_MS + EARLY_MS, host="rack-2")),
        (
            "the job has readings, those of five hours before are of something else",
            [*series("switch-0", JOB_MS), *series("switch-0", JOB_MS + EARLY_MS)],
        ),
    ],
)
def test_what_is_no_offset_gives_no_finding(lake: Lake, why: str, runs: list[Row]) -> None:
    assert offsets(lake, [job("j", JOB_MS)], runs) == {}, why


def test_readings_of_another_job_are_no_offset_of_this_one(lake: Lake) -> None:
    assert offsets(lake, [job("j", JOB_MS), job("k", JOB_MS + EARLY_MS)], series("switch-0", JOB_MS + EARLY_MS)) == {}


def test_a_finding_belongs_to_the_day_of_the_job(lake: Lake) -> None:
    at_ms = START_MS + MS_PER_HOUR  # the readings lie on the day before
    assert offsets(lake, [job("j", at_ms)], series("switch-0", at_ms + EARLY_MS)).keys() == {
        f"{DAY} rack-1/switch-0/ac"
    }
    assert offsets(lake, [job("j", at_ms)], series("switch-0", at_ms + EARLY_MS), day="2025-03-02") == {}


def mig(number: int, energy_j: float, **more: Any) -> Row:
    return segment(JOB_MS, JOB_MS + MINUTE, energy_j, device=f"mig-{number}", parent="gpu-0", **more)


@pytest.mark.parametrize("whole", [[], [segment(JOB_MS, JOB_MS + MINUTE, 1000.0)]])
def test_a_counter_that_all_parts_of_a_gpu_repeat_is_found(lake: Lake, whole: list[Row]) -> None:
    attribution.put_segments(lake, [*whole, *(mig(number, 257.8) for number in range(3))])
    assert found(lake, "duplicated_counter") == {f"{DAY} a/gpu-0": "3 parts state the same 257.8 J"}


@pytest.mark.parametrize(
    "rows",
    [
        [mig(0, 257.8), mig(1, 257.9)],
        [mig(0, 257.8)],
        [mig(0, 0.0), mig(1, 0.0)],
        [mig(0, 257.8), mig(1, 257.8, measured_s=0.0)],
        [mig(0, 257.8, kind="dram"), mig(1, 257.8)],
        [row | {"parent": "psu"} for row in (mig(0, 60.0), mig(1, 60.0))]
        + [mig(9, 1.0) | {"device": "psu", "kind": "node", "parent": None}],
    ],
)
def test_parts_with_energies_of_their_own_are_no_finding(lake: Lake, rows: list[Row]) -> None:
    attribution.put_segments(lake, rows)
    assert found(lake, "duplicated_counter") == {}

"""A job that goes on is worked out from its old row and its new events alone, and comes out as from all its rows."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.support.hashes import table_hash
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put
from warehouse import jobs
from warehouse.ingest import ingest_file
from warehouse.jobs import JOB_TABLES, note_jobs_of_days, settle_jobs
from warehouse.lake import Lake

FIRST_MS = 1_741_003_200_000  # 2025-03-03 12:00 UTC
HOUR_MS = 3_600_000
LIFE_H = 50
BATCHES_N = 10
JOBS = ("long", "other")

Row = dict[str, Any]


@pytest.fixture
def from_all_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many jobs were worked out from all their rows, by settling."""
    found: list[int] = []
    real = jobs._work_out

    def counting(inside: Any, name: str, *days: Any) -> None:
        if name == "core.job":
            found.append(inside.execute("SELECT count(*) FROM touched_job").fetchall()[0][0])
        real(inside, name, *days)

    monkeypatch.setattr(jobs, "_work_out", counting)
    return found


def _take(lake: Lake, table: str, rows: list[Row], written_ms: int) -> None:
    content = landed_bytes(table, rows, written_ms=written_ms)
    time = "start_ms" if table == "job_device" else "ts_ms"
    path = put(lake.config.landing_path, landed_name(table, rows[0][time], f"w{written_ms}"), content)
    outcome = ingest_file(lake, path)
    assert outcome is not None
    assert outcome.status in {"loaded", "known"}


def _at(hours: float) -> int:
    return FIRST_MS + int(hours * HOUR_MS)


def _event(chance: random.Random, hour: int) -> Row:
    # Few moments, so that events meet each other, ends and reservations; mostly heartbeats, as of a service.
    kinds = ("submitted", "started", "phase_changed", "ended", *["heartbeat"] * 12)
    kind = chance.choice(kinds)
    row = job_event(_at(hour), chance.choice(JOBS), kind, chance.choice(("training", "evaluation")))
    row["team"] = chance.choice((None, "red", "blue"))
    row["tokens_n"] = chance.choice((None, hour))
    return row | ({"state": "failed"} if kind == "ended" else {})


def _reservation(chance: random.Random, hour: int) -> Row:
    end = chance.choice((None, None, _at(hour + chance.randrange(1, 4))))
    share = chance.choice((None, 0.5))
    return job_device(
        chance.choice(JOBS), _at(hour), device=f"GPU-{chance.randrange(2)}", end_ms=end, share_fraction=share
    )


@pytest.mark.parametrize("seed", range(3))
def test_any_history_is_worked_out_as_from_all_rows(lake: Lake, from_all_rows: list[int], seed: int) -> None:
    chance = random.Random(seed)
    first = [job_event(_at(0), job, "started") for job in JOBS]
    _take(lake, "job_event", first, 1)
    _take(lake, "job_device", [job_device(job, _at(0), device="GPU-0") for job in JOBS], 1)
    settle_jobs(lake)
    went_on = 0
    for batch in range(1, BATCHES_N):
        hour = batch * LIFE_H // BATCHES_N
        # Late rows, and rows that were written before what they contradict, come now and then.
        late = chance.random() < 0.2
        moments = [
            max(0, hour - chance.randrange(9)) if late else hour + step for step in range(chance.randrange(1, 4))
        ]
        rows = [_event(chance, max(0, moment)) for moment in moments]
        _take(lake, "job_event", rows, chance.choice((2, 1000)) * 100 + batch)
        if chance.random() < 0.25:
            _take(lake, "job_device", [_reservation(chance, hour)], 100 + batch)
        from_all_rows.clear()
        settled = settle_jobs(lake)
        went_on += settled - from_all_rows[0] if settled else 0
        found = {name: table_hash(lake, name) for name in JOB_TABLES}
        note_jobs_of_days(lake, f"again {batch}")
        assert settle_jobs(lake) == len(JOBS)
        assert from_all_rows[-1] == len(JOBS)
        assert {name: table_hash(lake, name) for name in JOB_TABLES} == found, (batch, rows)
    assert went_on, "some jobs only went on"


def test_a_heartbeat_reads_nothing_of_the_history_of_its_job(lake: Lake, from_all_rows: list[int]) -> None:
    _take(lake, "job_event", [job_event(_at(0), "long", "started"), job_event(_at(1), "long", "heartbeat")], 1)
    _take(lake, "job_device", [job_device("long", _at(0))], 1)
    settle_jobs(lake)
    # Were the rows of the first day read again, the job would lose its start.
    lake.transaction(lambda inside: inside.execute("DELETE FROM lake.raw.job_event WHERE event = 'started'") and None)
    _take(lake, "job_event", [job_event(_at(40), "long", "heartbeat", team="red")], 2)
    assert settle_jobs(lake) == 1
    assert from_all_rows == [1, 0]
    assert lake.rows("SELECT team, state, start_ms, end_ms FROM core.job") == [("red", "running", _at(0), _at(40))]
    for name in ("core.job_phase", "core.job_hold"):
        assert lake.rows(f"SELECT start_ms, end_ms FROM {name}") == [(_at(0), _at(40))]

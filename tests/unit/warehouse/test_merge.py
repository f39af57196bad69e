"""Of rows with the same key the one written first stays, whatever the order in which they arrive."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import make_home
from tests.support.landed import job_event, landed_bytes, landed_name, put, sample
from tests.support.readings import readings
from tests.support.worlds import EVENING_MS as T
from tests.support.worlds import all_hashes, differing
from warehouse.config import Config
from warehouse.engine import settle
from warehouse.ingest import ingest_file, ingest_landing
from warehouse.lake import Lake, open_lake

Rows = list[dict[str, Any]]


def _take(lake: Lake, rows: Rows, written_ms: int, *, name: str | None = None, table: str = "power_sample") -> None:
    content = landed_bytes(table, rows, written_ms=written_ms)
    ingest_file(lake, put(lake.config.landing_path, landed_name(table, T, name or f"w-{written_ms}"), content))


def _standing(lake: Lake) -> list[int]:
    return [value for (value,) in readings(lake, "power_mw")]


def _conflicts(lake: Lake) -> list[tuple[int, int]]:
    settle(lake)
    sql = "select written_ms, (row_json::json->>'power_mw')::int from raw.quarantine_row where reason = 'conflict'"
    return sorted(lake.rows(sql))


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
def test_the_row_written_first_stays(lake: Lake, order: tuple[int, ...]) -> None:
    deliveries = [([sample(T, power_mw=10)], 100), ([sample(T, power_mw=20)], 200), ([sample(T, power_mw=30)], 300)]
    for number in order:
        _take(lake, *deliveries[number])
    assert _standing(lake) == [10]
    assert _conflicts(lake) == [(200, 20), (300, 30)]


@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2, 3]))[::3])
def test_of_equal_other_values_the_earliest_is_kept(config: Config, order: tuple[int, ...]) -> None:
    deliveries = [(10, 100), (20, 200), (20, 300), (10, 400)]
    with open_lake(config) as lake:
        for number in order:
            value, written_ms = deliveries[number]
            _take(lake, [sample(T, power_mw=value)], written_ms)
        assert _standing(lake) == [10]
        assert _conflicts(lake) == [(200, 20)]


def test_a_duplicate_leaves_no_trace_and_no_other_owner(lake: Lake) -> None:
    _take(lake, [sample(T), sample(T + 1)], 200)
    _take(lake, [sample(T)], 100)  # the same row, written earlier: it is that file's row now
    # Sources are counted in the order of their writing.
    assert readings(lake, "ts_ms, source_file") == [(T, 0), (T + 1, 1)]
    assert _conflicts(lake) == []


def test_inside_one_file_the_earlier_row_stays(lake: Lake) -> None:
    _take(lake, [sample(T, power_mw=1), sample(T, power_mw=2), sample(T, power_mw=1), sample(T, power_mw=2)], 100)
    assert _standing(lake) == [1]
    assert lake.rows("select row_number from raw.quarantine_row") == [(1,)]


def test_at_the_same_time_of_writing_the_content_decides(tmp_path: Path) -> None:
    outcomes = set()
    for number, values in enumerate(([10, 20], [20, 10])):
        config = make_home(tmp_path / str(number))
        with open_lake(config) as lake:
            for value in values:
                _take(lake, [sample(T, power_mw=value)], 100, name=f"w-{value}")
            outcomes.add((*_standing(lake), *_conflicts(lake)))
    assert len(outcomes) == 1


def test_null_is_a_value_and_not_equal_to_one(lake: Lake) -> None:
    _take(lake, [sample(T, power_mw=5, energy_mj=None)], 100)
    _take(lake, [sample(T, power_mw=5, energy_mj=1)], 200)
    _take(lake, [sample(T, power_mw=5, energy_mj=None)], 300)
    assert readings(lake, "energy_mj") == [(None,)]
    assert len(_conflicts(lake)) == 1


def test_keys_with_nulls_are_keys(lake: Lake) -> None:
    def work(tokens: int) -> dict[str, Any]:
        names = {"job_id": None, "service": None, "model": "m", "model_version": None, "other_unit": None}
        counts = {"requests_n": 1, "input_tokens_n": tokens, "output_tokens_n": 0, "other_n": None}
        return {"start_ms": T, "end_ms": T + 1000} | names | counts

    _take(lake, [work(1)], 100, table="work_counter")
    _take(lake, [work(2)], 200, table="work_counter")
    _take(lake, [work(1)], 300, table="work_counter")
    assert lake.rows("select input_tokens_n from raw.work_counter") == [(1,)]
    assert lake.value("select count(*) from raw.quarantine_row") == 1


def test_two_servers_that_did_the_same_work_in_the_same_minute_both_count(lake: Lake) -> None:
    names = {"job_id": None, "service": "chat", "model": "m", "model_version": None, "other_unit": None}
    counts = {"requests_n": 1, "input_tokens_n": 5, "output_tokens_n": 7, "other_n": None}
    work = {"start_ms": T, "end_ms": T + 60_000} | names | counts
    for at_ms, instance in ((100, "gpu-1/localhost:8000"), (200, "gpu-2/localhost:8000"), (300, None), (400, None)):
        _take(lake, [work | {"instance": instance}], at_ms, table="work_counter")
    assert lake.rows("select count(*), cast(sum(output_tokens_n) as int) from raw.work_counter") == [(3, 21)]
    assert not _conflicts(lake)


@pytest.mark.parametrize("text", ['quo"te', "back\\slash", "new\nline", "é 机", "\u2028", "null", "a/b", "\x01"])
def test_keys_with_any_text_meet_again_in_quarantine(lake: Lake, text: str) -> None:
    for written_ms, team in ((300, "c"), (200, "b"), (100, "a"), (400, "b")):
        rows = [job_event(T, text, "started", team=team)]
        _take(lake, rows, written_ms, table="job_event")
    assert lake.rows("select job_id, team from raw.job_event") == [(text, "a")]
    conflicts = "select row_json::json->>'team', written_ms from raw.quarantine_row order by 1"
    assert lake.rows(conflicts) == [("b", 200), ("c", 300)]


def test_labels_are_part_of_the_value(lake: Lake) -> None:
    _take(lake, [job_event(T, "j", "started", labels=[("a", "1")])], 100, table="job_event")
    _take(lake, [job_event(T, "j", "started", labels=[("a", "2")])], 200, table="job_event")
    assert lake.value("select labels['a'] from raw.job_event") == "1"
    assert lake.value("select count(*) from raw.quarantine_row") == 1


@pytest.mark.parametrize("seed", range(2))
def test_any_order_gives_the_same_rows_and_conflicts(tmp_path: Path, seed: int) -> None:
    """Nine files over few keys and few values: duplicates, conflicts and ties, one by one against the oracle."""
    chance = random.Random(seed)
    deliveries = [
        (
            [sample(T + chance.randrange(4), power_mw=chance.randrange(3)) for _ in range(chance.randrange(1, 5))],
            chance.randrange(5),
            f"w-{number}",
        )
        for number in range(9)
    ]
    contents = [landed_bytes("power_sample", rows, written_ms=at) for rows, at, _ in deliveries]
    seen: list[dict[str, str]] = []
    for turn in range(3):
        config = make_home(tmp_path / str(turn))
        order = list(range(9))
        random.Random(seed * 10 + turn).shuffle(order)
        with open_lake(config) as lake:
            for number in order:
                put(config.landing_path, landed_name("power_sample", T, deliveries[number][2]), contents[number])
                if turn:
                    ingest_landing(lake)
            ingest_landing(lake)
            settle(lake)
            seen.append(all_hashes(lake, ("raw",)))
            _against_oracle(lake, deliveries, contents)
    assert differing(seen[0], seen[1]) == {}
    assert differing(seen[0], seen[2]) == {}


def _against_oracle(lake: Lake, deliveries: list[tuple[Rows, int, str]], contents: list[bytes]) -> None:
    """The rule once more, by sorting: first in time of writing, hash, position."""
    import hashlib

    rows = sorted(
        (written_ms, hashlib.sha256(content).hexdigest(), position, row["ts_ms"], row["power_mw"])
        for (given, written_ms, _), content in zip(deliveries, contents, strict=True)
        for position, row in enumerate(given)
    )
    standing: dict[int, tuple[Any, ...]] = {}
    refused: dict[tuple[int, int], tuple[Any, ...]] = {}
    for row in rows:
        key, value = row[3], row[4]
        first = standing.setdefault(key, row)
        if first[4] != value:
            refused.setdefault((key, value), row)
    kept = readings(lake, "source_file, source_row, ts_ms, power_mw")
    sources = lake.rows("select written_ms, file_sha256 from raw.sample_source order by 1, 2")  # all of one hour
    assert sorted((*sources[file], *rest) for file, *rest in kept) == sorted(standing.values())
    found = lake.rows(
        "select written_ms, file_sha256, row_number, time_ms, (row_json::json->>'power_mw')::int "
        "from raw.quarantine_row"
    )
    assert sorted(found) == sorted(refused.values())

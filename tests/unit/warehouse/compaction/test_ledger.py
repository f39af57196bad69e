"""The ledger of series says what a slow reading of the file's rows says."""

from __future__ import annotations

from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.hours import HOUR_MS, land, random_world, rows_of
from tests.support.landed import sample
from warehouse.compaction import compact_hour
from warehouse.hourfile import SERIES_SCHEMA

Row = dict[str, Any]
ENDS = ("ts_ms", "power_mw", "energy_mj", "session", "is_estimate", "kind", "source")


def greatest(rows: list[Row], name: str) -> str | None:
    return max((row[name] for row in rows if row[name] is not None), default=None)


def plain_entry(offset: int, rows: list[Row]) -> Row:
    """Compute the ledger row of one series as its description says it."""
    readings = [row for row in rows if row["power_mw"] is not None or row["energy_mj"] is not None]
    pairs = list(pairwise(readings))
    texts = {name: greatest(readings or rows, name) for name in ("kind", "parent", "source")}
    entry = {name: rows[0][name] for name in ("host", "device", "point")} | texts
    entry |= {"row_offset": offset, "rows_n": len(rows), "readings_n": len(readings)}
    entry["power_n"] = sum(row["power_mw"] is not None for row in readings)
    entry["counter_n"] = sum(row["energy_mj"] is not None for row in readings)
    entry["estimated_n"] = sum(row["is_estimate"] for row in readings)
    entry["sessions_n"] = sum(a["session"] != b["session"] for a, b in pairs) + bool(readings)
    entry["drops_n"] = sum(
        a["session"] == b["session"]
        and None not in (a["energy_mj"], b["energy_mj"])
        and b["energy_mj"] < a["energy_mj"]
        for a, b in pairs
    )
    entry["is_mixed"] = any(len({row[name] for row in readings}) > 1 for name in ("kind", "source"))
    for end, at in (("first", 0), ("last", -1)):
        entry |= {f"{end}_{name}": readings[at][name] if readings else None for name in ENDS}
    return entry


def plain_ledger(rows: list[Row]) -> list[Row]:
    ledger, offset = [], 0
    for _, series in groupby(rows, key=lambda row: (row["host"], row["device"], row["point"])):
        found = list(series)
        ledger.append(plain_entry(offset, found))
        offset += len(found)
    return ledger


@pytest.mark.parametrize("seed", range(40))
def test_the_ledger_is_that_of_the_rows(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.compaction.encoding.GROUP_ROWS", 10)  # several row groups in a small file
    world = random_world(seed, tmp_path / "archive")
    done = compact_hour(HOUR_MS, [one.source for one in world], tmp_path / "hours", batch_rows_n=60)
    for file in done.files:
        assert file.series.schema == SERIES_SCHEMA
        assert file.series.to_pylist() == plain_ledger(rows_of(done))
        assert file.rows_n == sum(file.series.column("rows_n").to_pylist())


def test_a_series_without_a_reading_is_there_with_its_names_and_no_ends(tmp_path: Path) -> None:
    silent = sample(HOUR_MS, power_mw=None, gap_reason="driver_lost", kind="gpu", parent="node")
    rows = [silent, silent | {"ts_ms": HOUR_MS + 1, "kind": "accelerator"}, sample(HOUR_MS, device="GPU-1")]
    world = land(tmp_path, rows, written_ms=1)
    (file,) = compact_hour(HOUR_MS, [world.source], tmp_path / "hours").files
    first, second = file.series.to_pylist()
    assert (first["kind"], first["parent"], first["rows_n"], first["readings_n"], first["sessions_n"]) == (
        "gpu",
        "node",
        2,
        0,
        0,
    )
    assert not first["is_mixed"]
    assert {first[f"{end}_{name}"] for end in ("first", "last") for name in ENDS} == {None}
    assert second["first_ts_ms"] == second["last_ts_ms"] == HOUR_MS


def test_drops_and_sessions_are_counted_between_neighbouring_readings(tmp_path: Path) -> None:
    told = [(0, 5), (0, 9), (0, 3), (1, 2), (1, None), (1, 1), (1, 0)]
    rows = [sample(HOUR_MS + at, session=session, energy_mj=energy) for at, (session, energy) in enumerate(told)]
    (file,) = compact_hour(HOUR_MS, [land(tmp_path, rows, 1).source], tmp_path / "hours").files
    (entry,) = file.series.to_pylist()
    # 9 to 3 and 1 to 0; not 3 to 2, which is another session, and not over the reading without a counter.
    assert (entry["drops_n"], entry["sessions_n"]) == (2, 2)
    assert (entry["counter_n"], entry["power_n"], entry["readings_n"]) == (6, 7, 7)

"""The made-up fleet has the habits that benchmarks and tests rely on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.fleet import WRAP_MJ, Fleet
from bench.fleetjobs import MS_PER_DAY, MS_PER_HOUR
from collectors.contract import POWER_SAMPLE
from collectors.landing.writer import LandingWriter
from warehouse.hourfile import HOUR_SCHEMA, SERIES_KEY

DAY_MS = 20_254 * MS_PER_DAY
HOUR_MS = DAY_MS + 10 * MS_PER_HOUR


def of_device(table: pa.Table, device: str) -> pa.Table:
    return table.filter(pc.equal(table.column("device").cast(pa.string()), device))


def test_the_same_seed_gives_the_same_readings_and_another_does_not() -> None:
    first, again, other = Fleet(2, seed=5), Fleet(2, seed=5), Fleet(2, seed=6)
    hour = first.hour(HOUR_MS)
    first.hour(HOUR_MS + MS_PER_HOUR)
    assert hour.equals(again.hour(HOUR_MS))
    assert hour.equals(first.hour(HOUR_MS)), "an hour that was asked for before comes again"
    assert not hour.equals(other.hour(HOUR_MS))
    assert hour.cast(HOUR_SCHEMA).schema == HOUR_SCHEMA
    with pytest.raises(ValueError, match="before the first hour"):
        first.hour(HOUR_MS - MS_PER_HOUR)


def test_rows_are_in_the_order_of_an_hour_file_with_single_keys() -> None:
    table = Fleet(3, seed=5).hour(HOUR_MS).cast(HOUR_SCHEMA)
    keys = list(zip(*(table.column(name).to_pylist() for name in (*SERIES_KEY, "ts_ms")), strict=True))
    assert keys == sorted(set(keys))
    assert HOUR_MS <= min(key[3] for key in keys) <= max(key[3] for key in keys) < HOUR_MS + MS_PER_HOUR


@pytest.mark.parametrize("skipped_n", [0, 2])
def test_counters_go_on_over_the_hours_by_the_power_of_the_time_between(skipped_n: int) -> None:
    fleet = Fleet(2, seed=9)
    before, after = fleet.hour(HOUR_MS), fleet.hour(HOUR_MS + (1 + skipped_n) * MS_PER_HOUR)
    checked = 0
    for device in sorted(set(fleet.devices) - {"cpu-package-0", "cpu-package-1"}):
        last = of_device(before, device).slice(of_device(before, device).num_rows - 1).to_pylist()[0]
        first = of_device(after, device).to_pylist()[0]
        if last["session"] == first["session"]:
            between_s = (first["ts_ms"] - last["ts_ms"]) / 1000
            power_w = (first["energy_mj"] - last["energy_mj"]) / 1000 / between_s
            least, most = sorted((last["power_mw"] / 1000, first["power_mw"] / 1000))
            assert 0.8 * least - 20 <= power_w <= 1.2 * most + 20
            checked += 1
    assert checked > 10


def test_a_counter_integrates_the_power_inside_a_session() -> None:
    fleet = Fleet(1, seed=2)
    rows = of_device(fleet.hour(HOUR_MS), fleet.gpus[0][0])
    energy, power = (np.array(rows.column(name).to_pylist(), float) for name in ("energy_mj", "power_mw"))
    ms = rows.column("ts_ms").to_numpy()
    trapezoid = ((power[1:] + power[:-1]) / 2 * np.diff(ms) / 1000).sum()
    assert set(rows.column("session").to_pylist()) == {0}
    assert energy[-1] - energy[0] == pytest.approx(trapezoid, rel=0.002)


def test_only_registers_of_cpu_packages_wrap() -> None:
    for wraps in (False, True):
        table = Fleet(2, seed=4, wraps=wraps).hour(HOUR_MS)
        is_cpu = pc.equal(table.column("kind").cast(pa.string()), "cpu")
        drops = {}
        for name, mask in (("cpu", is_cpu), ("gpu", pc.invert(is_cpu))):
            some = table.filter(mask)
            step = np.diff(some.column("energy_mj").fill_null(0).to_numpy())
            codes = [some.column(key).combine_chunks().indices.to_numpy() for key in ("host", "device")]
            same = np.logical_and.reduce([np.diff(code) == 0 for code in codes])
            same &= np.diff(some.column("session").to_numpy()) == 0
            drops[name] = int(((step < 0) & same).sum())
        assert (drops["cpu"] > 3) == wraps
        most = pc.max(table.filter(is_cpu).column("energy_mj")).as_py()
        assert (most < WRAP_MJ) == wraps


def test_samples_get_lost_hosts_fall_silent_and_drivers_reload() -> None:
    table = Fleet(120, gpus_per_host=1, cpus_per_host=1, seed=11).hour(HOUR_MS)
    step_ms = np.diff(table.column("ts_ms").to_numpy())
    assert 0 < (step_ms > 30_000).sum() < 40
    lost = 1 - table.num_rows / (240 * 3600)
    assert 0.0005 < lost < 0.02
    silent = table.filter(pc.is_valid(table.column("gap_reason")))
    assert silent.num_rows > 0
    assert silent.column("energy_mj").null_count == silent.column("power_mw").null_count == silent.num_rows
    assert pc.max(table.column("session")).as_py() >= 1


def test_landed_tables_hold_the_readings_of_the_hour_once_each() -> None:
    fleet = Fleet(3, seed=7)
    hour = fleet.hour(HOUR_MS)
    landed = list(fleet.landed(HOUR_MS, 10))
    assert 3 * 4 <= len(landed) <= 3 * 6, "an outage may swallow a file"
    assert all(table.column_names == [column.name for column in POWER_SAMPLE.columns] for _, _, table in landed)
    assert all(set(table.column("host").to_pylist()) == {host} for host, _, table in landed)
    assert all(pc.max(table.column("ts_ms")).as_py() < written_ms for _, written_ms, table in landed)
    rows = pa.concat_tables([table.cast(POWER_SAMPLE.arrow_schema()) for _, _, table in landed])
    order = [(name, "ascending") for name in (*SERIES_KEY, "ts_ms")]
    wanted = hour.select(rows.column_names).cast(rows.schema).sort_by(order)
    assert rows.sort_by(order).equals(wanted)


def test_what_it_makes_is_accepted_by_the_landing_writer(tmp_path: Path) -> None:
    fleet = Fleet(10, seed=3)
    jobs = fleet.jobs(DAY_MS)
    writer = LandingWriter(tmp_path, host="bench", boot_id="b", collector_version="0")
    assert writer.write("job_event", jobs.events)
    assert writer.write("job_device", jobs.devices)
    for _, _, table in Fleet(1, seed=3).landed(HOUR_MS, 60):
        assert writer.write("power_sample", table.cast(POWER_SAMPLE.arrow_schema()))


def test_the_jobs_of_a_day_are_of_all_kinds() -> None:
    fleet = Fleet(40, seed=3)
    jobs = fleet.jobs(DAY_MS)
    assert jobs is fleet.jobs(DAY_MS)
    assert {row["job_id"].split("-")[0] for row in jobs.devices} == {"gang", "service", "notebook", "short"}
    short_ms = np.array([r["end_ms"] - r["start_ms"] for r in jobs.devices if r["job_id"].startswith("short")])
    assert 0.4 < (short_ms < 600_000).mean() < 0.6
    hosts_of: dict[str, set[str]] = {}
    for row in jobs.devices:
        hosts_of.setdefault(row["job_id"], set()).add(row["host"])
    assert max(len(hosts) for hosts in hosts_of.values()) == 4
    assert any(row["device"] == "*" for row in jobs.devices)
    assert any(row["share_fraction"] for row in jobs.devices)
    assert all(DAY_MS <= row["start_ms"] < row["end_ms"] <= DAY_MS + MS_PER_DAY for row in jobs.devices)

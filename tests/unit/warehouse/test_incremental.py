"""What changed is computed and nothing else: no reading is opened that has not changed, and the result is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.homes import write_config
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from tests.support.worlds import all_hashes, differing
from warehouse import transform
from warehouse.config import Config
from warehouse.engine import RunReport, run_all
from warehouse.lake import Lake, open_lake

NOON_MS = 1_741_003_200_000  # 2025-03-03 12:00 UTC
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
STEP_MS = 10_000
DEVICES = ("GPU-0", "GPU-1")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hours whose files were opened for reading, in order: counted where Parquet files are opened."""
    found: list[str] = []
    real = pq.ParquetFile.__init__

    def counting(self: pq.ParquetFile, source: Any, *args: Any, **named: Any) -> None:
        path = Path(str(source))
        if path.suffix == ".parquet" and "samples" in path.parts:
            found.append(path.parent.name.removeprefix("hour="))
        real(self, source, *args, **named)

    monkeypatch.setattr(pq.ParquetFile, "__init__", counting)
    return found


def _land(config: Config, hour: int, *, name: str = "w", device: str | None = None, written_ms: int = 0) -> None:
    """Let an hour of readings of some devices appear: at noon plus so many hours, 10 s apart, with a counter."""
    start_ms = NOON_MS + hour * HOUR_MS
    rows = [
        sample(
            start_ms + at,
            device=one,
            power_mw=300_000,
            energy_mj=300 * (start_ms - NOON_MS + at + 10 * HOUR_MS),
            source="nvml_energy",
        )
        for one in ((device,) if device else DEVICES)
        for at in range(1_000, HOUR_MS, STEP_MS)
    ]
    content = landed_bytes("power_sample", rows, written_ms=written_ms or start_ms + HOUR_MS)
    put(config.landing_path, landed_name("power_sample", start_ms, name), content)


def _land_job(config: Config, job_id: str, start_ms: int, end_ms: int, *, sequence: int = 1) -> None:
    rows = [job_event(start_ms, job_id, "started"), job_event(end_ms, job_id, "ended", state="completed")]
    for table, wanted in (("job_event", rows), ("job_device", [job_device(job_id, start_ms, end_ms=end_ms)])):
        _land_rows(config, table, wanted, sequence)


def _land_rows(config: Config, table: str, rows: list[dict[str, Any]], sequence: int) -> None:
    name = f"{rows[0]['job_id']}-{sequence}"
    content = landed_bytes(table, rows, written_ms=NOON_MS + 9 * HOUR_MS + sequence)
    put(config.landing_path, landed_name(table, NOON_MS, name), content)


@pytest.fixture
def history(lake: Lake) -> Lake:
    """Six hours of two devices, computed."""
    for hour in range(6):
        _land(lake.config, hour)
    assert run_all(lake).hour_files_opened == 6
    return lake


def _run(lake: Lake, opened: list[str]) -> tuple[RunReport, list[str]]:
    opened.clear()
    report = run_all(lake)
    # Compaction reads back what it wrote before it is used; the kernel reads it once.
    return report, sorted(opened)


def test_a_new_hour_opens_that_hour_only(history: Lake, opened: list[str]) -> None:
    before = history.value("select sum(energy_j) from core.device_energy where slot_start < '2025-03-03 18:00:00+00'")
    _land(history.config, 6)
    report, hours = _run(history, opened)
    assert report.hour_files_opened == 1
    assert set(hours) == {"18"}
    after = history.value("select sum(energy_j) from core.device_energy where slot_start < '2025-03-03 18:00:00+00'")
    assert after - before == pytest.approx(2 * 300 * 9), "the last seconds of the hour before are bridged now"


def test_a_late_file_opens_its_hour_only(history: Lake, opened: list[str]) -> None:
    _land(history.config, 2, name="late", device="GPU-2")
    report, hours = _run(history, opened)
    assert report.hour_files_opened == 1
    assert set(hours) == {"14"}


def test_a_job_opens_the_hours_that_it_cuts(history: Lake, opened: list[str]) -> None:
    _land_job(history.config, "j", NOON_MS + HOUR_MS + 1234, NOON_MS + 4 * HOUR_MS + 4321)
    report, hours = _run(history, opened)
    assert (report.hour_files_opened, hours) == (2, ["13", "16"])


def test_a_job_from_slot_edge_to_slot_edge_opens_nothing(history: Lake, opened: list[str]) -> None:
    _land_job(history.config, "j", NOON_MS + HOUR_MS, NOON_MS + 4 * HOUR_MS + 5 * MINUTE_MS)
    report, hours = _run(history, opened)
    assert (report.hour_files_opened, hours) == (0, [])
    assert history.value("select sum(energy_j) from core.job_energy where allocation = 'job'") > 0


def test_a_job_that_goes_on_opens_the_hours_of_its_old_and_new_end(history: Lake, opened: list[str]) -> None:
    start_ms = NOON_MS + 1234
    events = [job_event(start_ms, "j", "started"), job_event(NOON_MS + 2 * HOUR_MS + 777, "j", "heartbeat")]
    _land_rows(history.config, "job_event", events, 1)
    _land_rows(history.config, "job_device", [job_device("j", start_ms)], 1)
    assert _run(history, opened)[1] == ["12", "14"]
    _land_rows(history.config, "job_event", [job_event(NOON_MS + 4 * HOUR_MS + 888, "j", "ended")], 2)
    assert _run(history, opened)[1] == ["14", "16"]


@pytest.mark.parametrize(
    "change",
    [
        {"facility": [{"id": "dc1", "zone": "FR", "pue": 1.5, "hosts": ["host-*"]}]},
        {"hardware": [{"hosts": ["host-*"], "accelerator": "NVIDIA H100 SXM", "accelerators_n": 8}]},
        {"accounting": {"idle": "spread"}},
    ],
)
def test_other_factors_open_nothing(config: Config, opened: list[str], change: dict[str, Any]) -> None:
    with open_lake(config) as lake:
        _land(config, 0)
        _land_job(config, "j", NOON_MS + 1234, NOON_MS + 30 * MINUTE_MS + 4321)
        run_all(lake)
    with open_lake(write_config(config.home, **change)) as lake:
        report, hours = _run(lake, opened)
        assert report.days == ["2025-03-03"]
        assert (report.hour_files_opened, hours) == (0, [])


@pytest.mark.parametrize(
    ("change", "is_energy"),
    [
        ({"facility": [{"id": "dc1", "zone": "DE", "pue": 1.5, "hosts": ["host-*"]}]}, False),
        ({"hardware": [{"hosts": ["host-*"], "accelerator": "NVIDIA H100 SXM", "accelerators_n": 8}]}, False),
        ({"facility": [{"id": "dc1", "zone": "FR", "pue": 1.25, "hosts": ["host-*"]}]}, True),
        ({"accounting": {"idle": "spread"}}, True),
    ],
)
def test_a_factor_leaves_the_energy_of_jobs_as_it_is(
    config: Config, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], is_energy: bool
) -> None:
    with open_lake(config) as lake:
        _land(config, 0)
        _land_job(config, "j", NOON_MS + 1234, NOON_MS + 30 * MINUTE_MS + 4321)
        run_all(lake)
    filled: list[str] = []
    real = transform._fill_by_sql

    def noting(connection: Any, config: Any, run: Any, name: str, partition: str) -> int:
        filled.append(name)
        return real(connection, config, run, name, partition)

    monkeypatch.setattr(transform, "_fill_by_sql", noting)
    with open_lake(write_config(config.home, **change)) as lake:
        run_all(lake)
        assert "core.emission" in filled
        assert ("core.job_energy" in filled) == is_energy
        before = all_hashes(lake)
        run_all(lake, force=True)
        assert differing(before, all_hashes(lake)) == {}


def test_another_rule_opens_every_hour(config: Config, opened: list[str]) -> None:
    with open_lake(config) as lake:
        for hour in range(3):
            _land(config, hour)
        run_all(lake)
    with open_lake(write_config(config.home, accounting={"slot_minutes": 15})) as lake:
        assert _run(lake, opened)[0].hour_files_opened == 3


def test_what_was_computed_step_by_step_equals_what_is_computed_at_once(history: Lake) -> None:
    steps = [
        lambda: _land(history.config, 7),
        lambda: _land_job(history.config, "j", NOON_MS + 1234, NOON_MS + 7 * HOUR_MS + 99),
        lambda: _land(history.config, 6),
        lambda: _land(history.config, 3, name="late", device="GPU-3"),
        lambda: _land(history.config, 3, name="earlier", device="GPU-1", written_ms=1),
        lambda: _land_job(history.config, "k", NOON_MS + 2 * HOUR_MS, NOON_MS + 3 * HOUR_MS + 1),
    ]
    for step in steps:
        step()
        run_all(history)
    before = all_hashes(history)
    report = run_all(history, force=True)
    assert report.hour_files_opened == 8
    assert differing(before, all_hashes(history)) == {}

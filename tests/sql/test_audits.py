"""Every audit check fires on a planted fault and is silent on clean data; findings open, stay and close."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.homes import make_home
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from warehouse import engine
from warehouse.audits import all_checks, open_findings, run_audits
from warehouse.config import Config
from warehouse.lake import Lake, open_lake

START_MS = 1_741_000_000_000  # 2025-03-03 11:06:40 UTC
DAY = "2025-03-03"
S = 1000
MINUTES_10 = 600 * S


class Writer:
    """Puts files into a landing folder."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.sequence = 0

    def land(self, table: str, rows: list[dict]) -> None:
        self.sequence += 1
        at_ms = rows[0]["start_ms"] if "start_ms" in rows[0] else rows[0]["ts_ms"]
        content = landed_bytes(table, rows, written_ms=at_ms, sequence=self.sequence)
        put(self.config.landing_path, landed_name(table, at_ms, f"w-{self.sequence}"), content)

    def readings(self, step_s: int = 10, **changes: object) -> None:
        self.land("power_sample", [sample(START_MS + at, **changes) for at in range(0, MINUTES_10 + 1, step_s * S)])

    def job(self, job_id: str, **held: object) -> None:
        ended = job_event(START_MS + MINUTES_10, job_id, "ended", state="completed")
        self.land("job_event", [job_event(START_MS, job_id, "started"), ended])
        self.land("job_device", [job_device(job_id, START_MS, end_ms=START_MS + MINUTES_10, **held)])


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """One device, one job, everything known."""
    config = make_home(tmp_path_factory.mktemp("clean") / "home")
    writer = Writer(config)
    writer.readings()
    writer.job("good")
    with open_lake(config) as lake:
        engine.run_all(lake)
        yield lake


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """Every fault that can land."""
    places = [
        {"id": "dc1", "zone": "DE", "pue": 1.25, "hosts": ["host-*"]},
        {"id": "no-pue", "zone": "DE", "hosts": ["bare-*"]},
        {"id": "nowhere", "zone": "ZZ", "pue": 1.2, "hosts": ["far-*"]},
    ]
    config = make_home(tmp_path_factory.mktemp("faulty") / "home", facility=places)
    writer = Writer(config)
    writer.readings(host="host-0", device="GPU-twice")
    writer.readings(host="host-1", device="GPU-twice")
    writer.readings(step_s=300, host="host-2", device="GPU-gaps")
    writer.readings(host="bare-0", device="GPU-bare")
    writer.readings(host="far-0", device="GPU-far")
    writer.readings(host="stranger", device="GPU-stranger")
    writer.job("unmeasured", device="GPU-unknown")
    for name in ("one", "two"):
        writer.job(name, device="GPU-twice", share_fraction=0.8)
    put(config.landing_path, landed_name("power_sample", START_MS, "broken"), b"not parquet")
    writer.land("power_sample", [sample(START_MS, host="host-3"), sample(START_MS + S, host="host-3", power_mw=-1)])
    dropped = {"wattledger.dropped_n": "37"}
    full = landed_bytes("power_sample", [sample(START_MS, host="host-4")], written_ms=START_MS, metadata=dropped)
    put(config.landing_path, landed_name("power_sample", START_MS, "full"), full)
    with open_lake(config) as lake:
        engine.run_all(lake)
        # Ten minutes under two names are no double hour; make them hours, as an hour of readings would.
        lake.connection.execute(
            "UPDATE lake.core.job_energy SET measured_s = measured_s * 6 WHERE device = 'GPU-twice'"
        )
        lake.connection.execute("INSERT INTO lake.audit.pending VALUES ('2025-01-01', 'old', now() - INTERVAL 2 DAY)")
        yield lake


@pytest.mark.parametrize("check", [check.id for check in all_checks()])
def test_clean_data_give_no_finding(clean: Lake, check: str) -> None:
    assert run_audits(clean, only=[check]).findings == []


@pytest.mark.parametrize(
    ("check", "entity", "observed"),
    [
        ("coverage", f"{DAY} host-2/GPU-gaps/board", "0.0 of the time"),
        ("unmapped_region", f"{DAY} stranger", "0.05 kWh without a grid zone"),
        ("missing_factor", f"{DAY} it in ZZ", "0.05 kWh without a factor"),
        ("duplicated_device_time", f"{DAY} GPU-twice on host-0, host-1", "7200.0 s in one hour"),
        ("duplicated_device_time", f"{DAY} shares of host-0/GPU-twice", "1.6 of the device"),
        ("job_without_energy", f"{DAY} job unmeasured attempt 1", "no energy in 600.0 s"),
        ("facility_without_pue", f"{DAY} no-pue", "0.05 kWh without a PUE"),
        ("quarantine_open", "rows of power_sample refused for out_of_range", "1 open"),
        ("quarantine_open", "files refused for not_parquet", "1 open"),
        ("dropped_samples", "host-0 in 2025-03", "37 samples dropped"),
        ("overdue", "partition 2025-01-01", "to do since"),
    ],
)
def test_a_planted_fault_is_found(faulty: Lake, check: str, entity: str, observed: str) -> None:
    found = {one.entity: one.observed for one in run_audits(faulty, only=[check]).findings}
    assert entity in found, found
    assert found[entity].startswith(observed)


@pytest.mark.parametrize(
    ("check", "tamper", "entity"),
    [
        (
            "conservation",
            "UPDATE lake.core.job_energy SET energy_j = energy_j * 1.001",
            f"{DAY} 11:00 host-0/GPU-0/board",
        ),
        ("conservation", "DELETE FROM lake.core.job_energy", f"{DAY} 11:00 host-0/GPU-0/board"),
        ("jobs_add_up", "UPDATE lake.mart.footprint_daily SET it_kwh = it_kwh + 1e-6", f"{DAY} it_kwh"),
        ("jobs_add_up", "UPDATE lake.mart.footprint_daily SET total_kgco2e = 0", f"{DAY} total_kgco2e"),
        ("jobs_add_up", "UPDATE lake.mart.job SET it_kwh = 2 * it_kwh", f"{DAY} it_kwh of job good attempt 1"),
        (
            "months_add_up",
            "DELETE FROM lake.mart.training_vs_inference_monthly WHERE phase_group = 'training'",
            "2025-03-01 Example training it_kwh",
        ),
        (
            "months_add_up",
            "UPDATE lake.mart.training_vs_inference_monthly SET total_kgco2e = total_kgco2e * 2",
            "2025-03-01 Example training total_kgco2e",
        ),
    ],
)
def test_a_wrong_sum_is_critical_until_it_is_computed_again(clean: Lake, check: str, tamper: str, entity: str) -> None:
    clean.connection.execute(tamper)
    report = run_audits(clean, days=[DAY], only=[check])
    assert entity in {one.entity for one in report.findings}
    assert report.opened == len(report.findings) == len(report.blocking)
    assert open_findings(clean, blocking_only=True) == report.findings
    again = run_audits(clean, days=[DAY], only=[check])
    assert (again.opened, again.closed) == (0, 0), "it stays open"
    run = engine.begin(clean)
    if check == "months_add_up":
        engine.compute_month(clean, run, DAY[:7])
    else:
        engine.compute_day(clean, run, DAY)
    clean.connection.execute("DELETE FROM lake.audit.pending")  # the month that the day asks for is as it was
    healed = run_audits(clean, days=[DAY], only=[check])
    assert (healed.findings, healed.closed) == ([], len(report.findings))
    assert open_findings(clean) == []


def test_a_finding_keeps_the_time_at_which_it_was_seen_first(faulty: Lake) -> None:
    sql = "SELECT first_seen, last_seen FROM audit.finding WHERE check_id = 'unmapped_region'"
    run_audits(faulty, only=["unmapped_region"])
    first, seen = faulty.rows(sql)[0]
    run_audits(faulty, only=["unmapped_region"])
    again, later = faulty.rows(sql)[0]
    assert again == first
    assert later > seen


def test_other_days_and_other_checks_keep_their_findings(faulty: Lake) -> None:
    run_audits(faulty)
    before = open_findings(faulty)
    assert len({one.check_id for one in before}) >= 8
    report = run_audits(faulty, days=["2025-03-04"], only=["coverage", "unmapped_region"])
    assert (report.findings, report.closed) == ([], 0)
    assert open_findings(faulty) == before


def test_a_month_that_is_to_do_is_not_yet_wrong(clean: Lake) -> None:
    clean.connection.execute("UPDATE lake.mart.training_vs_inference_monthly SET it_kwh = it_kwh + 1")
    engine.note_days(clean, ["2025-03"], "test")
    assert run_audits(clean, only=["months_add_up"]).findings == []
    engine.compute_month(clean, engine.begin(clean), "2025-03")


def test_an_unknown_check_is_named_with_those_that_exist(clean: Lake) -> None:
    with pytest.raises(ValueError, match="no audit check nonsense; the checks are: clock_offset, conservation"):
        run_audits(clean, only=["nonsense"])


def test_the_page_lists_every_check_with_its_severity() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "audits.md").read_text()
    for check in all_checks():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{check.id}` |"))
        assert f"| {check.severity} |" in row
        assert ("stops publication" in row) == check.blocking

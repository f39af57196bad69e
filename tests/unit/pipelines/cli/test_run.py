"""``wattledger run`` and ``report``: what it says, what it refuses, what it writes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from dagster import AssetKey, DagsterInstance

from pipelines.cli import figures
from pipelines.cli import record as recording
from pipelines.cli.run import finish
from pipelines.definitions import build_defs
from tests.support.homes import make_home
from tests.support.readings import count_readings
from tests.unit.pipelines.cli.helpers import Run, land
from warehouse import lake as lake_module
from warehouse.config import Config, load_config
from warehouse.engine import RunReport
from warehouse.ingest import FileOutcome
from warehouse.lake import open_lake
from warehouse.temporaries import ALL


def test_the_first_run_says_what_went_in_what_was_refused_and_what_came_out(computed: Path) -> None:
    output = (computed / "first-output.txt").read_text()
    assert "Taken in: 3 files with 126 rows" in output
    assert "REFUSED power_sample/date=2025-03-03/hour=11/torn.parquet:" in output
    assert "next: wattledger quarantine show " in output
    assert "mart.training_vs_inference_monthly" in output
    assert "Training against inference, 2025-03, Example" in output
    assert "training" in output
    assert "inference" in output
    assert "ESTIMATED" not in output, "these readings are measured"
    assert str(computed / "reports") in output
    assert Path(output.partition("Report:")[2].split()[0]).is_file()


def test_a_second_run_has_nothing_to_do(computed: Path, wattledger: Run) -> None:
    before = (computed / "published" / "organisation.duckdb").stat().st_mtime_ns
    output = wattledger("run", "--no-record").output
    assert "Computed: nothing" in output
    assert "Training against inference, 2025-03" in output
    assert before, "it was published before"


def test_one_table_again(computed: Path, wattledger: Run) -> None:
    output = wattledger("run", "--only", "mart.job", "--from", "2025-03-03", "--to", "2025-03-03").output
    assert "mart.job" in output
    assert "core.emission" not in output


def test_an_unknown_table_is_wrong_use_and_the_tables_are_named(computed: Path, wattledger: Run) -> None:
    output = wattledger("run", "--only", "mart.jobs", code=2).output
    assert "mart.jobs is not a computed table" in output
    assert "mart.job," in output


@pytest.mark.parametrize("range_", [["--from", "yesterday"], ["--from", "2025-03-02", "--to", "2025-03-01"]])
def test_a_range_that_is_none_is_wrong_use(computed: Path, wattledger: Run, range_: list[str]) -> None:
    assert wattledger("run", *range_, code=2).output


def test_an_empty_ledger_says_so(home: Config, wattledger: Run) -> None:
    output = wattledger("run").output
    assert "Taken in: 0 files" in output
    assert "No energy is in the ledger yet" in output


def test_estimates_and_what_is_not_known_are_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wattledger: Run
) -> None:
    monkeypatch.setenv("WATTLEDGER_HOME", str(tmp_path / "home"))
    land(make_home(tmp_path / "home", facility=[{"id": "dc1", "hosts": ["host-*"]}]), estimated=True)
    output = wattledger("run").output
    lines = output.splitlines()
    assert any(line.startswith("Training against inference") and "energy: ESTIMATED" in line for line in lines)
    basis = next(line for line in lines if line.startswith("basis of the energy"))
    assert basis.count("ESTIMATED") == 2, "for training and for inference"
    shown = {line.partition(" │ ")[0].strip(): line for line in lines if " │ " in line}
    assert shown["operational, gCO2e"].count("not known") == 2, "without a zone nothing is assumed"
    assert shown["with overhead (PUE), kWh"].count("not known") == 2
    assert shown["total, gCO2e"].count("at least ") == 2, "embodied alone is not the total"
    assert shown["low - high, gCO2e"].count("- not known") == 2
    assert "Training caused" not in output
    assert "have no grid factor: state the zone" in output


def test_dagster_is_told_with_row_counts_where_it_is_set_up(changed: Config, wattledger: Run) -> None:
    recording.prepare_dagster_home(changed.home)
    assert "materialisations noted" in wattledger("run", "--only", "mart.job").output
    with DagsterInstance.from_config(str(changed.home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(AssetKey(["mart", "job"]))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["dagster/row_count"].value == 2
    assert event.asset_materialization.partition == "2025-03-03"


def test_all_that_a_run_notes_is_in_the_graph_and_in_its_partitions(computed: Path) -> None:
    day, month = "2025-03-03", "2025-03"
    report = RunReport(
        computed={
            ("mart.job", day): 2,
            ("mart.training_vs_inference_monthly", month): 2,
            ("mart.model_lifecycle", ALL): 1,
        },
        published=computed / "published" / "organisation.duckdb",
    )
    report.ingest.outcomes.append(FileOutcome("power_sample/date=2025-03-03/hour=11/a.parquet", "loaded", rows_total=9))
    with open_lake(load_config(computed / "wattledger.toml"), read_only=True) as lake:
        noted = [*recording._tables(lake, report), *recording._files(report, computed / "first-output.txt")]
    known = {spec.key: spec.partitions_def for spec in build_defs().resolve_all_asset_specs()}
    for event in noted:
        partitions = known[event.asset_key]
        assert (partitions is None) == (event.partition is None), event.asset_key
        assert partitions is None or partitions.has_partition_key(event.partition), event
    keys = {(event.asset_key.to_user_string(), event.partition) for event in noted}
    assert {("raw/sample_hour", "2025-03-03-11:00"), ("published/report", None), ("ref/factor", None)} <= keys


def test_a_dagster_that_cannot_be_told_does_not_fail_the_run(
    home: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(recording, "record", broken)
    finish(SimpleNamespace(config=home), RunReport(), record=True)
    assert "Dagster was not told (OperationalError: database is locked)" in capsys.readouterr().out


def test_a_busy_lake_has_its_own_exit_code(home: Config, wattledger: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_module, "LOCK_TIMEOUT_S", 0.2)
    catalog = home.catalog_dsn.removeprefix("sqlite:")
    script = (
        "import filelock, sys, time\nwith filelock.FileLock(sys.argv[1]):\n print('held', flush=True)\n time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, f"{catalog}.lock"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        try:
            output = wattledger("run", code=4).output
        finally:
            other.kill()
    assert "another process has held" in output


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half_done(home: Config, wattledger: Run) -> None:
    land(home)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[4])}
    command = [sys.executable, "-m", "pipelines.cli", "run"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ingest: 0")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Nothing is left half done" in errors
    assert "Traceback" not in errors
    output = wattledger("run").output
    assert "Training against inference, 2025-03" in output
    with open_lake(home, read_only=True) as lake:
        assert lake.value("SELECT count(*) FROM mart.job") == 2
        assert count_readings(lake) == 120


def test_report_writes_again_and_says_where(computed: Path, wattledger: Run, real_report: None) -> None:
    output = wattledger("report").output
    assert Path(output.removeprefix("Report:").strip()).is_file()


def test_report_without_anything_published_says_what_to_do(home: Config, wattledger: Run) -> None:
    assert "`wattledger run` publishes" in wattledger("report", code=1).output


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "not known"), (0.0, "0"), (0.000024, "0.0000240"), (1.5, "1.50"), (99.6, "99.6"), (123456.7, "123,457")],
)
def test_figures_have_three_digits(value: float | None, text: str) -> None:
    assert figures.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "not known"), (1.0, "100 %"), (0.99999, "99.9 %"), (1e-6, "0.1 %"), (0.0, "0 %")]
)
def test_a_part_is_never_shown_as_all_or_nothing(value: float | None, text: str) -> None:
    assert figures.percent(value) == text


def test_the_unit_follows_the_largest_mass() -> None:
    assert figures.mass_unit([0.02, None]) == ("gCO2e", 1e3)
    assert figures.mass_unit([150.0, 0.1]) == ("kgCO2e", 1.0)
    assert figures.mass_unit([2e6]) == ("tCO2e", 1e-3)
    assert figures.mass_unit([None]) == ("gCO2e", 1e3)


def test_basis_tells_measured_from_estimated_and_mixed() -> None:
    assert [figures.basis(1.0, part) for part in (0.0, 1.0, 0.25)] == ["measured", "ESTIMATED", "25.0 % estimated"]
    assert figures.basis(0.0, 0.0) == "-"


def test_dagster_settings_come_with_the_program_and_stay_when_edited(tmp_path: Path) -> None:
    folder = recording.prepare_dagster_home(tmp_path)
    assert "enabled: false" in (folder / "dagster.yaml").read_text()
    (folder / "dagster.yaml").write_text("# mine")
    recording.prepare_dagster_home(tmp_path)
    assert (folder / "dagster.yaml").read_text() == "# mine"


def test_an_installation_without_dagster_settings_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "PLACES", (tmp_path / "a" / "dagster.yaml", tmp_path / "b" / "dagster.yaml"))
    with pytest.raises(FileNotFoundError, match="install wattledger again"):
        recording.prepare_dagster_home(tmp_path)


def test_a_critical_finding_keeps_what_was_published_and_says_so(changed: Config, wattledger: Run) -> None:
    published = changed.published_path / "organisation.duckdb"
    before = published.read_bytes()
    with open_lake(changed) as lake:
        lake.connection.execute(
            "INSERT INTO lake.audit.finding VALUES "
            "('conservation', 'critical', '2024-01-01 00:00 a/gpu-0/board', '1 J', '2 J', 'open', now(), now())"
        )
    output = wattledger("run", "--no-record", code=1).output
    assert "CRITICAL conservation: 2024-01-01 00:00 a/gpu-0/board: 1 J, expected 2 J" in output
    assert "NOT PUBLISHED" in output
    assert published.read_bytes() == before


def test_open_findings_that_only_warn_do_not_hold_publication(changed: Config, wattledger: Run) -> None:
    with open_lake(changed) as lake:
        lake.connection.execute(
            "INSERT INTO lake.audit.finding VALUES "
            "('coverage', 'major', '2024-01-01 a', '0.5', '0.95', 'open', now(), now())"
        )
    output = wattledger("run", "--no-record").output
    assert "coverage 1" in output
    assert "NOT PUBLISHED" not in output

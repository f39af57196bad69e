"""doctor, repair, audit, import, ui and first-run: what each hands on and what it says."""

from __future__ import annotations

import json
import socket
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.cli import first_run, measured, ui
from pipelines.cli.errors import CliError
from tests.unit.pipelines.cli.helpers import Run
from warehouse.config import Config
from warehouse.lake import open_lake

ROOT = Path(__file__).resolve().parents[4]
MAPPING = """
format = 1
name = "meter"
title = "A meter"
[constants]
zone = { value = "UTC", reason = "the meter states none" }
[[table]]
landing = "facility_reading"
[table.columns]
facility = { constant = "dc1" }
"""


@dataclass
class Finding:
    """As warehouse.doctor gives them."""

    level: str
    what: str
    detail: str
    advice: str = ""


@pytest.mark.parametrize(("levels", "code"), [(["ok", "warning"], 0), (["ok", "error"], 1), ([], 0)])
@pytest.mark.parametrize("command", ["doctor", "repair"])
def test_doctor_and_repair_show_findings_and_fail_on_errors(
    home: Config, wattledger: Run, monkeypatch: pytest.MonkeyPatch, command: str, levels: list[str], code: int
) -> None:
    def findings(*_: Any, **__: Any) -> list[Finding]:
        return [Finding(level, f"{level} thing", "seen", f"mend {level}") for level in levels]

    module = types.SimpleNamespace(examine=findings, repair=findings)
    monkeypatch.setitem(sys.modules, "warehouse.doctor", module)
    output = wattledger(command, code=code).output
    for level in levels:
        assert f"{level} thing" in output
        assert (f"mend {level}" in output) == (level != "ok"), "advice is for what is not well"


def test_doctor_of_a_good_installation_finds_no_error(changed: Config, wattledger: Run) -> None:
    pytest.importorskip("warehouse.doctor")
    wattledger("doctor", "--deep")
    wattledger("repair")


def test_audit_finds_nothing_critical_in_a_good_ledger(computed: Path, wattledger: Run) -> None:
    assert "checks: " in wattledger("audit").output


def test_audit_fails_on_a_critical_finding(changed: Config, wattledger: Run) -> None:
    with open_lake(changed) as lake:
        lake.transaction(lambda inside: inside.execute("UPDATE lake.core.job_energy SET energy_j = energy_j * 2"))
    output = wattledger("audit", code=1).output
    assert "critical" in output
    assert "of them critical" in output


def test_import_list_names_the_shipped_mappings(wattledger: Run) -> None:
    output = wattledger("import", "--list").output
    assert "mlperf-training-smc-ac" in output
    assert "Alibaba openb GPU cluster trace 2023" in output


def test_import_without_a_format_is_wrong_use(wattledger: Run) -> None:
    assert "--list" in wattledger("import", code=2).output


def test_import_of_an_unknown_mapping_is_wrong_use(home: Config, wattledger: Run, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a\n1\n")
    output = wattledger("import", "table", "--map", "nothing", str(tmp_path / "data.csv"), code=2).output
    assert "no mapping file nothing" in output


def test_import_of_a_wrong_mapping_names_file_and_key(home: Config, wattledger: Run, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a\n1\n")
    (tmp_path / "meter.toml").write_text(MAPPING)
    output = wattledger("import", "table", "--map", str(tmp_path / "meter.toml"), str(tmp_path / "data.csv"), code=2)
    assert "meter.toml" in output.output


def test_import_says_what_it_assumed_read_left_out_and_landed(home: Config, wattledger: Run, tmp_path: Path) -> None:
    folder = tmp_path / "azure"
    folder.mkdir()
    rows = ["TIMESTAMP,ContextTokens,GeneratedTokens", "2023-11-16 18:17:03.9799600,4808,10", "not a time,3180,8"]
    for name in ("code", "conv"):
        (folder / f"AzureLLMInferenceTrace_{name}.csv.gz").write_bytes(_gzip("\n".join(rows) + "\n"))
    result = wattledger("import", "table", "--map", "azure-llm-2023", str(folder), code=3)
    assert "ASSUMED: zone = 'UTC': the trace states no zone" in result.output
    assert "read 4 rows, filtered 0, landed 2, rejected 2" in result.output
    assert "rejected unparseable_time: 2 rows" in result.output
    assert "Next: wattledger run" in result.output
    again = wattledger("import", "table", "--map", "azure-llm-2023", str(folder), code=3)
    assert "0 files landed, 1 were there already" in again.output


def _gzip(text: str) -> bytes:
    import gzip

    return gzip.compress(text.encode(), mtime=0)


def test_ui_prepares_dagster_and_hands_over(home: Config, wattledger: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def execute(program: str, command: list[str], environ: dict[str, str]) -> None:
        seen.update(program=program, command=command, environ=environ)

    monkeypatch.setattr(ui.os, "execvpe", execute)
    output = wattledger("ui", "--port", str(_free_port())).output
    assert "http://127.0.0.1:" in output
    assert seen["command"][1:7] == ["-m", "dagster", "dev", "-m", "pipelines.definitions", "-h"]
    assert seen["environ"]["DAGSTER_HOME"] == str(home.home / "dagster")
    assert seen["environ"]["WATTLEDGER_HOME"] == str(home.home)
    assert seen["environ"]["DAGSTER_DISABLE_TELEMETRY"] == "yes"
    assert (home.home / "dagster" / "dagster.yaml").is_file()
    assert "asks nobody for a password" in wattledger("ui", "--host", "0.0.0.0", "--port", str(_free_port())).output


def test_ui_says_at_once_where_a_port_is_taken(home: Config, wattledger: Run) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        output = wattledger("ui", "--port", str(other.getsockname()[1]), code=1).output
    assert "Address already in use; name another with --port" in output


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_first_run_without_the_example_says_that_it_needs_a_clone(
    wattledger: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(first_run, "PLACES", (tmp_path / "a", tmp_path / "b"))
    output = wattledger("first-run", code=1).output
    assert "clone of the repository" in output
    assert not (tmp_path / "nobody").exists(), "nothing may be made before it is known that it can go on"


def test_a_job_that_fails_ends_the_first_run_with_its_exit_code(
    wattledger: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WATTLEDGER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(measured, "run_job", lambda *_: 7)
    output = wattledger("first-run", "--quick", code=1).output
    assert "ended with exit code 7" in output
    assert [path.name for path in (tmp_path / "home").glob(".first-run-*")] == []


def test_a_measured_job_lands_what_it_says_of_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = "import sys; print('[1/2] half'); print('free text \\x1b[31m'); sys.exit(5)"
    code = measured.run_job([sys.executable, "-c", script], "j", "training", tmp_path / "landing")
    assert code == 5
    assert list((tmp_path / "landing").glob("job_event/*/*/*.parquet"))
    output = capfd.readouterr().out
    assert "training: [1/2] half" in output
    assert "free text \\x1b[31m" in output


def test_a_probe_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "COLLECT", (sys.executable, "-c", "import sys; sys.exit('no such thing')"))
    with pytest.raises(CliError, match="no such thing"):
        measured.probe()


def test_the_probe_marks_estimates(capsys: pytest.CaptureFixture[str]) -> None:
    finding = {"device": "cpu-package-0", "kind": "cpu", "source": "model", "status": "estimated", "reason": None}
    measured.show_probe({"findings": [finding]})
    assert "ESTIMATED is modelled" in capsys.readouterr().out


def test_forests_pass_from_training_to_inference_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("random_forest", ROOT / "examples/first_run/random_forest.py")
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "random_forest", example)
    spec.loader.exec_module(example)
    sizes = (example.Size("main", 5, 300, 1, 2),)
    monkeypatch.setenv("WATTLEDGER_REPORT", str(tmp_path / "report.jsonl"))
    monkeypatch.setattr(example, "PROCESSORS", 1)
    example.train(tmp_path, sizes)
    example.infer(tmp_path, sizes)
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    accuracies = [line["quality_value"] for line in lines if "quality_value" in line]
    assert len(accuracies) == 2
    assert accuracies[0] == pytest.approx(accuracies[1])
    assert [line["phase"] for line in lines if "phase" in line] == ["deployment", "inference"]
    assert sum(line.get("requests_n", 0) for line in lines) == 2
    features, classes = example.data(sizes)
    fitted = example.RandomForestClassifier(5, random_state=example.SEED, n_jobs=1).fit(features[:300], classes[:300])
    read = example.load(tmp_path / "main.npz")
    np.testing.assert_array_equal(read.predict_proba(features[-500:]), fitted.predict_proba(features[-500:]))

"""A measured command: its exit code, its samples, its events, whatever goes wrong around it."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import sys
import threading
import time

import pytest

from collectors.jobs.execute import run_job
from collectors.jobs.job import Job
from tests.support.measuring import FakeSource, LandHere, landed, settings_of


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def _run(command, tmp_path, job=None, *, interval_s=0.05, source=None, **more):
    settings = settings_of(tmp_path, interval_s=interval_s, **more.pop("settings", {}))
    child = more.pop("child", None) or LandHere(settings)
    return run_job(command, job or Job("j"), settings, [source or FakeSource()], landing_child=child, **more)


def test_a_real_command_is_measured_from_start_to_end(tmp_path):
    job = Job("j", team="t", model="m", phase="training", labels={"b": "2", "a": "1"})
    result = _run(["bash", "-c", "sleep 0.35; exit 7"], tmp_path, job, interval_s=0.1)
    tables = landed(tmp_path)
    assert (result.exit_code, result.state, result.measured, result.has_loss) == (7, "failed", True, False)
    samples = tables["power_sample"]
    assert len(samples) == result.samples_n >= 4
    stamps = [sample["ts_ms"] for sample in samples]
    assert stamps == sorted(set(stamps))
    events = {event["event"]: event for event in tables["job_event"]}
    assert set(events) == {"started", "ended"}
    assert (stamps[0], stamps[-1]) == (events["started"]["ts_ms"], events["ended"]["ts_ms"])
    assert (events["ended"]["state"], events["ended"]["exit_code"], events["ended"]["team"]) == ("failed", 7, "t")
    assert events["ended"]["labels"] == [("a", "1"), ("b", "2")]
    assert [(d["device"], d["start_ms"], d["end_ms"]) for d in tables["job_device"]] == [("*", stamps[0], stamps[-1])]
    assert tables["asset_event"][0]["hardware_model"] == "Test CPU"
    assert "work_counter" not in tables
    # 100 W by the counter over the job's own interval, from nothing but what was landed.
    joules = (samples[-1]["energy_mj"] - samples[0]["energy_mj"]) / 1000
    assert joules == pytest.approx(100 * (stamps[-1] - stamps[0]) / 1000, rel=0.15)
    assert set(result.landed) == {str(path) for path in (tmp_path / "landing").rglob("*.parquet")}
    assert not list((tmp_path / "state" / "spool").iterdir())


def test_landing_happens_in_a_process_of_its_own(tmp_path):
    settings = settings_of(tmp_path, interval_s=0.1)
    result = run_job(["true"], Job("j"), settings, [FakeSource()])
    assert (result.waiting, result.has_loss) == ((), False)
    assert {event["event"] for event in landed(tmp_path)["job_event"]} == {"started", "ended"}


def test_the_commands_own_report_reaches_the_tables(tmp_path):
    code = (
        "import json, os, time\n"
        "out = open(os.environ['WATTLEDGER_REPORT'], 'a')\n"
        "time.sleep(0.1)\n"
        "say = lambda **line: (out.write(json.dumps(line) + '\\n'), out.flush())\n"
        "say(phase='evaluation', ts_ms=int(time.time() * 1000))\n"
        "say(requests_n=2, input_tokens_n=10)\n"
        "say(requests_n=3, output_tokens_n=5, other_unit='row', other_n=4)\n"
        "say(other_unit='image', other_n=4)\n"
        "say(requests_n=-1, nonsense=1, quality_value=float('nan'), phase='party')\n"
        "out.write('no json\\n[1]\\n')\n"
        "say(quality_metric='accuracy', quality_value=0.97, parameters_n=70, tokens_n=9)\n"
        "out.write('{\"requests_n\": 1}')\n"
    )
    errors = io.StringIO()
    result = _run(_python(code), tmp_path, Job("j", model="m", phase="training"), stderr=errors)
    tables = landed(tmp_path)
    events = {event["event"]: event for event in tables["job_event"]}
    assert result.exit_code == 0
    assert result.started_ms < events["phase_changed"]["ts_ms"] < result.ended_ms
    assert events["phase_changed"]["phase"] == events["ended"]["phase"] == "evaluation"
    assert events["started"]["phase"] == "training"
    ended = events["ended"]
    assert (ended["quality_metric"], ended["quality_value"], ended["parameters_n"], ended["tokens_n"]) == (
        "accuracy",
        0.97,
        70,
        9,
    )
    work = tables["work_counter"]
    assert len(work) == 1
    assert (work[0]["requests_n"], work[0]["input_tokens_n"], work[0]["output_tokens_n"]) == (6, 10, 5)
    assert (work[0]["other_unit"], work[0]["other_n"]) == ("row", 4.0)
    assert (work[0]["start_ms"], work[0]["end_ms"]) == (result.started_ms, result.ended_ms)
    for told in ("requests_n=-1", "nonsense", "quality_value=nan", "party", "no json", "other_n=4"):
        assert told in errors.getvalue()


def test_of_several_phases_in_one_tick_the_last_one_holds(tmp_path):
    code = "import os; open(os.environ['WATTLEDGER_REPORT'], 'a').write('{\"phase\": \"training\"}\\n' * 2 + "
    code += '\'{"phase": "evaluation"}\\n\')'
    _run(_python(code), tmp_path, interval_s=5)
    changes = [event for event in landed(tmp_path)["job_event"] if event["event"] == "phase_changed"]
    assert [change["phase"] for change in changes] == ["evaluation"]


@pytest.mark.parametrize(("command", "code"), [(["/no/such/program"], 127), (["/etc/passwd"], 126)])
def test_a_command_that_cannot_start_is_a_failed_job(tmp_path, command, code):
    errors = io.StringIO()
    result = _run(command, tmp_path, stderr=errors)
    assert (result.exit_code, result.state) == (code, "failed")
    assert command[0] in errors.getvalue()
    assert {event["event"] for event in landed(tmp_path)["job_event"]} == {"started", "ended"}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_passed_on_and_the_job_is_cancelled(tmp_path, signum):
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signum))
    timer.start()
    before = signal.getsignal(signum)
    result = _run(["sleep", "20"], tmp_path, interval_s=0.1)
    timer.join()
    assert (result.exit_code, result.state) == (128 + signum, "cancelled")
    assert result.ended_ms - result.started_ms < 5000
    assert landed(tmp_path)["job_event"][-1]["exit_code"] == 128 + signum
    assert signal.getsignal(signum) is before


def test_a_command_that_handles_the_signal_and_succeeds_is_completed(tmp_path):
    code = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print('x', flush=True); time.sleep(20)"
    timer = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    result = _run(_python(code), tmp_path, interval_s=0.1)
    timer.join()
    assert (result.exit_code, result.state) == (0, "completed")


def test_landing_that_cannot_be_written_costs_nothing_but_time(tmp_path):
    errors = io.StringIO()
    settings = settings_of(tmp_path, interval_s=0.05, flush_s=0.1)
    (tmp_path / "landing").write_text("a file where the folder should be")
    result = run_job(["sleep", "0.6"], Job("j"), settings, [FakeSource()], stderr=errors)
    assert (result.exit_code, result.landed, result.has_loss) == (0, (), False)
    assert len(result.waiting) >= 2
    assert "journals are kept" in errors.getvalue()
    assert f"wait in {tmp_path / 'state' / 'spool'}" in errors.getvalue()
    (tmp_path / "landing").unlink()
    again = _run(["true"], tmp_path, Job("k"))
    tables = landed(tmp_path)
    assert len({sample["ts_ms"] for sample in tables["power_sample"]}) == result.samples_n + again.samples_n
    assert [event["event"] for event in tables["job_event"] if event["job_id"] == "j"] == ["started", "ended"]


def test_a_spool_that_cannot_be_written_is_replaced_by_a_folder_that_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "state").write_text("in the way")
    errors = io.StringIO()
    result = _run(["true"], tmp_path, stderr=errors)
    assert (result.exit_code, result.has_loss) == (0, False)
    rescued = next(tmp_path.glob("wattledger-spool-*"))
    assert str(rescued) in errors.getvalue()
    LandHere(settings_of(tmp_path)).run(rescued)
    assert {event["event"] for event in landed(tmp_path)["job_event"]} == {"started", "ended"}


def test_heartbeats_tell_that_a_long_job_lives_and_its_hold_grows_with_them(tmp_path, clock):
    clock.on_sleep = lambda _: time.sleep(0.002)
    source = FakeSource(clock.monotonic_ns)
    result = _run(["sleep", "0.4"], tmp_path, clock=clock, source=source, interval_s=1.0, settings={"flush_s": 100})
    tables = landed(tmp_path)
    beats = sorted(event["ts_ms"] for event in tables["job_event"] if event["event"] == "heartbeat")
    assert len(beats) == (result.ended_ms - result.started_ms - 1000) // 60_000
    assert all(b - a == 60_000 for a, b in itertools.pairwise(beats))
    holds = [(row["start_ms"], row["end_ms"]) for row in tables["job_device"]]
    assert (holds[0][0], holds[-1][1]) == (result.started_ms, result.ended_ms)
    assert all(first[1] == second[0] for first, second in itertools.pairwise(holds))


def test_the_environment_names_the_report_and_keeps_the_rest(tmp_path):
    out = tmp_path / "out.json"
    code = f"import json, os; json.dump(dict(os.environ), open({str(out)!r}, 'w'))"
    _run(_python(code), tmp_path, environ={"A": "1", "PATH": os.environ["PATH"]})
    environ = json.loads(out.read_text())
    assert environ["A"] == "1"
    assert environ["WATTLEDGER_REPORT"].endswith("report.jsonl")

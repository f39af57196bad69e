"""Running one command as a measured job through the collectors, with progress; and what the collectors find here.

What belongs here: starting ``wattledger-collect`` as users do, in its own process. What must not be here: sampling.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipelines.cli.console import Steps, say, show_table, steps
from pipelines.cli.errors import CliError

EXAMPLE_FACILITY = "example-site"
COLLECT = (sys.executable, "-m", "collectors")
# Short jobs deserve closer readings than the usual second.
INTERVAL_S = 0.5
STOP_TIMEOUT_S = 30.0
ATTRIBUTES = {"team": "example-team", "project": "first-run", "model": "random-forest", "model-version": "1"}
_STEP = re.compile(r"\[(\d+)/(\d+)\] (.*)")


def probe() -> dict[str, Any]:
    """Return what ``wattledger-collect probe --json`` finds on this host."""
    done = subprocess.run([*COLLECT, "probe", "--json"], capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        msg = f"wattledger-collect probe failed (exit code {done.returncode}): {done.stderr.strip()}"
        raise CliError(msg) from None
    return dict(found)


def show_probe(found: dict[str, Any]) -> None:
    """Print what is measured here, what is estimated and why."""
    rows = [
        (finding["device"], finding["kind"], finding["source"], finding["status"], finding["reason"] or "")
        for finding in found["findings"]
    ]
    show_table(("device", "kind", "source", "status", "reason"), rows)
    if any(finding["status"] == "estimated" for finding in found["findings"]):
        say("What is ESTIMATED is modelled from utilisation and marked as an estimate wherever it appears.")
    say("`wattledger-collect probe` says how to get counters that cannot be read here.")


def run_job(command: list[str], job_id: str, phase: str, landing: Path) -> int:
    """Run a command as a job under ``wattledger-collect exec``; its lines ``[2/3] text`` move the progress.

    Args:
        command: program and arguments.
        job_id: identifier of the job.
        phase: life-cycle phase at its start.
        landing: landing folder.

    Returns:
        The exit code of the command.
    """
    flags = {"landing": str(landing), "job-id": job_id, "phase": phase, "interval-s": str(INTERVAL_S), **ATTRIBUTES}
    arguments = [part for name, value in flags.items() for part in (f"--{name}", value)]
    with (
        steps() as progress,
        subprocess.Popen(
            [*COLLECT, "exec", *arguments, "--", *command],
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        try:
            return _follow(process, progress, phase)
        except BaseException:
            _stop(process)
            raise


def _follow(process: subprocess.Popen[str], progress: Steps, phase: str) -> int:
    assert process.stdout is not None
    progress(phase, 0, 1, "starting")
    for line in process.stdout:
        step = _STEP.match(line.strip())
        if step and progress.is_live:
            progress(phase, int(step[1]), int(step[2]), "")
        progress.note(f"  {phase}: {line.strip()}")
    return process.wait()


def _stop(process: subprocess.Popen[str]) -> None:
    """End the job in order: the collector passes the signal on, notes the job as cancelled and lands what it has."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()

"""Kills runs: a process of its own that imports everything once, forks a run, and ends it at a random moment.

Started as ``python -m tests.support.killer HOME KILLS SEED LONGEST_S COMMAND``. Before some runs it moves the next part
of ``HOME/waiting`` into landing. After the kills it lets runs go to their end. Prints one JSON object. The process
itself never opens the lake, because a fork must not inherit its threads.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet  # noqa: F401 - imported here so that no fork pays for it

import warehouse.engine
from warehouse.config import CONFIG_NAME, load_config
from warehouse.lake import open_lake

PARTS = 4


def run_engine(home: Path) -> None:
    """Run the whole line once."""
    with open_lake(load_config(home / CONFIG_NAME)) as lake:
        warehouse.engine.run_all(lake)


def run_command(home: Path) -> None:
    """Run the command line once."""
    from pipelines.cli import cli

    try:
        cli(["run", "--config", str(home / CONFIG_NAME)])
    except SystemExit as end:
        if end.code not in (0, 3, None):
            raise


def start(work: Callable[[Path], None], home: Path, log: Path) -> int:
    """Fork a run and return its process."""
    child = os.fork()
    if child:
        return child
    code = 1
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        work(home)
        code = 0
    except BaseException:  # noqa: BLE001 - what ends a fork goes into its log
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(child: int, within_s: float) -> int | None:
    """Return the exit code of a process once it has ended, or ``None`` when the time is over."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def deliver(home: Path, count: int) -> None:
    """Move the next files from waiting into landing."""
    waiting = home / "waiting"
    for path in sorted(path for path in waiting.rglob("*.parquet"))[:count]:
        target = home / "landing" / path.relative_to(waiting).with_name(path.name.partition("~")[2])
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def main() -> None:
    """Kill, then finish."""
    home, kills, seed, longest_s, command = sys.argv[1:]
    place, chance = Path(home), random.Random(int(seed))
    work = run_command if command == "command" else run_engine
    if command == "command":
        import pipelines.cli.run  # noqa: F401 - as above
    log = place / "runs.log"
    part = len(list((place / "waiting").rglob("*.parquet"))) // PARTS + 1
    killed = finished = turns = 0
    while killed < int(kills) and turns < 10 * int(kills):
        if turns % max(int(kills) // PARTS, 1) == 0:
            deliver(place, part)
        turns += 1
        child = start(work, place, log)
        code = ended(child, chance.uniform(0.02, float(longest_s)))
        if code is None:
            os.kill(child, signal.SIGKILL)
            killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        elif code == 0:
            finished += 1
        else:
            print(json.dumps({"failed": code, "log": log.read_text()[-3000:]}))
            return
    deliver(place, 10**6)
    began = time.monotonic()
    codes = [ended(start(work, place, log), 120.0) for _ in range(2)]
    took = time.monotonic() - began
    text = log.read_text()[-3000:] if codes != [0, 0] else ""
    print(json.dumps({"killed": killed, "finished": finished, "codes": codes, "log": text, "took_s": round(took, 1)}))


if __name__ == "__main__":
    main()

"""Runs the benchmarks and writes bench/RESULTS.md.

What belongs here: which benchmarks there are and their order. What must not be here: a benchmark.

Run: python -m bench short|full [--only NAME ...]
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from typing import Any

from bench import report
from bench.tables import Section

NAMES = ("kernel", "rivals", "chain", "new_hour", "hourly", "layout", "small_files", "collectors")


def main() -> int:
    """Run what was asked for; what was measured is kept even if a later benchmark fails."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Run the benchmarks, write bench/RESULTS.md.")
    parser.add_argument("form", choices=("short", "full"))
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME")
    given = parser.parse_args()
    machine = report.this_machine(given.form)
    if machine.is_busy:
        print(f"The load is {machine.load}: something else runs here, and ratios are less certain.", file=sys.stderr)
    results = report.read()
    failed = []
    for name in given.only:
        begun = time.perf_counter()
        module: Any = importlib.import_module(f"bench.{name}")
        try:
            section: Section = module.run(given.form == "full")
        except Exception as error:  # noqa: BLE001 - the others are still worth their time
            print(f"{name} failed: {error}", file=sys.stderr)
            failed.append(name)
            continue
        section.print()
        print(f"({name}: {time.perf_counter() - begun:.0f} s)", flush=True)
        results.add(section, machine)
        report.write(results)
    print(f"\n{report.goal_table(results).text()}\n\nWritten: bench/RESULTS.md")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""What a piece of work costs is that of all its processes, and of the work alone."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from bench.measure import Meter, UnfinishedError, WorkError, measure

HERE = "tests.unit.bench.test_measure"
BURNT_S = 0.3
HELD_MB = 120
_BURN = f"import time\nwhile time.process_time() < {BURNT_S}: pass"
_HOLD = f"import time\nheld = b'x' * {HELD_MB * 1_000_000}\ntime.sleep(0.5)"


def family(meter: Meter, script: str) -> dict[str, Any]:
    """Have a grandchild do something while the clock runs; the child itself only waits."""
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {script!r}], check=True)"
    with meter:
        subprocess.run([sys.executable, "-S", "-c", child], check=True)
    return {"script": script}


def before_and_after(meter: Meter) -> dict[str, Any]:
    """Work outside of the clock."""
    _burn()
    with meter:
        pass
    _burn()
    return {}


def failing(meter: Meter) -> dict[str, Any]:
    """Fail."""
    raise SystemExit(3)


def _burn() -> None:
    begun = time.process_time()
    while time.process_time() - begun < BURNT_S:
        pass


def test_the_cpu_of_a_grandchild_counts() -> None:
    cost = measure(f"{HERE}:family", script=_BURN)
    assert BURNT_S <= cost.cpu_s < 10 * BURNT_S
    assert cost.process_cpu_s >= cost.cpu_s
    assert cost.told == {"script": _BURN}


def test_the_memory_of_a_grandchild_counts_once() -> None:
    cost = measure(f"{HERE}:family", script=_HOLD)
    assert HELD_MB <= cost.max_rss_mb < 2 * HELD_MB
    assert HELD_MB <= cost.peak_mb < 2 * HELD_MB
    assert cost.peak_mb > HELD_MB + 10, "the processes that wait for it count too"


def test_what_happens_outside_of_the_clock_counts_for_the_process_alone() -> None:
    cost = measure(f"{HERE}:before_and_after")
    assert cost.cpu_s < BURNT_S / 2
    assert cost.process_cpu_s >= 2 * BURNT_S


def test_work_that_fails_is_no_measurement() -> None:
    with pytest.raises(WorkError, match="code 3"):
        measure(f"{HERE}:failing")


def test_work_that_does_not_end_is_stopped_with_all_its_processes() -> None:
    mark = str(uuid4())
    script = f"# {mark}\n{_BURN}\ntime.sleep(60)"
    with pytest.raises(UnfinishedError, match="had not ended after 3 s") as caught:
        measure(f"{HERE}:family", limit_s=3, script=script)
    assert 3 <= caught.value.cost.wall_s < 20
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            assert mark.encode() not in path.read_bytes()

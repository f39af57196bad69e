"""An agent to be killed: 100 W by a counter, short intervals, and a count of its readings that outlives it.

Run: python killed_meter.py ROOT COUNT_FILE [JOB_ID]
"""

from __future__ import annotations

import mmap
import os
import signal
import struct
import sys
import threading
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
INTERVAL_S, SYNC_S, FLUSH_S = 0.01, 0.1, 1.0
WATTS = 100
COUNTER = struct.Struct("<q")


def main() -> int:
    """Sample until SIGTERM, or for a job until its command ends."""
    sys.path.insert(0, str(REPOSITORY))
    from collectors.agent.loop import LoopSettings, SamplingLoop
    from collectors.agent.run import run_agent
    from collectors.clock import SystemClock
    from collectors.jobs.execute import run_job
    from collectors.jobs.job import Job
    from collectors.sources.common import Device, MonotoneCounter, PowerSource, Reading

    clock = SystemClock()
    root = Path(sys.argv[1])
    with Path(sys.argv[2]).open("r+b") as file:
        count = mmap.mmap(file.fileno(), COUNTER.size)

    class Meter(PowerSource):
        def __init__(self) -> None:
            self.counter = MonotoneCounter(None, 1000)

        def devices(self) -> list[Device]:
            return [Device("cpu-package-0", "cpu", "package", "rapl")]

        def read(self) -> list[Reading]:
            now_ns = clock.monotonic_ns()
            step = self.counter.update(now_ns * WATTS // 1_000_000, now_ns)
            COUNTER.pack_into(count, 0, COUNTER.unpack_from(count)[0] + 1)
            return [Reading("cpu-package-0", None, step.energy_mj, step.session, None, step.gap_reason)]

        def counters(self) -> dict[str, MonotoneCounter]:
            return {"cpu-package-0": self.counter}

    settings = LoopSettings(
        "h", str(root / "landing"), root / "state", "1", interval_s=INTERVAL_S, sync_s=SYNC_S, flush_s=FLUSH_S
    )
    if sys.argv[3:]:
        command = [sys.executable, "-c", "import time; time.sleep(60)"]
        return run_job(command, Job(sys.argv[3]), settings, [Meter()]).exit_code
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    run_agent(SamplingLoop(settings, [Meter()]), stop)
    return 0


if __name__ == "__main__":
    os.setpgid(0, 0)
    sys.exit(main())

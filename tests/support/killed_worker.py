"""An agent to be killed that reads one inference server, at short intervals.

Run: python killed_worker.py ROOT URL
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
INTERVAL_S, SYNC_S, FLUSH_S, EVERY_S = 0.01, 0.05, 0.5, 0.02


def main() -> int:
    """Count until SIGTERM."""
    sys.path.insert(0, str(REPOSITORY))
    from collectors.agent.loop import LoopSettings, SamplingLoop
    from collectors.agent.run import run_agent
    from collectors.work import minutes
    from collectors.work.meter import WorkMeter
    from collectors.work.options import WorkSettings

    minutes.MINUTE_MS = 100  # so that rows are cut often
    root = Path(sys.argv[1])
    settings = LoopSettings(
        "h", str(root / "landing"), root / "state", "1", interval_s=INTERVAL_S, sync_s=SYNC_S, flush_s=FLUSH_S
    )
    options = WorkSettings(sys.argv[2], "vllm", "m", every_s=EVERY_S)
    tell = lambda text: print(text, file=sys.stderr)  # noqa: E731
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    work = WorkMeter([options], host="h", state_dir=settings.state_dir, tell=tell)
    run_agent(SamplingLoop(settings, [], work=work), stop)
    return 0


if __name__ == "__main__":
    os.setpgid(0, 0)
    sys.exit(main())

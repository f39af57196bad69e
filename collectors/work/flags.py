"""What counts work for a command line: of the agent by its configuration, of one job by its flags.

What belongs here: that choice. What must not be here: the flags themselves (``cli``), or how work is counted.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from ..clock import SystemClock
from ..settings.table import UnexpectedError, a_url
from ..usage import UsageError
from .meter import WorkMeter
from .options import WorkSettings

if TYPE_CHECKING:
    from argparse import Namespace

    from ..agent.loop import LoopSettings
    from ..jobs.job import Job


def meter_of(arguments: Namespace, settings: LoopSettings, job: Job | None) -> WorkMeter:
    """Return what counts work.

    Args:
        arguments: the command line.
        settings: how the host is sampled.
        job: the job that serves models; ``None`` for the agent.

    Raises:
        UsageError: if the flags do not say enough.
    """
    if job is None:
        return WorkMeter(arguments.work, host=settings.host, state_dir=settings.state_dir, tell=_tell)
    if arguments.work_kind is None:
        msg = "--work-url needs --work-kind: vllm, tgi, triton, sglang or otel"
        raise UsageError(msg)
    try:
        url = a_url(arguments.work_url)
    except UnexpectedError as error:
        msg = f"--work-url must be {error}"
        raise UsageError(msg) from error
    options = WorkSettings(url, arguments.work_kind, job.model, job.model_version, job_id=job.job_id)
    # A server that begins after this moment is the job's, and so is all that it counts.
    return WorkMeter([options], host=settings.host, state_dir=None, tell=_tell, since_ms=SystemClock().now_ms())


def _tell(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"wattledger-collect: {text}", file=sys.stderr, flush=True)  # noqa: T201 - told as the command line tells it

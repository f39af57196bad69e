"""Sampling a host without a job, until told to stop.

What belongs here: the agent's course. What must not be here: the schedule (``loop``), command lines, signals.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ..landing.stores import sweep

if TYPE_CHECKING:
    from ..clock import Waitable
    from ..spool.landing_child import LandingReport
    from .loop import SamplingLoop


def run_agent(loop: SamplingLoop, stop: Waitable) -> LandingReport:
    """Sample the host until told to stop; what a collector before left in the spool is landed first.

    Args:
        loop: the sampling loop.
        stop: event that ends it.

    Returns:
        What became of the last journals.
    """
    with contextlib.suppress(OSError):
        sweep(Path(loop.settings.landing), host=loop.settings.host)
    loop.sample()
    loop.sync()
    loop.child.start(loop.spool.folder)
    while not loop.wait(stop):
        loop.sample()
        loop.keep()
    loop.sample()
    return loop.finish()

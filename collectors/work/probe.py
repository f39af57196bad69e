"""Whether each configured inference server answers, what it counts, and for which model.

What belongs here: the rows of ``probe`` for ``[[work]]``. What must not be here: their table, flags, exit codes.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ..sources.http_client import HttpError
from .known import QUANTITIES
from .names import Names
from .server import WorkServer, instance_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .options import WorkSettings
    from .server import WorkReading

COUNTED, NOT_COUNTED = "counted", "not counted"
_WORDS = {"requests_n": "requests", "input_tokens_n": "input tokens", "output_tokens_n": "output tokens"}
_OTHER = "inferences"


def work_findings(settings: Sequence[WorkSettings], *, host: str) -> list[dict[str, Any]]:
    """Return one row a server, in the form of ``probe.findings``; all are asked at the same time.

    Args:
        settings: the servers.
        host: name of this host.
    """
    found: list[dict[str, Any] | None] = [None] * len(settings)

    def ask(index: int, options: WorkSettings) -> None:
        found[index] = _finding(options, host)

    threads = [threading.Thread(target=ask, args=item, daemon=True) for item in enumerate(settings)]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + max(options.timeout_s for options in settings) + 0.5
    for thread in threads:
        thread.join(max(deadline_s - time.monotonic(), 0.0))
    silent = "no answer in time"
    return [
        row or _row(options, host, NOT_COUNTED, silent, _fix(options))
        for row, options in zip(found, settings, strict=True)
    ]


def _finding(options: WorkSettings, host: str) -> dict[str, Any]:
    server = WorkServer(options, monotonic_ns=time.monotonic_ns)
    try:
        reading = server.read()
    except HttpError as error:
        return _row(options, host, NOT_COUNTED, str(error), _fix(options))
    finally:
        server.close()
    if not reading.points:
        return _row(options, host, COUNTED, "nothing done yet", None)
    told: list[str] = []
    text = _said(options, reading, told)
    return _row(options, host, COUNTED, text, "; ".join(told) or None)


def _said(options: WorkSettings, reading: WorkReading, told: list[str]) -> str:
    """Return what a server counts, and of which models."""
    names = Names(options, told.append)
    served = sorted({(point.served, point.version) for point in reading.points.values()}, key=str)
    names.look(served)
    quantities = {point.metric.quantity for point in reading.points.values()}
    counted = [_WORDS.get(name, _OTHER) for name in QUANTITIES if name in quantities]
    missing = [word for name, word in _WORDS.items() if name not in quantities]
    models = [_pair(one[0], name.model) if (name := names.of(one)) else f"{one[0]} left out" for one in served]
    text = f"{', '.join(counted)} of {', '.join(dict.fromkeys(models))}"
    return text + (f"; it does not count {' and '.join(missing)}" if missing else "")


def _pair(served: str | None, model: str) -> str:
    return model if served in (None, model) else f"{model} (it says {served})"


def _fix(options: WorkSettings) -> str:
    return (
        f"let {options.url} answer from here (`curl {options.url}`): vLLM, TGI and SGLang (--enable-metrics) at their "
        "own port, Triton at 8002, each of them at /metrics"
    )


def _row(options: WorkSettings, host: str, status: str, reason: str, fix: str | None) -> dict[str, Any]:
    return {
        "device": instance_of(options, host).partition("/")[2],
        "kind": "work",
        "source": options.kind,
        "status": status,
        "reason": reason,
        "fix": fix,
        "hardware_model": None,
    }

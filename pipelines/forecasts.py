"""Recording forecasts: they land like everything else, so that each can be held against its run later.

What belongs here: rows of the landing table ``forecast``. What must not be here: equations (``models.prediction``),
scores (``warehouse/sql/mart/prediction_score.sql``).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from collectors import __version__
from collectors.landing.writer import LandingWriter
from models.prediction.forecast import ForecastRecord
from models.prediction.inputs import InputError
from models.prediction.request import MODEL
from models.prediction.tables import find_device
from warehouse.config import Config


@dataclass(frozen=True, slots=True)
class Link:
    """Whose energy a forecast is held against; without any it is the job that has the name of the plan.

    Attributes:
        job_id: the job that carries the plan out.
        model: else the model whose jobs do.
        model_version: its version; None for every version.
    """

    job_id: str | None = None
    model: str | None = None
    model_version: str | None = None

    def __post_init__(self) -> None:
        """Refuse a link that says two things, or half of one."""
        if self.job_id is not None and self.model is not None:
            msg = f"a forecast is linked to a job ({self.job_id!r}) or to a model ({self.model!r}), not to both"
            raise InputError(msg)
        if self.model_version is not None and self.model is None:
            msg = f"the model version {self.model_version!r} needs its model"
            raise InputError(msg)


def record(config: Config, forecasts: Sequence[ForecastRecord], link: Link, made_ms: int) -> list[Path]:
    """Write forecasts into the landing folder.

    Args:
        config: the configuration.
        forecasts: what to record; several cannot share a link to one job.
        link: whose energy they are held against.
        made_ms: now [epoch ms].

    Returns:
        The files.

    Raises:
        InputError: if several forecasts are linked to one job, or one has neither a name nor a link.
    """
    if link.job_id is not None and len(forecasts) > 1:
        msg = f"{len(forecasts)} plans cannot all be the job {link.job_id!r}; name each plan as its job instead"
        raise InputError(msg)
    if link == Link() and any(one.run == MODEL for one in forecasts):
        msg = "a forecast that is recorded needs the name of its job (--name), or a link (--job, --model)"
        raise InputError(msg)
    writer = LandingWriter(config.landing_path, host=socket.gethostname(), collector_version=__version__)
    rows = [row for one in forecasts for row in _rows(one, link, made_ms)]
    return [Path(path) for path in writer.write("forecast", rows)]


def _rows(forecast: ForecastRecord, link: Link, made_ms: int) -> Iterator[dict[str, Any]]:
    head = {
        "made_ms": made_ms,
        "method": forecast.method,
        "device": _device(forecast),
        "inputs_json": forecast.inputs,
        "assumed_json": json.dumps([asdict(note) for note in forecast.assumed], separators=(",", ":")),
    }
    for row in forecast.rows():
        yield head | asdict(link) | row


def _device(forecast: ForecastRecord) -> str | None:
    """Give the name of the plan's accelerator as our table has it, else as the plan states it."""
    stated = json.loads(forecast.inputs)
    name: str | None = stated.get("device")
    return name if name is None or "peak_tflops" in stated else find_device(name).name

"""Recording forecasts: they land like everything else, so that each can be held against its run later.

What belongs here: rows of the landing table ``forecast``, which plans are to be forecast. What must not be here:
equations (``models.prediction``), reading plan files (``plans``), scores (``warehouse/sql/mart/prediction_score.sql``).
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from collectors import __version__
from collectors.landing.writer import LandingWriter
from models.prediction.forecast import ForecastRecord, forecast
from models.prediction.history import Finished, without
from models.prediction.inputs import InfeasibleError, InputError
from models.prediction.request import MODEL, RunPlan
from models.prediction.tables import find_device
from models.table import FactorDataError
from pipelines.history import own_history
from pipelines.partitions import MS_PER_S
from pipelines.plans import SUFFIXES, read_plans
from warehouse.config import Config
from warehouse.lake import Lake


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


@dataclass(slots=True)
class PlansReport:
    """What became of the plan files.

    Attributes:
        plans_n: plans in all files that could be read.
        recorded_n: forecasts that were landed.
        known_n: plans that were forecast as they are, perhaps with less history.
        begun_n: plans whose job has begun: a forecast would come too late.
        problems: files and plans that cannot be forecast, with the reason.
    """

    plans_n: int = 0
    recorded_n: int = 0
    known_n: int = 0
    begun_n: int = 0
    problems: list[str] = field(default_factory=list)


def plan_files(config: Config) -> list[Path]:
    """Return the plan files of an installation, in order."""
    return sorted(path for path in config.plans_path.glob("*") if path.suffix.lower() in SUFFIXES)


def forecast_plans(lake: Lake) -> PlansReport:
    """Forecast the plans of the installation and land what is new; each belongs to the job of its name.

    Args:
        lake: an open lake.
    """
    report = PlansReport()
    known = {tuple(row) for row in lake.rows("SELECT DISTINCT run, inputs_json, method_version FROM raw.forecast")}
    own = _own(lake.config)
    begun = {job_id for (job_id,) in lake.rows("SELECT DISTINCT job_id FROM core.job")}
    found: dict[str, ForecastRecord] = {}
    for file, one in _plans(lake.config, report):
        report.plans_n += 1
        if one.name in begun:
            report.begun_n += 1
            continue
        try:
            made = forecast(one, without(own, one.name))
        except (InputError, InfeasibleError) as error:
            report.problems.append(f"{file}, {one.name}: {error}")
            continue
        if (made.run, made.inputs, made.method_version) in known:
            report.known_n += 1
        else:
            found[made.forecast_id] = made
    if found:
        record(lake.config, list(found.values()), Link(), round(time.time() * MS_PER_S))
    report.recorded_n = len(found)
    return report


def _own(config: Config) -> tuple[Finished, ...]:
    """Give one's own finished runs; none where nothing is published yet."""
    try:
        return own_history(config).runs
    except FileNotFoundError:
        return ()


def _plans(config: Config, report: PlansReport) -> Iterator[tuple[Path, RunPlan]]:
    """Give the plans of all files that can be forecast as far as can be told before; note the others."""
    for file in plan_files(config):
        try:
            plans = read_plans(file)
        except (InputError, FactorDataError) as error:
            report.problems.append(str(error))
            continue
        for one in plans:
            if one.name == MODEL:
                report.problems.append(f"{file}: a plan needs the name of its job (name)")
            else:
                yield file, one


def _rows(made: ForecastRecord, link: Link, made_ms: int) -> Iterator[dict[str, Any]]:
    head = {
        "made_ms": made_ms,
        "method": made.method,
        "device": _device(made),
        "inputs_json": made.inputs,
        "assumed_json": json.dumps([asdict(note) for note in made.assumed], separators=(",", ":")),
    }
    for row in made.rows():
        yield head | asdict(link) | row


def _device(made: ForecastRecord) -> str | None:
    """Give the name of the plan's accelerator as our table has it, else as the plan states it."""
    stated = json.loads(made.inputs)
    name: str | None = stated.get("device")
    return name if name is None or "peak_tflops" in stated else find_device(name).name

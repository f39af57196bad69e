"""How much of a device's peak a training run will use, from one's own runs and from published ones.

What belongs here: the model of utilisation. What must not be here: time (see ``plan``), power (see ``energy``).

Utilisation is model FLOP a device-hour over the dense peak (MFU), with restarts, evaluation and waiting inside a run:
what device-hours follow from. Own runs are cases like the published ones, with an effect of their own: one of them
moves the forecast half way to itself, many of them take it over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.prediction.inputs import checked
from models.prediction.regression import Effects, Forecast
from models.prediction.tables import TrainingRun, find_device, training_runs
from models.uncertain import Quantity, Spread

OWN = "own history"
"""Family of one's own runs."""
RUN, BENCHMARK = "run", "benchmark"
MEAN_LN = math.log(0.33)
"""Mean of ln(utilisation) before any run is seen [1]; with ``INTERCEPT_SD`` it gives 0.17-0.64 at 90 %."""
INTERCEPT_SD, GENERATION_SD, FAMILY_SD, EXPERTS_SD = 0.40, 0.20, 0.20, 0.30
"""Standard deviation of ln: of the common mean, of a generation of devices, of a team's set-up, of experts [1]."""
SIZE_SD, SCALE_SD, BENCHMARK_SD, PRECISION_SD, NOISE_SD = 0.10, 0.10, 0.20, 0.30, 0.20
"""The same a decade of parameters, a decade of devices, of a benchmark, of 8-bit and narrower, of one run [1].

Round numbers, chosen with the runs in view but before any was scored; the interval comes from the errors instead.
"""
SIZE_PIVOT, SCALE_PIVOT = 1e10, 512.0
"""Active parameters and devices at which the effects of size and scale are 0; a number not stated counts as these."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a run before it starts, as far as its utilisation depends on it.

    Attributes:
        family: team and set-up; ``OWN`` for one's own.
        generation: generation of the device.
        active_parameters_n: parameters that one token uses.
        has_experts: whether the model is a mixture of experts.
        devices_n: devices at once, or None.
        kind: ``run`` or ``benchmark``.
        is_narrow: whether the products are computed in 8 bits or fewer.
    """

    family: str
    generation: str
    active_parameters_n: float
    has_experts: bool = False
    devices_n: float | None = None
    kind: str = RUN
    is_narrow: bool = False


@dataclass(frozen=True, slots=True)
class OwnRun:
    """A run of one's own that ended: what it was, and the utilisation it reached [1]."""

    case: Case
    utilisation: float


def utilisation_forecast(
    case: Case, own: Sequence[OwnRun] = (), published: Iterable[TrainingRun] | None = None
) -> Forecast:
    """Give the forecast of ln(utilisation) of a run.

    Args:
        case: the run.
        own: one's own finished runs; the run asked about must not be among them.
        published: published runs; all of the table by default.

    Raises:
        InputError: if the utilisation of an own run is out of range.
    """
    known = [(run, seen) for run in (training_runs() if published is None else published) if (seen := utilisation(run))]
    cases = [*(case_of(run) for run, _ in known), *(run.case for run in own)]
    seen_ln = [math.log(seen) for _, seen in known]
    seen_ln += [math.log(checked("utilisation_fraction", run.utilisation)) for run in own]
    return EFFECTS.forecast(cases, seen_ln, case)


def forecast_quantity(name: str, forecast: Forecast, unit: str, source_ids: tuple[str, ...], tier: str) -> Quantity:
    """Give a forecast of a logarithm as a quantity that depends on one named input.

    Args:
        name: name of the input.
        forecast: centre and reach of ln [1].
        unit: unit of the quantity.
        source_ids: keys of ``source.csv``.
        tier: quality tier.
    """
    spread = Spread(forecast.reach_ln, forecast.reach_ln)
    return Quantity(math.exp(forecast.central_ln), unit, tier, source_ids, {name: spread})


def utilisation(run: TrainingRun) -> float | None:
    """Give the utilisation of a published run [1]: from tokens and device-hours, else as reported; None without both.

    Reference: docs/models/prediction.md, utilisation; 6 * active * tokens / (device-hours * 3600 * peak at 16 bits).
    """
    if run.tokens_n is None or run.device_hours is None:
        return run.reported_utilisation
    peak = find_device(run.device).peak_flop_per_s("16bit")
    return 6.0 * run.active_parameters_n * run.tokens_n / (run.device_hours * 3600 * peak)


def case_of(run: TrainingRun) -> Case:
    """Give what was known of a published run before it started; nothing that it then reached."""
    return Case(
        family=run.family,
        generation=find_device(run.device).generation,
        active_parameters_n=run.active_parameters_n,
        has_experts=run.active_parameters_n < run.parameters_n,
        devices_n=run.devices_n,
        kind=run.kind,
        is_narrow=run.precision in {"8bit", "4bit"},
    )


def _covariance(one: Case, other: Case) -> float:
    """Give the covariance of ln(utilisation) of two runs, without their own noise [1]."""
    total = INTERCEPT_SD**2
    total += GENERATION_SD**2 * (one.generation == other.generation)
    total += FAMILY_SD**2 * (one.family == other.family)
    total += EXPERTS_SD**2 * (one.has_experts and other.has_experts)
    total += BENCHMARK_SD**2 * (one.kind == other.kind == BENCHMARK)
    total += PRECISION_SD**2 * (one.is_narrow and other.is_narrow)
    total += (
        SIZE_SD**2 * _decades(one.active_parameters_n, SIZE_PIVOT) * _decades(other.active_parameters_n, SIZE_PIVOT)
    )
    return total + SCALE_SD**2 * _decades(one.devices_n, SCALE_PIVOT) * _decades(other.devices_n, SCALE_PIVOT)


def _decades(value: float | None, pivot: float) -> float:
    """Give how many decades a value lies above a pivot; 0 where it is not stated."""
    return 0.0 if value is None else math.log10(value / pivot)


EFFECTS: Effects[Case] = Effects(_covariance, lambda case: case.family, MEAN_LN, NOISE_SD)
"""The model of ln(utilisation)."""

"""Every published run forecast without itself, and what came out: the table of docs/models/prediction.md.

What belongs here: leaving out and scoring. What must not be here: forecasts of runs to come.

Two ways to leave out: the run itself (``run``), or its whole family (``family``); for energy also every power that was
measured on what is left out. The row that is scored is never looked at.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.prediction.efficiency import Case, case_of, forecast_quantity, utilisation, utilisation_forecast
from models.prediction.energy import ACCELERATOR, FACILITY, IT, power_forecast
from models.prediction.llmcarbon import LlmcarbonRow
from models.prediction.tables import MEASURED, TrainingRun, find_device, power_measurements, training_runs
from models.uncertain import Quantity, exactly


@dataclass(frozen=True, slots=True)
class Scored:
    """One run: what was forecast without it, and what it was.

    Attributes:
        run: its name.
        figure: ``device_hours`` [h], ``utilisation`` [1] or ``energy_kwh``.
        low: lower end of the 90 % interval.
        central: the forecast.
        high: upper end.
        actual: what is published.
        source_id: where that stands.
    """

    run: str
    figure: str
    low: float
    central: float
    high: float
    actual: float
    source_id: str

    @property
    def error(self) -> float:
        """Forecast over actual, less 1 [1]; negative is too low."""
        return self.central / self.actual - 1

    @property
    def is_covered(self) -> bool:
        """Whether the interval holds what is published."""
        return self.low <= self.actual <= self.high


@dataclass(frozen=True, slots=True)
class Summary:
    """Errors over all scored runs.

    Attributes:
        scored_n: runs.
        median_absolute_error: median of |error| [1].
        bias: median error [1].
        coverage: share of runs that their interval holds [1].
        median_width: median of high / low [1].
    """

    scored_n: int
    median_absolute_error: float
    bias: float
    coverage: float
    median_width: float


def score_time(*, by_family: bool = False) -> list[Scored]:
    """Give every run with a known utilisation, forecast without itself (or without its family).

    Device-hours are what the forecast is for; utilisation where a run states no hours. Both have the same relative
    error, inverted.

    Args:
        by_family: leave out all runs of the family.
    """
    found = []
    for run in training_runs():
        actual = utilisation(run)
        if actual is None:
            continue
        forecast = utilisation_forecast(case_of(run), published=_others(run, by_family=by_family))
        used = forecast_quantity("utilisation", forecast, "1", (), "")
        if run.device_hours is not None and run.tokens_n is not None:
            hours = exactly(run.device_hours * actual, "h").over(used, "h")
            found.append(_scored(run, "device_hours", hours, run.device_hours))
        else:
            found.append(_scored(run, "utilisation", used, actual))
    return found


def score_energy(*, by_family: bool = False) -> list[Scored]:
    """Give every run with a measured energy and known tokens, its energy forecast from parameters and tokens alone.

    The PUE is what the run states, as a plan would; power and utilisation are not.
    """
    return [
        _scored(run, "energy_kwh", energy_without(run, by_family=by_family), run.energy_kwh)
        for run in training_runs()
        if run.energy_kwh is not None and run.energy_basis == MEASURED and run.tokens_n is not None
    ]


def energy_without(run: TrainingRun, *, by_family: bool = False) -> Quantity:
    """Give the energy of a run at the boundary that it states [kWh], forecast without anything measured on it.

    Args:
        run: a run with tokens and an energy boundary.
        by_family: leave out all runs of the family.
    """
    device = find_device(run.device)
    others = _others(run, by_family=by_family)
    forecast = utilisation_forecast(case_of(run), published=others)
    used = forecast_quantity("utilisation", forecast, "1", (), "")
    assert run.tokens_n is not None
    assert device.tdp_w is not None
    ideal_h = 6.0 * run.active_parameters_n * run.tokens_n / (device.peak_flop_per_s("16bit") * 3600)
    boundary = ACCELERATOR if run.energy_boundary == ACCELERATOR else IT
    held = {other.run for other in training_runs()} - {other.run for other in others} | {run.run}
    known = [m for m in power_measurements() if m.measurement not in held]
    ratio = forecast_quantity("power", power_forecast(device, boundary, known), "1", (), "")
    it = exactly(ideal_h, "h").over(used, "h").times(ratio, "h").scaled(device.tdp_w / 1000, "kWh")
    return it.scaled(_pue(run)) if run.energy_boundary == FACILITY else it


def emissions_without(row: LlmcarbonRow) -> Quantity:
    """Give the operational emissions of a row of LLMCarbon's table [kgCO2e], without its efficiency, power or days.

    A published run of the same parameters and tokens is left out of everything that the forecast rests on.

    Args:
        row: a row; of it only size, tokens, device, devices, PUE and intensity are used.
    """
    device = find_device(row.device)
    active, tokens = row.active_parameters_b * 1e9, row.tokens_b * 1e9
    same = [run for run in training_runs() if run.active_parameters_n == active and run.tokens_n == tokens]
    names = {run.run for run in same}
    family = same[0].family if same else row.name
    case = Case(family, device.generation, active, row.base_parameters_b is not None, row.devices_n)
    others = [run for run in training_runs() if run.run not in names]
    used = forecast_quantity("utilisation", utilisation_forecast(case, published=others), "1", (), "")
    known = [m for m in power_measurements() if m.measurement not in names]
    ratio = forecast_quantity("power", power_forecast(device, IT, known), "1", (), "")
    assert device.tdp_w is not None
    ideal_h = 6.0 * active * tokens / (device.peak_flop_per_s("16bit") * 3600)
    it = exactly(ideal_h, "h").over(used, "h").times(ratio, "h").scaled(device.tdp_w / 1000, "kWh")
    return it.scaled(row.pue * row.kgco2e_per_kwh, "kgCO2e")


def summary(scored: Sequence[Scored]) -> Summary:
    """Give the errors over scored runs.

    Args:
        scored: at least one.
    """
    errors = [one.error for one in scored]
    return Summary(
        len(scored),
        statistics.median(abs(error) for error in errors),
        statistics.median(errors),
        sum(one.is_covered for one in scored) / len(scored),
        statistics.median(one.high / one.low for one in scored),
    )


def _others(run: TrainingRun, *, by_family: bool) -> list[TrainingRun]:
    """Give the runs that remain when one, or its family, is left out."""
    same: Callable[[TrainingRun], bool] = (
        (lambda other: other.family == run.family) if by_family else (lambda other: other.run == run.run)
    )
    return [other for other in training_runs() if not same(other)]


def _pue(run: TrainingRun) -> float:
    """Give the stated PUE; 1 for a run whose facility energy states none (an error of the source, kept visible)."""
    return 1.0 if run.pue is None else run.pue


def _scored(run: TrainingRun, figure: str, forecast: Quantity, actual: float) -> Scored:
    """Give a scored run."""
    assert math.isfinite(forecast.central)
    return Scored(run.run, figure, forecast.low, forecast.central, forecast.high, actual, run.source_id)


def report() -> str:
    """Give the table of all scored runs as Markdown: docs/models/prediction-validation.md."""
    lines = [
        "# Forecasts of published runs, each made without itself",
        "",
        "Made by `make docs` from `models/data/training_run.csv`; a test holds this page to it.",
        "Error = forecast / published - 1. Equations and reading: [prediction](prediction.md).",
        "",
        "| figure | left out | runs | median absolute error | median error | within the interval | median high / low |",
        "|---|---|---|---|---|---|---|",
    ]
    scores = {
        ("time (device-hours or utilisation)", "run"): score_time(),
        ("time (device-hours or utilisation)", "family"): score_time(by_family=True),
        ("energy, measured ones", "run"): score_energy(),
        ("energy, measured ones", "family"): score_energy(by_family=True),
    }
    lines += [_summary_row(*key, summary(scored)) for key, scored in scores.items()]
    for (figure, left_out), scored in scores.items():
        if left_out == "family":
            lines += ["", f"## {figure[0].upper()}{figure[1:]}, without the family", ""]
            lines += ["| run | figure | low | forecast | high | published | error | held |", "|---" * 8 + "|"]
            lines += [_scored_row(one) for one in scored]
    return "\n".join(lines) + "\n"


def _summary_row(figure: str, left_out: str, found: Summary) -> str:
    """Give one summary as a row of Markdown."""
    errors = f"{100 * found.median_absolute_error:.0f} % | {100 * found.bias:+.0f} %"
    share = f"{100 * found.coverage:.0f} %"
    return f"| {figure} | {left_out} | {found.scored_n} | {errors} | {share} | {found.median_width:.1f} |"


def _scored_row(one: Scored) -> str:
    """Give one scored run as a row of Markdown."""
    values = " | ".join(f"{value:.3g}" for value in (one.low, one.central, one.high, one.actual))
    held = "yes" if one.is_covered else "**no**"
    return f"| {one.run} | {one.figure} | {values} | {100 * one.error:+.0f} % | {held} |"


if __name__ == "__main__":
    print(report(), end="")  # noqa: T201 - what `make docs` writes into the page

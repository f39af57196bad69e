"""Forecasts of planned runs as an asset: every plan file of the installation, forecast once and landed.

What belongs here: the step and what is told about it. What must not be here: which plans are due and how they are
forecast (``pipelines.forecasts``).
"""

import dagster as dg

from pipelines.describe import key_of
from pipelines.forecasts import forecast_plans
from pipelines.resources import Installation

NAME = "forecast.planned_runs"


@dg.multi_asset(
    name="forecast_planned_runs",
    specs=[
        dg.AssetSpec(
            key_of(NAME),
            group_name="forecast",
            kinds={"python"},
            description="Forecasts of the runs that plan files in the folder `plans` state: days, energy and carbon of "
            "each before it starts, landed to be held against its jobs.",
        )
    ],
)
def planned_runs(context: dg.AssetExecutionContext, installation: Installation) -> dg.MaterializeResult[None]:
    """Forecast every plan whose job has not begun and whose forecast is not known; a wrong file stops no other."""
    with installation.lake(read_only=True) as lake:
        report = forecast_plans(lake)
    for problem in report.problems:
        context.log.error("%s", problem)
    if report.problems:
        problems = "; ".join(report.problems)
        msg = f"{len(report.problems)} plans cannot be forecast, {report.recorded_n} were: {problems}"
        raise dg.Failure(msg, allow_retries=False)
    return dg.MaterializeResult(
        metadata={
            "plans": report.plans_n,
            "recorded": report.recorded_n,
            "known": report.known_n,
            "begun": report.begun_n,
        }
    )

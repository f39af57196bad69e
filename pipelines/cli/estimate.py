"""``wattledger estimate``: what a run will take and emit, before it starts; needs no lake and no network.

What belongs here: flags, and how a forecast is shown. What must not be here: any equation, plan files (``plans``).
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.console import say, show_table
from pipelines.cli.errors import EXIT_FAILED, EXIT_USAGE, CliError
from pipelines.cli.figures import number

if TYPE_CHECKING:
    from models.prediction.forecast import ForecastRecord
    from models.prediction.history import Finished

# Flag -> field of the plan and what it says. Everything else of a plan can stand in a file.
FLAGS = {
    "--name": ("name", "Name of the run."),
    "--parameters": ("parameters_n", "Parameters, such as 30B."),
    "--active-parameters": ("active_parameters_n", "Parameters that one token uses (mixture of experts)."),
    "--tokens": ("tokens_n", "Training tokens, such as 600B."),
    "--device": ("device", "Accelerator, such as A100 or 'TPU v4'."),
    "--devices": ("devices_n", "Accelerators at once."),
    "--days": ("days", "Days of wall time."),
    "--precision": ("precision", "bf16, fp8, tf32 ..."),
    "--utilisation": ("utilisation_fraction", "MFU that you expect; by default forecast."),
    "--power": ("device_power_w", "W a device with its host; by default forecast."),
    "--peak-tflops": ("peak_tflops", "Peak of a device that is not in the table (with --power)."),
    "--pue": ("pue", "Power usage effectiveness."),
    "--intensity": ("gco2e_per_kwh", "Grid, gCO2e/kWh."),
    "--zone": ("zone", "Grid zone instead of an intensity, such as DE."),
    "--region": ("region", "Cloud region instead of a zone, such as aws:us-east-1."),
    "--year": ("year", "Year of the run, for zone and region; by default this year, noted."),
    "--fine-tuning-tokens": ("fine_tuning_tokens_n", "Tokens of fine-tuning."),
    "--experimentation": ("experimentation_share", "Energy of all trials over that of the run, or 'published'."),
    "--requests-per-day": ("requests_per_day_n", "Inference load."),
    "--input-tokens": ("input_tokens_n", "Tokens in, a request."),
    "--output-tokens": ("output_tokens_n", "Tokens out, a request."),
    "--batch": ("batch_n", "Requests that share a step."),
    "--inference-days": ("inference_days", "Days of serving."),
    "--serving-devices": ("serving_devices_n", "Devices that serve; by default the least that can."),
    "--storage-tb": ("storage_tb", "TB stored, all copies."),
    "--storage-days": ("storage_days", "Days of storage."),
    "--storage-media": ("storage_media", "ssd or hdd."),
}
LLMCARBON_COLUMNS = ("run", "delta of LLMCarbon", "its tCO2e", "our tCO2e", "low - high", "reported tCO2e")
TO_TONNES = {"kgCO2e": ("tCO2e", 1e-3), "kWh": ("MWh", 1e-3)}
"""Units of a forecast and those people read them in."""


def plan_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add a flag for each field of ``FLAGS`` to a command."""
    for flag, (field, text) in reversed(FLAGS.items()):
        command = click.option(flag, field, metavar="VALUE", help=text)(command)
    return command


@click.command(
    epilog="Example: wattledger estimate --parameters 30B --tokens 600B --device A100 --devices 512 --pue 1.15 "
    "--intensity 350. Fields and equations: docs/models/prediction.md."
)
@plan_flags
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Plan as TOML or CSV, or LLMCarbon's database.csv; flags go before it.",
)
@click.option(
    "--history",
    "history_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Your own finished runs as CSV; they go before published ones.",
)
@click.option("--own-history", "is_own", is_flag=True, help="Learn from the finished training jobs of the ledger.")
@click.option("--record", "is_recorded", is_flag=True, help="Land the forecast, to be held against its run later.")
@click.option("--job", "job_id", metavar="ID", help="With --record: its job; by default the one that has its name.")
@click.option("--model", metavar="NAME", help="With --record: the model whose jobs carry it out, instead of a job.")
@click.option("--model-version", metavar="VERSION", help="With --model: its version; by default all of them.")
@config_option
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--method", type=click.Choice(["wattledger", "llmcarbon"]), default="wattledger", show_default=True,
              help="llmcarbon: its own formulas beside our forecast, for its database.csv.")  # fmt: skip
def estimate(
    plan_file: Path | None,
    history_file: Path | None,
    form: str,
    method: str,
    *,
    is_own: bool,
    is_recorded: bool,
    job_id: str | None,
    model: str | None,
    model_version: str | None,
    config_path: Path | None,
    **flags: str | None,
) -> None:
    """Forecast operations, days, energy and carbon of a run before it starts, each with its 90 % interval."""
    from models.prediction.inputs import InfeasibleError, InputError
    from models.table import FactorDataError

    stated: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    link = {"job_id": job_id, "model": model, "model_version": model_version}
    if not is_recorded and any(link.values()):
        msg = "--job, --model and --model-version say what a recorded forecast belongs to: give --record with them"
        raise CliError(msg, EXIT_USAGE)
    try:
        if method == "llmcarbon":
            _show_llmcarbon(plan_file)
            return
        finished = _history(history_file, config_path if is_own else None, is_own=is_own)
        records = _forecasts(plan_file, [one for one in finished if one.name != job_id], stated)
        noted = _record(records, link, config_path) if is_recorded else ""
    except InfeasibleError as error:
        raise CliError(str(error), EXIT_FAILED) from error
    except (InputError, FactorDataError) as error:
        raise CliError(str(error), EXIT_USAGE) from error
    _write(records, form)
    if noted:
        click.echo(noted, err=True)


def _record(records: Sequence[ForecastRecord], link: dict[str, str | None], config_path: Path | None) -> str:
    """Land forecasts and say what follows."""
    from pipelines.forecasts import Link, record

    made_ms = round(datetime.now(UTC).timestamp() * 1000)
    files = record(configuration(config_path), records, Link(**link), made_ms)
    where = files[0].parent
    return (
        f"Recorded {len(records)} in {where}; `wattledger run` takes it in, mart.prediction_score has what came of it."
    )


def _history(file: Path | None, config_path: Path | None, *, is_own: bool) -> list[Finished]:
    """Give one's own finished runs, of a file and of the ledger."""
    from models.prediction import history
    from pipelines.plans import read_text

    found = [] if file is None else history.read(str(file), read_text(file))
    if is_own:
        from pipelines.history import own_history

        try:
            own = own_history(configuration(config_path))
        except FileNotFoundError as error:
            raise CliError(str(error), EXIT_USAGE) from error
        for reason in own.left_out:
            click.echo(f"Nothing is learned from job {reason}", err=True)
        click.echo(f"Learned from {len(own.runs)} own runs of the ledger.", err=True)
        found += own.runs
    return found


def _forecasts(plan_file: Path | None, finished: list[Finished], stated: dict[str, Any]) -> list[ForecastRecord]:
    """Give the forecast of every plan."""
    from models.prediction import history
    from models.prediction.forecast import forecast
    from pipelines.plans import of_flags, read_plans

    plans = [of_flags(stated)] if plan_file is None else read_plans(plan_file, stated)
    return [forecast(plan, history.without(finished, plan.name)) for plan in plans]


def _write(records: Sequence[ForecastRecord], form: str) -> None:
    """Print forecasts in the form that was asked for."""
    rows = [row for record in records for row in record.rows()]
    if form == "json":
        click.echo(json.dumps([_document(record) for record in records], indent=1, ensure_ascii=False))
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        for record in records:
            writer.writerows(_assumed_rows(record))
    else:
        for record in records:
            _show(record)


def _document(record: ForecastRecord) -> dict[str, Any]:
    """Give a forecast as one JSON document."""
    return {
        "forecast_id": record.forecast_id,
        "method": record.method,
        "method_version": record.method_version,
        "run": record.run,
        "inputs": json.loads(record.inputs),
        "level": 0.9,
        "figures": list(record.rows()),
        "assumed": [asdict(note) for note in record.assumed],
    }


def _assumed_rows(record: ForecastRecord) -> list[dict[str, Any]]:
    """Give what was assumed as rows of the same columns as the figures."""
    head = {"forecast_id": record.forecast_id, "method_version": record.method_version, "run": record.run}
    return [
        head | {"phase": "assumed", "component": note.field, "low": None, "central": note.value, "high": None,
                "unit": note.why, "tier": note.tier, "source_ids": ";".join(note.source_ids)}
        for note in record.assumed
    ]  # fmt: skip


def _show(record: ForecastRecord) -> None:
    """Print one forecast: its figures, then what was assumed."""
    say(f"{record.run}: forecast {record.forecast_id}, {record.method} {record.method_version}, 90 % intervals")
    lines = []
    for line in record.lines:
        unit, factor = TO_TONNES.get(line.unit, (line.unit, 1.0))
        ends = [_shown(value * factor) for value in (line.low, line.central, line.high)]
        sources = ", ".join(line.source_ids[:2]) + (
            f" and {len(line.source_ids) - 2} more" * (len(line.source_ids) > 2)
        )
        lines.append((line.phase, line.component, *ends, unit, line.tier, sources))
    show_table(("phase", "component", "low", "central", "high", "unit", "tier", "sources"), lines, right="llrrrlll")
    if record.assumed:
        say("Assumed, because the plan does not state it:")
        cells = [(note.field, note.value, note.why, note.tier, ", ".join(note.source_ids)) for note in record.assumed]
        show_table(("field", "taken", "why", "tier", "sources"), cells)
    say()


def _shown(value: float) -> str:
    """Give a figure as text; very large counts in powers of ten."""
    return f"{value:.3g}" if value >= 1e7 else number(value)


def _show_llmcarbon(plan_file: Path | None) -> None:
    """Print what LLMCarbon obtains for its rows, and our forecast of the same rows."""
    from models.prediction import llmcarbon
    from models.prediction.validation import emissions_without
    from pipelines.plans import read_text

    if plan_file is None:
        msg = "--method llmcarbon needs --plan with LLMCarbon's database.csv"
        raise CliError(msg, EXIT_USAGE)
    cells = []
    for row in llmcarbon.read(str(plan_file), read_text(plan_file)):
        theirs, ours = llmcarbon.training(row), emissions_without(row)
        delta = "-" if theirs.delta is None else f"{theirs.delta:+.5f}"
        between = f"{ours.low / 1e3:.3g} - {ours.high / 1e3:.3g}"
        reported = "-" if row.reported_tco2e is None else f"{row.reported_tco2e:g}"
        cells.append((row.name, delta, f"{theirs.tco2e:.4g}", f"{ours.central / 1e3:.3g}", between, reported))
    show_table(LLMCARBON_COLUMNS, cells, right="lrrrrr")
    say("Its rows carry their own efficiency, power and devices; ours is made without them and without the run itself.")

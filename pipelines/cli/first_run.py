"""``wattledger first-run``: what ``make run`` does. Two real jobs on this machine, from the counter to the report.

What belongs here: the order of the steps and what is said about them. What must not be here: how a step is done.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli import measured
from pipelines.cli.app import config_option, configuration
from pipelines.cli.comparison import show_comparison, show_jobs
from pipelines.cli.console import say, steps
from pipelines.cli.errors import EXIT_FAILED, CliError
from pipelines.cli.record import prepare_dagster_home
from pipelines.cli.run import exit_code, finish, show_findings, show_outcome

if TYPE_CHECKING:
    from warehouse.config import Config

_HERE = Path(__file__).resolve()
# In a clone the example lies at the root; in a wheel the build puts it into the package.
PLACES = (_HERE.parents[2] / "examples" / "first_run", _HERE.parents[1] / "examples" / "first_run")
TAG_CHARS = 8


@click.command("first-run")
@click.option("--quick", is_flag=True, help="Two small forests only; about 20 seconds.")
@config_option
@click.pass_context
def first_run(ctx: click.Context, *, quick: bool, config_path: Path | None) -> None:
    """Measure a training and an inference job here and take them to the report (what `make run` calls)."""
    from warehouse.engine import run_all
    from warehouse.lake import open_lake

    example = _example()
    _step(1, "The configuration")
    config = _installed(config_path, example)
    _step(2, "What can be measured on this machine")
    measured.show_probe(measured.probe())
    _step(3, "Two real jobs: random forests in training, then in batch inference")
    job_ids = _measure(config, example / "random_forest.py", quick=quick)
    _step(4, "Take in, compute, publish")
    with open_lake(config) as lake:
        with steps() as progress:
            report = run_all(lake, progress=progress)
        show_outcome(lake, report)
        show_findings(report)
        _step(5, "Training against inference")
        show_jobs(config.published_path, job_ids)
        show_comparison(config.published_path, months=1)
        _show_assumptions(config)
        finish(lake, report, record=True)
    _show_next(config)
    ctx.exit(exit_code(report))


def _step(number: int, title: str) -> None:
    say()
    say(f"[{number}/5] {title}")


def _example() -> Path:
    for place in PLACES:
        if (place / "random_forest.py").is_file():
            return place
    msg = (
        f"the example is not part of this installation (looked in {PLACES[0]} and {PLACES[1]}); run `make run` in a "
        "clone of the repository, or measure a job of your own: wattledger init; wattledger-collect exec -- CMD"
    )
    raise CliError(msg)


def _installed(config_path: Path | None, example: Path) -> Config:
    """Return the configuration; without one, the example becomes it."""
    from warehouse.config import CONFIG_NAME, home_path

    file = config_path or home_path() / CONFIG_NAME
    if config_path is None and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        shutil.copyfile(example / CONFIG_NAME, file)
        say(f"wrote {file}")
    config = configuration(file)
    say(f"organisation {config.organisation.name}, configuration {file}")
    _show_assumptions(config)
    prepare_dagster_home(config.home)
    return config


def _show_assumptions(config: Config) -> None:
    """Say which places of the configuration are the example's and not the user's."""
    from warehouse.config import CONFIG_NAME

    for place in config.facility:
        if place.id == measured.EXAMPLE_FACILITY:
            zone, pue = place.zone or "not stated", place.pue or "not stated"
            say(f"EXAMPLE ASSUMPTIONS, not facts about this machine: grid zone {zone}, PUE {pue}.")
            say(f"  Change them in {config.home / CONFIG_NAME}, then: wattledger run")


def _measure(config: Config, script: Path, *, quick: bool) -> list[str]:
    try:
        import sklearn  # noqa: F401 - only whether it is there
    except ImportError:
        msg = "scikit-learn is not installed; `make run` installs it, or: pip install 'wattledger[examples]'"
        raise CliError(msg) from None
    job_ids = []
    # The forests pass from one job to the next in the home, not in a shared folder for temporary files.
    with tempfile.TemporaryDirectory(prefix=".first-run-", dir=config.home) as folder:
        for kind, phase in (("train", "training"), ("infer", "inference")):
            job_id = f"first-run-{kind}-{uuid.uuid4().hex[:TAG_CHARS]}"
            command = [sys.executable, str(script), kind, folder, *(["--quick"] if quick else [])]
            code = measured.run_job(command, job_id, phase, config.landing_path)
            if code:
                msg = f"the {phase} job {job_id} ended with exit code {code}; what it said stands above"
                raise CliError(msg, EXIT_FAILED)
            job_ids.append(job_id)
    return job_ids


def _show_next(config: Config) -> None:
    from warehouse.config import CONFIG_NAME

    say()
    say("What next")
    say("  make dev (or wattledger ui)       opens Dagster at http://127.0.0.1:3000")
    say('  wattledger sql "from mart.job"    read-only SQL on what is published')
    say("  wattledger import --list          files of other tools")
    say("Your own data")
    say(f"  1. state your organisation, grid zone and PUE in {config.home / CONFIG_NAME}")
    say(f"  2. wattledger-collect exec --landing {config.landing_path} --team YOURS -- python train.py")
    say("  3. wattledger run")

"""``wattledger ui``: open Dagster on this installation."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from pathlib import Path

import click

from pipelines.cli.app import config_option, configuration
from pipelines.cli.console import say
from pipelines.cli.errors import CliError
from pipelines.cli.record import prepare_dagster_home

MODULE = "pipelines.definitions"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Port to listen on.")
@config_option
def ui(host: str, port: int, config_path: Path | None) -> None:
    """Open Dagster: the graph of all tables with row counts, runs, checks, schedules and sensors."""
    config = configuration(config_path)
    if importlib.util.find_spec("dagster_webserver") is None:
        msg = "dagster-webserver is not installed; pip install 'wattledger[platform,app]'"
        raise CliError(msg)
    _refuse_taken(host, port)
    environ = environment(config.home, prepare_dagster_home(config.home), config_path)
    say(f"Dagster: http://{host}:{port} (Ctrl-C ends it)")
    if host not in {"127.0.0.1", "localhost", "::1"}:
        say("Dagster asks nobody for a password: whoever reaches this address can start and stop runs.")
    sys.stdout.flush()
    command = [sys.executable, "-m", "dagster", "dev", "-m", MODULE, "-h", host, "-p", str(port)]
    os.execvpe(command[0], command, environ)  # noqa: S606 - no shell; Dagster takes over this process and its signals


def environment(home: Path, dagster_home: Path, config_path: Path | None = None) -> dict[str, str]:
    """Return the environment in which Dagster runs on an installation.

    Args:
        home: home of the installation.
        dagster_home: Dagster's folder.
        config_path: configuration file that was named, if any.
    """
    own = {
        "WATTLEDGER_HOME": str(home),
        "DAGSTER_HOME": str(dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DO_NOT_TRACK": "1",
    }
    if config_path is not None:
        own["WATTLEDGER_CONFIG"] = str(config_path.expanduser().resolve())
    return {**os.environ, **own}


def _refuse_taken(host: str, port: int) -> None:
    """Say so where another program listens already; Dagster itself would only say it after a long start."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            msg = f"cannot listen on {host}:{port}: {error.strerror}; name another with --port"
            raise CliError(msg) from error

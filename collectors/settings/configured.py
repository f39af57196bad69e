"""What wins: a flag, the environment, the configuration file, or the default.

What belongs here: putting the four together. What must not be here: which flags there are (``cli``), or what the file
may say (``file``), which is imported only where there is a file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..sources import SourceOptions

if TYPE_CHECKING:
    from argparse import Namespace

ENV_CONFIG = "WATTLEDGER_COLLECT_CONFIG"
_DEFAULTS = {"landing": None, "host": None, "state_dir": None, "interval_s": 1.0, "flush_s": 300.0, "spool_mb": 256.0}
_VARIABLES = {"landing": "WATTLEDGER_LANDING", "host": "WATTLEDGER_HOST"}


def configure(arguments: Namespace) -> None:
    """Fill in what neither a flag nor the environment states: from the configuration file, else the defaults.

    Adds ``sources``, options of the sources, ``work``, inference servers, and ``of_host``, facility and provider as the
    file states them: a job's own surroundings know those better than its host's file.

    Args:
        arguments: what the command line says; changed in place.

    Raises:
        SettingsError: if the file cannot be used.
    """
    stated: dict[str, Any] = {}
    sources = SourceOptions()
    arguments.work = ()
    if place := arguments.config or os.environ.get(ENV_CONFIG):
        from .file import load_settings

        settings = load_settings(Path(place))
        sources, stated = settings.sources, settings.agent._asdict()
        arguments.work = settings.work
        for warning in settings.warnings:
            print(f"wattledger-collect: {warning}", file=sys.stderr)  # noqa: T201 - told as the command line tells it
    if getattr(arguments, "estimate_denied", False):
        sources = sources._replace(estimate=sources.estimate._replace(is_denied_modelled=True))
    arguments.sources = sources
    arguments.of_host = {name: stated.get(name) for name in ("facility", "provider")}
    for name, default in _DEFAULTS.items():
        if getattr(arguments, name, None) is None and not os.environ.get(_VARIABLES.get(name, "")):
            setattr(arguments, name, stated.get(name) or default)

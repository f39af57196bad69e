"""Real sets taken through the whole line, once a session."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from warehouse import engine
from warehouse.config import Config, load_config
from warehouse.engine import RunReport
from warehouse.lake import open_lake

CONFIGURATION = Path(__file__).resolve().parents[2] / "examples" / "real_data" / "wattledger.toml"


@dataclass(frozen=True)
class Taken:
    """A landing folder that was taken in and computed.

    Attributes:
        config: the installation.
        report: what the run said.
        expected: folder of the figures that were computed outside of the project.
    """

    config: Config
    report: RunReport
    expected: Path


def take(landing: Path, source: Path, home: Path) -> Taken:
    """Copy a landing folder into a new installation and run the whole line over it."""
    shutil.copytree(landing, home / "landing", dirs_exist_ok=True)
    shutil.copyfile(CONFIGURATION, home / "wattledger.toml")
    config = load_config(home / "wattledger.toml")
    with open_lake(config) as lake:
        report = engine.run_all(lake)
    return Taken(config, report, source / "expected")

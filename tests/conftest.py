"""Shared by all tests: the repository is importable, so that ``tests.support`` is, and nothing is looked up at home."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from warehouse.config import Config
    from warehouse.lake import Lake

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background deaf to Ctrl-C, and children inherit that: the programs under test too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test may touch the installation of whoever runs it."""
    monkeypatch.setenv("WATTLEDGER_HOME", str(tmp_path / "nobody"))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A small installation whose lake has its tables and factors, and no facts yet."""
    from tests.support.homes import make_home

    return make_home(tmp_path / "home")


@pytest.fixture
def lake(config: Config) -> Iterator[Lake]:
    """The open, writable lake of that installation."""
    from warehouse.lake import open_lake

    with open_lake(config) as opened:
        yield opened

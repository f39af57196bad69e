"""Resources: the installation that the assets work on, opened per step and closed, and the refusal to pickle.

What belongs here: how a step gets at configuration, lake and providers. What must not be here: what it does with them.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from warehouse.config import Config, load_config
from warehouse.lake import Lake, open_lake

if TYPE_CHECKING:
    from pipelines.feeds.web import Web

CONFIG_VARIABLE = "WATTLEDGER_CONFIG"
# One writer at a time, also over several runs; the lock of the lake itself stands behind it.
WRITER_POOL = "lake_writer"


class Installation(dg.ConfigurableResource):  # type: ignore[type-arg]
    """One installation of wattledger.

    Attributes:
        config_path: its ``wattledger.toml``; empty for the one that ``WATTLEDGER_CONFIG`` names, else the one in
            ``WATTLEDGER_HOME``.
    """

    config_path: str = ""

    def config(self) -> Config:
        """Read and return the configuration.

        Raises:
            ConfigError: if it is missing or wrong; the message says where and what to do.
        """
        path = self.config_path or os.environ.get(CONFIG_VARIABLE, "")
        return load_config(Path(path) if path else None)

    @contextlib.contextmanager
    def lake(self, *, read_only: bool = False) -> Iterator[Lake]:
        """Open the lake for one step and close it, whatever happens."""
        with open_lake(self.config(), read_only=read_only) as lake:
            yield lake

    @contextlib.contextmanager
    def web(self) -> "Iterator[Web]":
        """Open HTTP for asking providers in one step and close it, whatever happens."""
        from pipelines.feeds.web import Web  # the HTTP library is not needed to show the graph

        with contextlib.closing(Web()) as web:
            yield web


class NoPickles(dg.IOManager):
    """Refuses to keep a Python object: assets write through the lake and return metadata only."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Refuse.

        Raises:
            TypeError: always; the message says what an asset must return instead.
        """
        msg = (
            f"{context.step_key} returned a {type(obj).__name__}; an asset writes through the lake and returns metadata"
        )
        raise TypeError(msg)

    def load_input(self, context: dg.InputContext) -> object:
        """Refuse.

        Raises:
            TypeError: always; the message says how an asset reads instead.
        """
        msg = f"{context.name} is asked for as an object; an asset reads from the lake and names what it reads in deps"
        raise TypeError(msg)

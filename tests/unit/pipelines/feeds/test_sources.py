"""Every source has a client under its own name, with what the planner needs to know of it."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from pipelines.feeds.feed import FeedError, Settings
from pipelines.feeds.sources import SOURCES, client


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_a_source_is_what_it_says(source: str) -> None:
    made = client(source, Settings(), {}, now_ms=lambda: 0)
    assert made.source == source
    assert made.title
    assert made.licence
    assert made.longest >= timedelta(days=1)
    assert all(step_s > 0 for step_s in made.steps_s)
    assert all(name == name.upper() for name in made.needs)


def test_an_unknown_source_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(FeedError, match="electricity_maps, "):
        client("nobody", Settings(), {}, now_ms=lambda: 0)


def test_clients_do_not_load_the_http_library() -> None:
    modules = ", ".join(module for module, _ in SOURCES.values())
    code = f"import sys, {modules}; sys.exit('requests' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

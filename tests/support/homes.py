"""Small installations: a home with a configuration and a lake that already has its tables and packaged factors."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from warehouse.config import CONFIG_NAME, Config, load_config
from warehouse.lake import open_lake
from warehouse.reference import sync_reference

BASE: dict[str, Any] = {
    "organisation": {"name": "Example"},
    "landing": {"path": "landing"},
    "accounting": {"max_gap_s": 30},
    "facility": [{"id": "dc1", "zone": "DE", "pue": 1.25, "hosts": ["host-*"]}],
}


def make_home(folder: Path, *, fresh: bool = False, **overrides: Any) -> Config:
    """Make an installation and return its configuration.

    Args:
        folder: made as the home.
        fresh: leave out the lake, so that the first run has to create it (some seconds more).
        overrides: sections of ``wattledger.toml``; a mapping is merged into the base, anything else replaces it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = write_config(folder, **overrides)
    if not fresh and "lake" not in overrides:
        shutil.copytree(_template(), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(CONFIG_NAME))
    config.landing_path.mkdir(parents=True, exist_ok=True)
    return config


def write_config(folder: Path, **overrides: Any) -> Config:
    """Write ``wattledger.toml`` anew, the lake and the files stay, and return the configuration."""
    sections = {**BASE}
    for name, value in overrides.items():
        sections[name] = {**sections.get(name, {}), **value} if isinstance(value, dict) else value
    (folder / CONFIG_NAME).write_text(_toml(sections), encoding="utf-8")
    return load_config(folder / CONFIG_NAME)


@functools.cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wattledger-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / CONFIG_NAME).write_text(_toml({"organisation": {"name": "-"}, "landing": {"path": "landing"}}))
    with open_lake(load_config(folder / CONFIG_NAME)) as lake:
        sync_reference(lake)
    for lock in folder.glob("*.lock"):
        lock.unlink()
    return folder


def _toml(sections: dict[str, Any]) -> str:
    lines: list[str] = []
    for name, value in sections.items():
        if isinstance(value, list):
            for entry in value:
                lines += [f"[[{name}]]", *_pairs(entry)]
        else:
            lines += [f"[{name}]", *_pairs(value)]
    return "\n".join(lines) + "\n"


def _pairs(section: dict[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in section.items()]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_value(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return json.dumps(value)

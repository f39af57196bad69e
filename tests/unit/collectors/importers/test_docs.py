"""What ``docs/import-table.md`` shows is what the program does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from collectors.importers.errors import REASONS
from collectors.importers.grammar import _OPS, _VALUE_KEYS
from collectors.importers.mapping import shipped_mappings
from collectors.importers.units import UNITS

DOCS = Path(__file__).resolve().parents[4] / "docs"


@pytest.fixture(scope="module")
def page() -> str:
    return (DOCS / "import-table.md").read_text(encoding="utf-8")


def test_the_first_example_works(page: str, bench: Any) -> None:
    source = re.search(r"```\n(time,server.*?)```", page, re.S)
    mapping = re.search(r"<!-- example: rack.toml -->\n```toml\n(.*?)```", page, re.S)
    assert source
    assert mapping
    result = bench.run(mapping[1], source[1])
    assert (result.rows_landed, result.rows_filtered, result.rows_rejected) == (2, 1, 0)
    assert bench.column("power_mw") == [412_500, 398_000]
    assert bench.column("ts_ms") == [1_719_792_000_000, 1_719_792_010_000]


def test_every_unit_reason_option_and_condition_is_described(page: str) -> None:
    words = set(re.findall(r"[\w/%]+", page))
    assert {symbol for symbols in UNITS.values() for symbol in symbols} <= words
    assert set(REASONS) <= words
    assert {*_OPS, *_VALUE_KEYS} <= words


def test_every_shipped_mapping_is_described() -> None:
    page = (DOCS / "real-data.md").read_text(encoding="utf-8")
    assert all(f"## {name}" in page for name in shipped_mappings())

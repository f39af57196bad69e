"""The real Azure trace as a log of requests: the same minutes as by its mapping, to the last token."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from collectors.importers.formats import load
from collectors.importers.run import import_format
from tests.support.measuring import landed

pytestmark = pytest.mark.real


@pytest.mark.parametrize("service", ["code", "conv"])
def test_tokens_by_minute_match_exactly(shared_data: Path, tmp_path: Path, service: str) -> None:
    source = shared_data / "traces" / "azure_llm_2023"
    log = source / f"AzureLLMInferenceTrace_{service}.csv.gz"
    options = {"model": "not-named", "service": service, "zone": "UTC"}
    result = import_format(load("requests"), log, tmp_path, options)
    rows = pd.DataFrame(landed(tmp_path)["work_counter"])
    assert (rows.end_ms - rows.start_ms == 60_000).all()
    rows["minute"] = pd.to_datetime(rows.start_ms, unit="ms").dt.strftime("%Y-%m-%d %H:%M:%S")
    got = rows.set_index("minute")[["requests_n", "input_tokens_n", "output_tokens_n"]].sort_index()
    expected = pd.read_csv(source / "expected/tokens_by_minute.csv")
    want = expected[expected.service == service].set_index("minute").sort_index()
    assert got.index.tolist() == want.index.tolist()
    assert got.values.tolist() == want[["requests", "context_tokens", "generated_tokens"]].values.tolist()
    assert (result.rows_rejected, result.rows_read) == (0, rows.requests_n.sum())

"""Real data under ``../shared/data``: the fixtures that find it and import it once a session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collectors.importers.table import ImportResult, import_table

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
SETS = {
    "mlperf-training-smc-ac": "mlperf_training_v40_smc_ac",
    "mlperf-inference-h200": "mlperf_inference_v41_power",
    "azure-llm-2023": "azure_llm_2023",
    "alibaba-openb-2023": "alibaba_openb_2023",
}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the real data. Without ``../shared`` the test skips; a shared folder without them fails."""
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED}: real data are not on this machine")
    data = SHARED / "data"
    assert (data / "traces").is_dir(), f"{SHARED} is there, but {data / 'traces'} is missing"
    return data


@dataclass(frozen=True)
class Imported:
    """A real set, imported into a landing folder of its own.

    Attributes:
        result: what the import said.
        landing: landing folder.
        source: folder of the set.
    """

    result: ImportResult
    landing: Path
    source: Path

    def table(self, name: str) -> pa.Table:
        """Return all landed rows of a table, file by file in order of hour."""
        files = sorted(self.landing.glob(f"{name}/date=*/hour=*/*.parquet"))
        return pa.concat_tables(pq.read_table(path, partitioning=None) for path in files)


@pytest.fixture(scope="session")
def imported(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Imported]:
    """Return a function that imports a shipped mapping's set, once a session."""

    @cache
    def run(mapping: str) -> Imported:
        landing = tmp_path_factory.mktemp(mapping)
        source = shared_data / "traces" / SETS[mapping]
        return Imported(import_table(mapping, source, landing), landing, source)

    return run

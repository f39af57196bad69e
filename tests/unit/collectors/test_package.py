"""The package as a whole: light to import, alone, and in step with the contract."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import collectors
from collectors import contract
from collectors.spool import journal

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = sorted(Path(collectors.__file__).parent.rglob("*.py"))


def test_samples_in_a_journal_have_the_contracts_columns():
    static = {"host", "device", "kind", "parent", "point", "is_estimate"}
    assert set(journal.COLUMNS) | static == {column.name for column in contract.POWER_SAMPLE.columns}


_LONG_LIVED = """
import sys
before = set(sys.modules)
from pathlib import Path
import collectors.cli, collectors.agent.run
from collectors.agent.loop import LoopSettings, SamplingLoop
from collectors.sources import discover
root = Path(sys.argv[1])
settings = LoopSettings("h", str(root / "landing"), root / "state", "1")
loop = SamplingLoop(settings, discover().sources)
loop.sample(); loop.sample(); loop.sync()
assert loop.sampler.samples_n >= 2
import collectors.sources.redfish, collectors.sources.ipmi, collectors.sources.scrape, collectors.sources.http_client
heavy = {"pyarrow", "pandas", "numpy", "click", "pynvml", "hashlib", "dataclasses", "inspect", "tempfile", "ssl", "csv"}
heavy |= {"http", "http.client", "email", "socket", "tomllib", "decimal", "subprocess", "shutil", "bz2", "logging"}
heavy |= {"collectors.settings.file", "collectors.metrics.known", "collectors.metrics.text", "collectors.probe"}
print(sorted(heavy & set(sys.modules) - before))
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024)
"""


def test_the_process_that_lives_for_months_is_light(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _LONG_LIVED, str(tmp_path)], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded, resident_mb = done.stdout.splitlines()
    # csv is what reads the factors of the estimate and the sensors, where there are any. Sources that nobody configured
    # load nothing even where their modules are.
    assert loaded in ("[]", "['csv']")
    assert float(resident_mb) < 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports_inside_are_relative_and_outside_are_declared(path):
    allowed = {"pyarrow", *sys.stdlib_module_names}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        assert {name.partition(".")[0] for name in names} <= allowed, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_stay_small(path):
    assert len(path.read_text().splitlines()) <= 400

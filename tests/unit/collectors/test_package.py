"""The package as a whole: light to import, alone, and in step with the contract."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import collectors
from collectors import contract
from collectors.sampling import SAMPLE_COLUMNS

REPOSITORY = Path(__file__).resolve().parents[3]
FILES = sorted(Path(collectors.__file__).parent.rglob("*.py"))


def test_samples_have_the_contracts_columns():
    assert tuple(column.name for column in contract.POWER_SAMPLE.columns) == SAMPLE_COLUMNS


def test_the_sampling_process_loads_neither_pyarrow_nor_pandas_before_it_lands(tmp_path):
    code = (
        "import sys, collectors, collectors.cli, collectors.execute, collectors.landing, collectors.sources\n"
        "from pathlib import Path\n"
        "landing = collectors.landing.LandingWriter(Path('/nonexistent'), host='h', collector_version='1')\n"
        "loop = collectors.execute.SamplingLoop(collectors.sources.discover().sources, landing,"
        " state_dir=Path(sys.argv[1]))\n"
        "loop.sample(); loop.sample()\n"
        "assert loop.samples_n >= 2\n"
        "print(sorted({'pyarrow', 'pandas', 'numpy', 'click'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=REPOSITORY)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports_inside_are_relative_and_outside_are_declared(path):
    allowed = {"pyarrow", "pynvml", *sys.stdlib_module_names}
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

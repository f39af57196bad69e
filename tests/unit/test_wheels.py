"""The two wheels: what they install, under which names, and that each works in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLATFORM_NAMES = {"collectors", "models", "warehouse", "pipelines"}
COLLECTOR_NAMES = {"wattledger_collectors"}


def build(source: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    (wheel,) = out.glob("*.whl")
    return wheel


def top_level_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def platform_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("platform"))


@pytest.fixture(scope="module")
def collectors_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT / "collectors", tmp_path_factory.mktemp("collectors"))


def venv_with(wheel: Path, folder: Path) -> Path:
    """Make an environment with the wheel itself and only the dependencies of the tests' environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    site = Path(subprocess.run([str(python), "-c", where], capture_output=True, text=True, check=True).stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    dependencies = subprocess.run([sys.executable, "-c", where], capture_output=True, text=True, check=True)
    (site / "dependencies.pth").write_text(dependencies.stdout.strip() + "\n")
    return python


def run_in(python: Path, code: str, cwd: Path) -> str:
    result = subprocess.run([str(python), "-c", code], capture_output=True, text=True, cwd=cwd, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout.strip()


@pytest.mark.slow
def test_platform_wheel_installs_the_four_packages_and_nothing_else(platform_wheel: Path, tmp_path: Path) -> None:
    assert top_level_names(platform_wheel) == PLATFORM_NAMES
    python = venv_with(platform_wheel, tmp_path / "venv")
    code = (
        "import collectors, models.factors, warehouse.engine, warehouse.sqlfiles as s;"
        "assert models.factors.grid_factors();"
        "print(s.sql_text('core', 'emission')[:2], collectors.__file__)"
    )
    out = run_in(python, code, tmp_path)
    assert out.startswith("--")
    assert str(tmp_path) in out, "the wheel's own files must be used, not the checkout"


@pytest.mark.slow
def test_collectors_wheel_installs_under_its_own_name_and_is_light(collectors_wheel: Path, tmp_path: Path) -> None:
    assert top_level_names(collectors_wheel) == COLLECTOR_NAMES
    python = venv_with(collectors_wheel, tmp_path / "venv")
    code = (
        "import sys, wattledger_collectors, wattledger_collectors.cli;"
        "heavy = {'pyarrow', 'pandas', 'duckdb', 'dagster', 'collectors', 'models'} & set(sys.modules);"
        "assert not heavy, heavy;"
        "import wattledger_collectors.landing.writer, wattledger_collectors.landing.reader;"
        "import wattledger_collectors.importers;"
        "print(wattledger_collectors.__file__)"
    )
    assert str(tmp_path) in run_in(python, code, tmp_path)


@pytest.mark.slow
def test_collectors_wheel_needs_only_what_a_host_should_carry(collectors_wheel: Path) -> None:
    with zipfile.ZipFile(collectors_wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    needs = {line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("Requires-Dist:")}
    names = {need.partition(">")[0].partition("<")[0].partition("=")[0].strip() for need in needs}
    assert names == {"pyarrow"}

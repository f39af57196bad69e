"""Small installations for the command line: one that was run once and is only read, fresh ones to change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.cli import cli, report
from tests.support.homes import make_home
from tests.support.landed import put
from tests.unit.pipelines.cli.helpers import Run, land
from warehouse.config import Config, load_config


def quick_report(config: Config) -> Path:
    """Stand in for the report, whose charts cost seconds."""
    page = config.report_path / "organisation.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<html></html>")
    return page


@pytest.fixture(autouse=True)
def _quick_report(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_report" not in request.fixturenames:
        monkeypatch.setattr(report, "write", quick_report)


@pytest.fixture
def real_report() -> None:
    """Ask for the report itself and not its stand-in."""


@pytest.fixture(scope="session")
def computed_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a home that is run once, with one file that is refused."""
    folder = tmp_path_factory.mktemp("computed") / "home"
    config = make_home(folder)
    land(config)
    put(config.landing_path, "power_sample/date=2025-03-03/hour=11/torn.parquet", b"PAR1 but then nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "write", quick_report)
        result = CliRunner().invoke(cli, ["run", "--config", str(folder / "wattledger.toml"), "--no-record"])
    assert result.exit_code == 3, result.output
    (folder / "first-output.txt").write_text(result.output)
    return folder


@pytest.fixture
def computed(computed_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point WATTLEDGER_HOME at the installation that was run once."""
    monkeypatch.setenv("WATTLEDGER_HOME", str(computed_template))
    return computed_template


@pytest.fixture
def changed(computed_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Copy the installation that was run once, for a test that changes it."""
    shutil.copytree(computed_template, tmp_path / "changed", ignore=shutil.ignore_patterns("*.lock"))
    monkeypatch.setenv("WATTLEDGER_HOME", str(tmp_path / "changed"))
    return load_config(tmp_path / "changed" / "wattledger.toml")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Make a fresh installation and point WATTLEDGER_HOME at it."""
    monkeypatch.setenv("WATTLEDGER_HOME", str(tmp_path / "home"))
    return make_home(tmp_path / "home")


@pytest.fixture
def wattledger() -> Run:
    """Run the command line in this process."""

    def run(*arguments: str, code: int | None = 0, text: str | None = None) -> Result:
        result = CliRunner().invoke(cli, list(arguments), input=text)
        if code is not None:
            assert result.exit_code == code, f"exit {result.exit_code}: {result.output}"
        return result

    return run

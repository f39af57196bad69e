"""The command as a whole: version, help, errors and exit codes, init, dictionary."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import click
import duckdb
import pytest

from collectors import __version__
from pipelines.cli import cli
from pipelines.cli.app import COMMANDS
from pipelines.cli.errors import CliError, as_messages
from pipelines.cli.text import plain
from tests.unit.pipelines.cli.helpers import Run
from warehouse.config import Config, load_config
from warehouse.dictionary import dictionary
from warehouse.lake import LakeBusyError
from warehouse.registry import ALL_TABLES

ROOT = Path(__file__).resolve().parents[4]


def test_version_is_the_program_version(wattledger: Run) -> None:
    assert wattledger("--version").output == f"wattledger {__version__}\n"


def test_help_lists_every_command_with_exit_codes(wattledger: Run) -> None:
    output = wattledger("--help").output
    assert all(f"  {name} " in output for name in COMMANDS)
    assert "Exit codes: 0 done; 1 failed; 2 wrong use" in " ".join(output.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(wattledger: Run, name: str) -> None:
    assert "Usage: cli " in wattledger(name, "--help").output


def test_naming_the_version_loads_neither_duckdb_nor_dagster() -> None:
    code = (
        "import sys\nfrom pipelines.cli import cli\ncli(['--version'], standalone_mode=False)\n"
        "assert not {'duckdb', 'dagster', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


def test_unknown_command_is_wrong_use(wattledger: Run) -> None:
    assert "No such command 'fly'" in wattledger("fly", code=2).output


@pytest.mark.parametrize(
    "command",
    [["run"], ["quarantine", "list"], ["report"], ["sql", "select 1"], ["audit"], ["doctor"], ["ui"]],
    ids=lambda command: command[0],
)
def test_without_configuration_the_error_says_where_and_what_to_do(wattledger: Run, command: list[str]) -> None:
    output = wattledger(*command, code=2).output
    assert "no configuration at" in output
    assert "wattledger init" in output
    assert "Traceback" not in output


def test_a_wrong_configuration_names_key_value_and_what_is_allowed(wattledger: Run, tmp_path: Path) -> None:
    file = tmp_path / "wattledger.toml"
    file.write_text('[organisation]\nname = "x"\n[landing]\npath = "l"\n[[facility]]\nid = "a"\npue = 0.5\n')
    output = wattledger("run", "--config", str(file), code=2).output
    assert str(file) in output
    assert "facility.0.pue" in output
    assert "greater than or equal to 1 (given: 0.5)" in output


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (KeyboardInterrupt(), 130, "Nothing is left half done"),
        (duckdb.InterruptException("Interrupted"), 130, "Nothing is left half done"),
        (RuntimeError("Query interrupted"), 130, "Nothing is left half done"),
        (LakeBusyError("held"), 4, "held"),
        (OSError(28, "No space left on device", "/data/x"), 1, "/data/x: No space left on device; free space"),
        (FileNotFoundError("nothing is published"), 1, "nothing is published"),
        (duckdb.IOException("broken"), 1, "wattledger doctor"),
        (RuntimeError("surprise"), 1, "This is a defect"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_errors_become_one_message_and_their_exit_code(error: BaseException, code: int, text: str) -> None:
    def failing() -> None:
        with as_messages():
            raise error

    with pytest.raises(CliError) as caught:
        failing()
    assert caught.value.exit_code == code
    assert text in caught.value.format_message()


def test_a_click_error_stays_what_it_is() -> None:
    with pytest.raises(click.UsageError), as_messages():
        raise click.UsageError("wrong flag")


def test_init_writes_a_configuration_that_is_valid_and_never_overwrites(wattledger: Run, tmp_path: Path) -> None:
    name = 'Ärzte "ohne" \\ Grenzen \x7f 🌍'
    output = wattledger("init", "--home", str(tmp_path / "new"), "--name", name).output
    file = tmp_path / "new" / "wattledger.toml"
    assert f"wrote {file}" in output
    assert load_config(file).organisation.name == name
    assert load_config(file).facility == [], "no place may be assumed"
    file.write_text("mine")
    assert "left as it is" in wattledger("init", "--home", str(tmp_path / "new"), code=2).output
    assert file.read_text() == "mine"


def test_the_place_in_the_comments_of_init_is_valid_too(wattledger: Run, tmp_path: Path) -> None:
    wattledger("init", "--home", str(tmp_path))
    file = tmp_path / "wattledger.toml"
    lines = file.read_text().splitlines()
    start = lines.index("# [[facility]]")
    file.write_text("\n".join([*lines[:start], *(line.removeprefix("# ") for line in lines[start:])]))
    assert load_config(file).facility[0].pue == 1.25


def test_init_uses_the_home_of_the_environment(
    wattledger: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATTLEDGER_HOME", str(tmp_path / "elsewhere"))
    wattledger("init")
    assert tomllib.loads((tmp_path / "elsewhere" / "wattledger.toml").read_text())["organisation"]


def test_the_dictionary_in_docs_is_up_to_date() -> None:
    assert (ROOT / "docs" / "data-dictionary.md").read_text() == dictionary(), "run `make docs`"


def test_the_dictionary_names_every_table_and_column(wattledger: Run) -> None:
    output = wattledger("dictionary").output
    assert output == dictionary()
    for entry in ALL_TABLES:
        section = output.partition(f"### {entry.qualified}\n")[2].partition("\n### ")[0]
        assert all(f"| `{column.name}` | {column.type} |" in section for column in entry.columns)


def test_cli_docs_name_every_command_and_exit_code() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    assert all(f"wattledger {name}" in text for name in COMMANDS)
    assert all(f"| {code} |" in text for code in (0, 1, 2, 3, 4, 130))


def test_data_cannot_steer_the_terminal() -> None:
    assert plain("a\x1b[31mred\u202e\n") == "a\\x1b[31mred\\u202e\\n"


def test_the_example_configuration_is_valid_and_says_that_it_assumes(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "first_run" / "wattledger.toml").read_text()
    (tmp_path / "wattledger.toml").write_text(text)
    config: Config = load_config(tmp_path / "wattledger.toml")
    assert (config.facility[0].id, config.facility[0].hosts) == ("example-site", ["*"])
    assert text.count("EXAMPLE ASSUMPTION") >= 3


def test_the_group_is_what_the_installed_program_runs() -> None:
    assert isinstance(cli, click.Group)

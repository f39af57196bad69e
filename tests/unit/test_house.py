"""The house itself: who imports whom, how large a file may be, what every file must say about itself."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from warehouse.registry import ALL_TABLES
from warehouse.sqlfiles import LAYERS, sql_names, sql_text

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("collectors", "models", "warehouse", "pipelines")
MAX_LINES = 400
# Who may import whom; of collectors, the warehouse may only know the landing contract, its reader and its version.
ALLOWED = {
    "collectors": set(),
    "models": set(),
    "warehouse": {"models", "collectors"},
    "pipelines": {"collectors", "models", "warehouse"},
}
WAREHOUSE_MAY_KNOW = {"collectors", "collectors.contract", "collectors.landing.reader"}
# And one service of the landing folder's owner: to sweep what dead writers left in it.
WAREHOUSE_MAY_CALL = {("collectors.landing.stores", "sweep"), ("collectors.landing.stores", "object_store")}
# Names of DuckDB's and PostgreSQL's own columns; a lake column of that name breaks on a PostgreSQL catalog.
SYSTEM_COLUMNS = {"cmin", "cmax", "xmin", "xmax", "ctid", "tableoid", "oid"}
UNIT_SUFFIXES = {
    "J": "_j",
    "kWh": "_kwh",
    "s": "_s",
    "ms": ("_ms", "valid_from", "valid_to"),
    "mW": "_mw",
    "mJ": "_mj",
    "gCO2e": "gco2e",
    "kgCO2e": "kgco2e",
    "gCO2e/kWh": "gco2e_per_kwh",
    "fraction": "_fraction",
    "h": "_h",
    "kW": "_kw",
    "bytes": "_bytes",
    "years": "_years",
    "l": "_l",
    "%": "_percent",
}


def python_files(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package).rglob("*.py") if "__pycache__" not in path.parts)


def all_python_files() -> list[Path]:
    return [path for package in (*PACKAGES, "tests", "bench", "examples") for path in python_files(package)]


def imported_modules(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    for path in python_files(package):
        ours = {name for name in imported_modules(path) if name.partition(".")[0] in PACKAGES}
        foreign = {name.partition(".")[0] for name in ours} - {package}
        assert foreign <= ALLOWED[package], f"{path.relative_to(ROOT)} imports {sorted(foreign - ALLOWED[package])}"


def test_collectors_import_themselves_only_relatively() -> None:
    # The same files are installed as wattledger_collectors on training hosts, where `collectors` is somebody else's.
    for path in python_files("collectors"):
        absolute = {name for name in imported_modules(path) if name.partition(".")[0] == "collectors"}
        assert not absolute, f"{path.relative_to(ROOT)} imports {sorted(absolute)}"


def test_warehouse_knows_only_the_contract_of_the_collectors() -> None:
    for path in python_files("warehouse"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "collectors":
                called = {(node.module, alias.name) for alias in node.names}
                known = node.module in WAREHOUSE_MAY_KNOW or called <= WAREHOUSE_MAY_CALL
                assert known, f"{path.relative_to(ROOT)} imports {node.module}"


def test_models_do_no_io_but_their_own_data() -> None:
    forbidden = {"os", "time", "requests", "duckdb", "dagster", "pathlib", "socket", "datetime", "random"}
    for path in python_files("models"):
        names = {name.partition(".")[0] for name in imported_modules(path)}
        assert not names & forbidden, f"{path.relative_to(ROOT)} imports {sorted(names & forbidden)}"


def test_no_file_is_too_long() -> None:
    sql = list((ROOT / "warehouse" / "sql").rglob("*.sql"))
    long = {
        str(path.relative_to(ROOT)): lines
        for path in [*all_python_files(), *sql]
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long


def test_every_module_says_what_it_is() -> None:
    for path in all_python_files():
        text = path.read_text(encoding="utf-8")
        assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{path.relative_to(ROOT)} has no docstring"


@pytest.mark.parametrize("layer", LAYERS)
def test_every_sql_file_is_one_select_with_a_header(layer: str) -> None:
    for name in sql_names(layer):
        text = sql_text(layer, name)
        head = text[: text.index("\n", text.rindex("\n--") + 1)] if "\n--" in text else text
        assert text.startswith("--"), f"{layer}/{name}.sql has no header"
        assert "grain:" in head, f"{layer}/{name}.sql states no grain"
        body = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
        assert body.lstrip().startswith(("select", "with")), f"{layer}/{name}.sql is not a SELECT"
        assert ";" not in body, f"{layer}/{name}.sql holds more than one statement"
        assert "->" not in re.sub(r"'[^']*'", "", body), f"{layer}/{name}.sql uses an arrow lambda, gone in DuckDB 2"


def test_computed_tables_and_sql_files_match() -> None:
    computed = {f"{layer}.{name}" for layer in ("core", "mart") for name in sql_names(layer)}
    described = {entry.qualified for entry in ALL_TABLES if entry.schema in {"core", "mart"}}
    assert described <= computed


def test_every_quantity_carries_its_unit_in_its_name() -> None:
    for entry in ALL_TABLES:
        for column in entry.columns:
            assert column.name not in SYSTEM_COLUMNS, f"{entry.qualified}.{column.name} is a system column"
            assert column.description.endswith("."), f"{entry.qualified}.{column.name}: description is no sentence"
            suffix = UNIT_SUFFIXES.get(column.unit or "")
            if suffix is not None:
                wanted = (suffix,) if isinstance(suffix, str) else suffix
                assert any(part in column.name for part in wanted), f"{entry.qualified}.{column.name} [{column.unit}]"


def test_registry_keys_exist_and_names_are_unique() -> None:
    names = [entry.qualified for entry in ALL_TABLES]
    assert len(names) == len(set(names))
    for entry in ALL_TABLES:
        assert set(entry.key) <= set(entry.column_names), entry.qualified
        assert len(entry.column_names) == len(set(entry.column_names)), entry.qualified
        assert entry.partition is None or entry.partition in entry.column_names, entry.qualified


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def test_nothing_of_a_machine_or_an_index_is_committed() -> None:
    index_words = ("--index-url", "--extra-index-url", "--find-links", "--trusted-host")
    for path in tracked_files():
        if path.suffix in {".png", ".parquet", ".gz"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if path != Path(__file__):
            assert not any(word in text for word in index_words), path.relative_to(ROOT)
        assert str(ROOT) + "/" not in text, path.relative_to(ROOT)


def test_no_pickle_is_written_or_read() -> None:
    for package in (*PACKAGES, "examples"):
        for path in python_files(package):
            found = imported_modules(path) & {"pickle", "cloudpickle", "joblib", "dill", "shelve"}
            assert not found, f"{path.relative_to(ROOT)} imports {sorted(found)}"

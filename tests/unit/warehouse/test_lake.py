"""The lake opens, creates what is missing, commits whole or not at all, and tries again only what can succeed."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tests.support.homes import make_home
from warehouse import lake as lake_module
from warehouse.config import Config
from warehouse.lake import Lake, LakeBusyError, LakeError, extension_path, is_conflict, open_lake
from warehouse.registry import ALL_TABLES
from warehouse.repair import shape_problem


def _note(lake: Lake, cause: str) -> None:
    sql = f"insert into lake.audit.pending values ('2025-03-03', '{cause}', now())"
    lake.transaction(lambda connection: connection.execute(sql) and None)


def test_a_new_lake_has_every_table_of_the_registry(tmp_path: Path) -> None:
    config = make_home(tmp_path / "home", fresh=True)
    with open_lake(config) as lake:
        found = {f"{schema}.{name}" for schema, name in lake.rows(lake_module._TABLES_SQL)}
        assert found == {entry.qualified for entry in ALL_TABLES}
        assert shape_problem(lake) is None
        comments = "select count(*) from duckdb_columns() where database_name = 'lake' and comment is null"
        assert lake.value(comments) == 0


def test_opening_again_changes_nothing(config: Config) -> None:
    with open_lake(config) as lake:
        before = lake.value("select max(snapshot_id) from lake.snapshots()")
    with open_lake(config) as lake:
        assert lake.value("select max(snapshot_id) from lake.snapshots()") == before


def test_an_installation_may_be_moved(config: Config, tmp_path: Path) -> None:
    with open_lake(config) as lake:
        rows = "select 'c', 'minor', i::varchar, '', '', 'open', now(), now() from range(5000) as numbers (i)"
        sql = f"insert into lake.audit.finding {rows}"
        lake.transaction(lambda connection: connection.execute(sql) and None)
    shutil.move(config.home, tmp_path / "elsewhere")
    moved = make_home(tmp_path / "elsewhere", fresh=True)
    for read_only in (True, False):
        with open_lake(moved, read_only=read_only) as lake:
            assert lake.value("select count(distinct entity) from audit.finding") == 5000


def test_a_failed_transaction_leaves_nothing(lake: Lake) -> None:
    def work(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("insert into lake.audit.pending values ('2025-03-03', 'x', now())")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        lake.transaction(work)
    assert lake.value("select count(*) from audit.pending") == 0
    _note(lake, "y")
    assert lake.rows("select cause from audit.pending") == [("y",)]


def test_a_conflict_is_tried_again_from_the_start(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_module, "FIRST_BACKOFF_S", 0.0001)
    tries = []

    def work(connection: duckdb.DuckDBPyConnection) -> int:
        tries.append(1)
        connection.execute("insert into lake.audit.pending values ('2025-03-03', 'x', now())")
        if len(tries) < 3:
            msg = "Failed to commit DuckLake transaction. Transaction conflict - another transaction has altered it"
            raise duckdb.TransactionException(msg)
        return len(tries)

    assert lake.transaction(work) == 3
    assert lake.value("select count(*) from audit.pending") == 1


def test_always_losing_is_said(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_module, "FIRST_BACKOFF_S", 0.0)

    def work(_: duckdb.DuckDBPyConnection) -> None:
        msg = "database is locked"
        raise duckdb.IOException(msg)

    with pytest.raises(LakeBusyError, match="stayed busy over 12 attempts"):
        lake.transaction(work)


def test_a_wrong_statement_is_not_tried_again(lake: Lake) -> None:
    tries = []

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        tries.append(1)
        connection.execute("select * from raw.quarantine_row where reasn = 'conflict'")

    with pytest.raises(duckdb.BinderException):
        lake.transaction(work)
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (duckdb.TransactionException("Transaction conflict - attempting to delete"), True),
        (duckdb.IOException("Failed to execute query: database is locked"), True),
        (duckdb.Error("could not serialize access due to concurrent update"), True),
        (duckdb.BinderException("column reason = 'conflict'"), False),
        (duckdb.IOException("No space left on device"), False),
        (duckdb.TransactionException("Failed to commit: Transaction conflict: INTERRUPT Error: Interrupted!"), False),
        (ValueError("conflict"), False),
    ],
)
def test_what_is_a_conflict(error: Exception, again: bool) -> None:
    assert is_conflict(error) is again


def test_a_python_variable_is_no_table(lake: Lake) -> None:
    """In its look for one DuckDB swallows what is raised, a Ctrl-C too."""
    some_name = pa.table({"x": [1]})
    with pytest.raises(duckdb.CatalogException, match="some_name"):
        lake.connection.execute("select * from some_name")
    assert some_name.num_rows == 1


def test_two_writers_both_commit(config: Config) -> None:
    with open_lake(config) as one, open_lake(config) as other:
        for number in range(3):
            _note(one, f"one-{number}")
            _note(other, f"other-{number}")
        assert one.value("select count(*) from audit.pending") == 6


def test_a_reader_cannot_write(config: Config) -> None:
    with open_lake(config, read_only=True) as lake, pytest.raises(duckdb.Error, match=r"(?i)read-only"):
        _note(lake, "x")


def test_a_reader_of_nothing_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="wattledger run"):
        open_lake(make_home(tmp_path / "home", fresh=True), read_only=True)


def test_a_catalog_that_is_none_is_told_from_a_busy_one(tmp_path: Path) -> None:
    config = make_home(tmp_path / "home", fresh=True)
    (config.home / "lake.sqlite").write_bytes(b"this is no catalog" * 1000)
    with pytest.raises(LakeError, match="wattledger repair") as caught:
        open_lake(config)
    assert not isinstance(caught.value, LakeBusyError)


def test_a_missing_extension_names_its_wheel() -> None:
    with pytest.raises(LakeError, match=r"pip install duckdb-extension-no-such==\d"):
        extension_path("no_such")


def test_quotes_in_the_name_of_the_home(tmp_path: Path) -> None:
    from warehouse.publish import open_published, publish

    config = make_home(tmp_path / 'it\'s "here"')
    with open_lake(config) as lake:
        _note(lake, "x")
        publish(lake)
    with open_published(config.published_path) as connection:
        assert connection.execute("select count(*) from audit.publication").fetchall() == [(1,)]

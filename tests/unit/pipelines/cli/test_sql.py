"""``wattledger sql``: what it answers, what it refuses, when it is stopped."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.pipelines.cli.helpers import Run
from warehouse import query
from warehouse.config import Config
from warehouse.publish import ORGANISATION
from warehouse.query import QueryError, run_query


def test_a_table_for_people(computed: Path, wattledger: Run) -> None:
    output = wattledger("sql", "select job_id, quality_value from mart.job order by job_id").output
    assert output.splitlines()[0].split() == ["job_id", "┃", "quality_value"]
    assert "job-1" in output
    assert "NULL" in output


def test_csv_and_json_for_programs(computed: Path, wattledger: Run) -> None:
    statement = "select 1 a, null b, 'x,\"y' c, 2::hugeint d, date '2025-03-01' a, 1.5::decimal(4,1) e"
    text = wattledger("sql", "--format", "csv", statement).output
    head, row = csv.reader(io.StringIO(text))
    assert head == ["a", "b", "c", "d", "a", "e"], "two columns of one name stay two"
    assert row == ["1", "", 'x,"y', "2", "2025-03-01", "1.5"]
    named = json.loads(wattledger("sql", "--format", "json", statement).output)[0]
    assert named == {"a": "2025-03-01", "b": None, "c": 'x,"y', "d": 2, "e": 1.5}


def test_a_statement_from_standard_input(computed: Path, wattledger: Run) -> None:
    assert wattledger("sql", "-", "--format", "csv", text="select 42 as n").output == "n\n42\n"


def test_more_rows_than_the_limit_are_cut_and_it_says_so(computed: Path, wattledger: Run) -> None:
    result = wattledger("sql", "--format", "csv", "--limit", "3", "select * from range(5000)")
    assert result.stdout == "range\n0\n1\n2\n"
    assert "only the first 3 rows" in result.stderr
    assert not wattledger("sql", "--limit", "5000", "select * from range(5000)").stderr


def test_bad_sql_says_where(computed: Path, wattledger: Run) -> None:
    assert 'syntax error at or near "selec"' in wattledger("sql", "selec 1", code=1).output


@pytest.mark.parametrize("statement", ["", "  \n"])
def test_no_sql_is_wrong_use(computed: Path, wattledger: Run, statement: str) -> None:
    assert "no SQL given" in wattledger("sql", statement, code=2).output


def test_nothing_published_says_what_to_do(home: Config, wattledger: Run) -> None:
    assert "`wattledger run` publishes" in wattledger("sql", "select 1", code=1).output


@pytest.mark.parametrize(
    "statement",
    [
        "create table t (a int)",
        "create schema s",
        "delete from mart.job",
        "update mart.job set it_kwh = 0",
        "drop table mart.job",
        "insert into mart.job select * from mart.job",
        "select * from read_text('/etc/hostname')",
        "select * from read_csv('/etc/passwd')",
        "select * from glob('/*')",
        "from '/etc/hostname'",
        "copy (select 1) to '{out}'",
        "export database '{out}'",
        "attach '{out}'",
        "attach 'https://example.org/x.duckdb'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "set memory_limit = '100GB'",
        "reset lock_configuration",
        "pragma enable_profiling; set profiling_output = '{out}'",
        "create persistent secret s (type http, bearer_token 'x')",
        "select getenv('WATTLEDGER_CANARY')",
        "select * from pa",
        "select * from request",
    ],
)
def test_what_is_no_reading_of_published_tables_is_refused(computed: Path, tmp_path: Path, statement: str) -> None:
    database = computed / "published" / ORGANISATION
    before = database.read_bytes()
    with pytest.raises(QueryError):
        run_query(database, statement.format(out=tmp_path / "out"))
    assert database.read_bytes() == before
    assert list(tmp_path.iterdir()) == []


def test_the_child_gets_none_of_our_variables(computed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    class Spy(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            seen.update(options["env"])
            super().__init__(*arguments, **options)

    monkeypatch.setenv("ENTSOE_TOKEN", "canary")
    monkeypatch.setattr(query.subprocess, "Popen", Spy)
    query.run_query(computed / "published" / ORGANISATION, "select 1")
    assert set(seen) <= {"PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}


@pytest.mark.parametrize(
    "statement",
    ["select count(*) from range(10000000000) a, range(1000) b", "select lpad('x', 2000000000, 'y') from range(100)"],
    ids=["cross join", "one long scalar function"],
)
def test_a_query_that_never_ends_is_killed(computed: Path, wattledger: Run, statement: str) -> None:
    began = time.monotonic()
    output = wattledger("sql", "--timeout", "1.5", statement, code=1).output
    assert "stopped after 1.5 s" in output or "needs more than" in output
    assert time.monotonic() - began < 10


def test_a_query_that_eats_memory_ends_with_advice(computed: Path) -> None:
    with pytest.raises(QueryError, match="needs more than 64 MB"):
        run_query(computed / "published" / ORGANISATION, "select list(range) from range(30000000)", memory_mb=64)


def test_a_result_is_bounded_in_bytes_too(computed: Path) -> None:
    statement = "select repeat('x', 1000000) as s from range(80)"
    result = run_query(computed / "published" / ORGANISATION, statement, limit=1000)
    assert result.cut
    assert result.table.nbytes <= 64 << 20

"""A mapping that is wrong says what is wrong, where, and what is allowed; nothing is landed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collectors.importers.errors import MappingError
from collectors.importers.mapping import load_mapping, shipped_mappings

ROW = "time,server,watts\n1704067200000,n1,100\n"

MOMENT = '{{ column = "time", time = {{ unit = "ms" }} }}'
INTERVAL = f"expand = {{{{ start = {MOMENT}, end = {MOMENT}, every_s = {{}} }}}}"

JOB = """
format = 1
name = "jobs"
{constants}
[[table]]
landing = "job_event"
[table.columns]
ts_ms = {{ column = "time", time = {{ unit = "ms" }} }}
job_id = "server"
attempt = {{ constant = 1 }}
event = {{ constant = "started" }}
phase = {{ constant = "training" }}
{columns}
"""


def job(columns: str = "", constants: str = "") -> str:
    return JOB.format(columns=columns, constants=constants)


def test_missing_column_names_file_table_and_what_there_is(bench: Any, power: Any) -> None:
    with pytest.raises(MappingError) as caught:
        bench.run(power(), "time,server,power\n1704067200000,n1,100\n")
    assert str(caught.value) == (
        "mapping meter.toml, table 1 (power_sample): meter.csv has no column 'watts'; it has time, server, power"
    )
    assert not bench.landing.exists()


def test_unknown_unit(bench: Any, power: Any) -> None:
    with pytest.raises(MappingError) as caught:
        bench.run(power(unit="Watt"), ROW)
    assert caught.value.key == "columns.power_mw.unit"
    assert "unknown unit 'Watt'; known units are power: nW, uW, mW, W, kW, MW, GW" in str(caught.value)


def test_unit_of_another_dimension(bench: Any, power: Any) -> None:
    with pytest.raises(MappingError, match="kWh is a unit of energy, but the column holds power in mW"):
        bench.run(power(unit="kWh"), ROW)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([True]), "column watts holds bool, not numbers"),
        (pa.array([[1.0]]), "column watts holds list<.*double.*>, not numbers"),
        (pa.array([1], pa.timestamp("ms")), "column watts holds timestamp.*, not numbers"),
    ],
)
def test_wrong_type_of_a_parquet_column(bench: Any, power: Any, column: pa.Array, message: str) -> None:
    path = bench.parquet({"time": [1704067200000], "server": ["n1"], "watts": column})
    with pytest.raises(MappingError, match=message) as caught:
        bench.run(power(), path)
    assert caught.value.key == "columns.power_mw"
    assert not bench.landing.exists()


def test_a_column_without_one_readable_value_is_a_wrong_type(bench: Any, power: Any) -> None:
    with pytest.raises(MappingError, match="column 'watts': not one of 2 values can be read; 'high' is no number"):
        bench.run(power(), "time,server,watts\n1704067200000,n1,high\n1704067201000,n1,low\n")
    assert not bench.landing.exists()


def test_times_without_zone_are_an_error_of_the_mapping(bench: Any, power: Any) -> None:
    source = "time,server,watts\n2024-01-01 00:00:00,n1,100\n"
    with pytest.raises(MappingError, match="'2024-01-01 00:00:00' has no zone, and the mapping declares none"):
        bench.run(power(time=""), source)
    with pytest.raises(MappingError, match="has no zone; declare one"):
        bench.run(power(time='format = "%Y-%m-%d %H:%M:%S"'), source)
    assert bench.run(power(time='zone = "UTC"'), source).rows_landed == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format = 1", "format = 2", "key format: 2 is not known; this program reads format 1"),
        ("format = 1", "", "format is missing; it must be a whole number"),
        ('name = "meter"', 'name = "My Meter"', "key name: 'My Meter' must be 1 to 48 of a-z, 0-9 and -"),
        ('name = "meter"', 'name = "m"\nnotes = ""', "key notes: unknown key 'notes'; allowed are format, name"),
        (
            'landing = "power_sample"',
            'landing = "power"',
            "'power' is no landing table; there are power_sample, job_event",
        ),
        (
            'landing = "power_sample"',
            'landing = "power_sample"\nfiles = "x"',
            "unknown key 'files'; allowed are landing",
        ),
        (
            'landing = "power_sample"',
            'landing = "power_sample"\nfile = "../x"',
            "must be a path below the imported folder",
        ),
        (
            'landing = "power_sample"',
            'landing = "power_sample"\nuse = ["x"]',
            r"there is no \[shared.x\]; there are: none",
        ),
        ('host = "server"', "", "key columns: power_sample needs host as well"),
        (
            'host = "server"',
            'host = "server"\nwatts = "watts"',
            "power_sample has no column 'watts'; it has ts_ms, host",
        ),
        ('host = "server"', 'host = { col = "server" }', "key columns.host.col: unknown key 'col'; allowed are column"),
        ('host = "server"', 'host = { column = "server", constant = "x" }', "needs exactly one of column, constant"),
        ('host = "server"', "host = { column = 3 }", "key columns.host.column: 3 must be text"),
        ('host = "server"', 'host = { column = "server", unit = "W" }', "host has no unit; leave 'W' out"),
        ('host = "server"', 'host = { column = "server", time = {} }', "host is not a time"),
        (
            'host = "server"',
            'host = { column = "server", otherwise = "x" }',
            "otherwise: has no meaning without values",
        ),
        ('host = "server"', 'host = { assumed = "x" }', r"there is no \[constants\] x; there are: none"),
        ('host = "server"', 'host = { template = "a" }', "'a' names no column; use constant"),
        ('host = "server"', 'host = { template = "{" }', "is no template"),
        ('host = "server"', 'host = { template = "{server:>9}" }', "is no template; write columns as {name}"),
        (', unit = "W"', "", "unit is missing; power_mw is landed in mW, say in what unit the source is"),
        (', time = { unit = "ms" }', "", "key columns.ts_ms: is a time; say how it is written"),
        ('{ unit = "ms" }', '{ unit = "W" }', "W is a unit of power, but the column holds time in ms"),
        ('{ unit = "ms" }', '{ zone = "Mars" }', "unknown zone 'Mars'"),
        ('{ unit = "ms" }', '{ unit = "ms", zone = "UTC" }', "unit is for numbers, format and zone are for texts"),
        (
            '{ unit = "ms" }',
            '{ unit = "ms", epoch = "2024-01-01" }',
            "'2024-01-01' has no zone; write it as 2024-01-01Z",
        ),
        ('{ unit = "ms" }', '{ epoch = "2024-01-01Z" }', "needs the unit of the numbers"),
        ('constant = "ac"', 'constant = "AC"', "'AC' is none of board, package, dc, ac, pdu, meter"),
        ("session = { constant = 0 }", "session = { constant = -1 }", "-1 is below 0"),
        ("session = { constant = 0 }", "session = { constant = 1.5 }", "1.5 is no whole number"),
        ("session = { constant = 0 }", 'session = { constant = "a" }', "'a' is no number"),
        ("is_estimate = { constant = false }", 'is_estimate = { constant = "maybe" }', "'maybe' is none of true, yes"),
    ],
)
def test_wrong_keys(bench: Any, power: Any, old: str, new: str, message: str) -> None:
    text = power()
    assert old in text
    with pytest.raises(MappingError, match=message):
        bench.run(text.replace(old, new, 1), ROW)
    assert not bench.landing.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ('where = [{ column = "watts" }]', r"key where\[1\]: needs exactly one of equals, not_equals"),
        ('where = [{ column = "watts", present = false }]', "must be true; use present or absent, not false"),
        ('where = [{ column = "watts", min = "x" }]', "'x' must be a number"),
        ('where = [{ column = "watts", in = [] }]', "must not be empty"),
        ('where = [{ column = "watts", in = [1, "x"] }]', "mixes numbers and texts"),
        ('where = [{ column = "load", min = 1 }]', "has no column 'load'"),
        ('join = [{ file = "x.csv", on = "server" }]', r"join\[1\].columns: None must be a list of columns"),
        ('join = [{ file = "x.csv", on = "server", columns = ["a"], pick = "any" }]', "'any' must be first or last"),
        (
            'join = [{ file = "x.csv", on = "server", columns = ["a"], pick = "last" }]',
            "pick and order_by belong together",
        ),
        ('join = [{ file = "x.csv", on = "server", columns = ["a"] }]', "has no x.csv"),
        ('csv = { delimiter = "::" }', "'::' must be one character"),
        ('csv = { decimal = ";" }', "';' must be . or ,"),
        ('csv = { encoding = "utf-7000" }', "unknown encoding 'utf-7000'"),
        (
            'expand = { start = { column = "time" }, end = { column = "time" }, every_s = 5 }',
            "must be a column with time",
        ),
        (
            INTERVAL.format(0),
            "0 must be a positive number of seconds",
        ),
        (
            INTERVAL.format(5),
            "samples made from a constant are estimates: write is_estimate = { constant = true }",
        ),
        (
            'aggregate = { time = { column = "time", time = { unit = "ms" } }, every_s = 60, sums = ["watts"] }',
            "'time' does not outlive the aggregation; there are bucket_count, bucket_end, bucket_start, watts",
        ),
    ],
)
def test_wrong_options(bench: Any, power: Any, options: str, message: str) -> None:
    with pytest.raises(MappingError, match=message):
        bench.run(power(options=options), ROW)
    assert not bench.landing.exists()


@pytest.mark.parametrize("name", ["org", "team", "project", "user_ref", "provider", "region", "facility"])
def test_a_fixed_team_needs_a_reason(bench: Any, name: str) -> None:
    for fixed in (
        '{ constant = "x" }',
        '{ column = "server", default = "x" }',
        '{ column = "server", values = {}, otherwise = "x" }',
    ):
        with pytest.raises(MappingError, match=rf"a fixed {name} is not in the data; put it into \[constants\]"):
            bench.run(job(f"{name} = {fixed}"), ROW)
    assert bench.run(job(f'{name} = "server"'), ROW).assumptions == ()


def test_a_constant_needs_a_reason_and_a_use(bench: Any) -> None:
    with pytest.raises(MappingError, match=r"key constants\.team: reason is missing"):
        bench.run(job(constants='[constants]\nteam = { value = "x" }'), ROW)
    with pytest.raises(MappingError, match=r"must say why this value is taken"):
        bench.run(job(constants='[constants]\nteam = { value = "x", reason = " " }'), ROW)
    with pytest.raises(MappingError, match=r'is not used; refer to it as \{ assumed = "team" \}'):
        bench.run(job(constants='[constants]\nteam = { value = "x", reason = "y" }'), ROW)


def test_what_is_assumed_stays_visible(bench: Any) -> None:
    text = job(
        'team = { assumed = "team" }\nproject = { column = "server", reason = "one host, one project" }\n'
        '[table.labels]\nhost = "server"',
        '[constants]\nteam = { value = "vision", reason = "their lab" }\n[assumptions]\nclock = "the clock was right"',
    )
    result = bench.run(text, ROW)
    assert result.assumptions == (
        "team = 'vision': their lab",
        "project from 'server': one host, one project",
        "clock: the clock was right",
    )
    row = bench.rows("job_event")[0]
    assert (row["team"], row["project"]) == ("vision", "n1")
    assert row["labels"] == [("assumed", "project,team"), ("host", "n1"), ("mapping", "jobs")]


def test_no_such_mapping_lists_the_shipped_ones() -> None:
    with pytest.raises(
        MappingError, match=r"mapping nowhere: cannot be read .*shipped mappings: alibaba-openb-2023, azure"
    ):
        load_mapping("nowhere")


def test_broken_toml(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text("format = ")
    with pytest.raises(MappingError, match=r"mapping m\.toml: is not valid TOML"):
        load_mapping(path)


def test_every_shipped_mapping_is_valid_and_named_as_its_file() -> None:
    assert set(shipped_mappings()) == {
        "alibaba-openb-2023",
        "azure-llm-2023",
        "mlperf-inference-h200",
        "mlperf-training-smc-ac",
    }
    for name in shipped_mappings():
        mapping = load_mapping(name)
        assert mapping.name == name
        assert mapping.title
        assert all(len(item.reason) > 20 for item in mapping.constants.values())

"""An import lands what it can, says what it could not, and does the same again when asked again."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collectors.importers import staging
from collectors.importers.errors import REASONS, MappingError
from collectors.importers.table import import_table

T0 = 1_704_067_200_000  # 2024-01-01 00:00:00 UTC
HOUR = 3_600_000


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_one_file_an_hour_with_all_hosts(bench: Any, power: Any, csv: Any) -> None:
    result = bench.run(power(), csv([(T0 + hour * HOUR, f"n{host}", 100) for hour in range(3) for host in range(4)]))
    assert [path.parent.name for path in result.files] == ["hour=00", "hour=01", "hour=02"]
    assert (result.rows_read, result.rows_landed, result.rows_rejected, result.files_new) == (12, 12, 0, 3)
    assert bench.rows()[0] == {
        "ts_ms": T0,
        "host": "n0",
        "device": "node",
        "kind": "node",
        "parent": None,
        "point": "ac",
        "power_mw": 100_000,
        "energy_mj": None,
        "session": 0,
        "util_percent": None,
        "source": "meter",
        "is_estimate": False,
        "gap_reason": None,
    }


def test_importing_twice_lands_the_same_bytes(bench: Any, power: Any, csv: Any) -> None:
    source = csv([(T0, "n1", 1), (T0 + HOUR, "n1", 2), (T0, "n2", -1)])
    first = bench.run(power(), source)
    before = tree(bench.landing)
    second = bench.run(power(), source)
    assert tree(bench.landing) == before
    assert (first.files_new, second.files_new, first.files) == (2, 0, second.files)
    bench.run(power(), source, bench.root / "elsewhere")
    assert tree(bench.root / "elsewhere") == before


def test_another_mapping_or_source_gives_other_names(bench: Any, power: Any, csv: Any) -> None:
    digests = {
        bench.run(power(), csv([(T0, "n1", 1)])).digest,
        bench.run(power(), csv([(T0, "n1", 2)])).digest,
        bench.run(power() + "\n", csv([(T0, "n1", 1)])).digest,
    }
    assert len(digests) == 3
    assert len(bench.rows()) == 3


def test_csv_and_parquet_give_the_same_rows(bench: Any, power: Any, csv: Any) -> None:
    random.seed(7)
    rows = [
        (T0 + i * 137, f"n{i % 5}", random.choice([round(random.uniform(0.1, 9e3), 3), random.random()]))
        for i in range(500)
    ]
    bench.run(power(), csv(rows), bench.root / "csv")
    times, servers, watts = zip(*rows, strict=True)
    path = bench.parquet({"time": times, "server": servers, "watts": watts})
    bench.run(power(), path, bench.root / "parquet")
    assert bench.rows(landing=bench.root / "csv") == bench.rows(landing=bench.root / "parquet")
    assert len(bench.rows(landing=bench.root / "csv")) == 500


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)], ids=["gzip", "zstd"]
)
def test_compressed_csv(bench: Any, power: Any, csv: Any, pack: Any) -> None:
    path = bench.root / "meter.csv.packed"
    path.write_bytes(pack(csv([(T0, "n1", 1)]).encode()))
    assert bench.run(power(), path).rows_landed == 1


def test_a_truncated_file_lands_nothing(bench: Any, power: Any, csv: Any) -> None:
    path = bench.root / "meter.csv.gz"
    path.write_bytes(gzip.compress(csv([(T0 + i, "n1", i + 1) for i in range(50_000)]).encode())[:-2000])
    with pytest.raises(MappingError, match="cannot be read"):
        bench.run(power(), path)
    assert not bench.landing.exists()


def test_other_csv_dialects(bench: Any, power: Any) -> None:
    path = bench.root / "meter.csv"
    path.write_bytes("Zähler 7\r\n time ; server ;watts\r\n01.07.2024 02:00; n\xe4 ; 1,5 \r\n".encode("latin-1"))
    options = 'csv = { delimiter = ";", decimal = ",", encoding = "latin-1", skip_rows = 1 }'
    bench.run(power(time='format = "%d.%m.%Y %H:%M", zone = "Europe/Berlin"', options=options), path)
    assert [(r["ts_ms"], r["host"], r["power_mw"]) for r in bench.rows()] == [(1_719_792_000_000, "nä", 1500)]


REJECTS = [
    ("1704067200000,n1,-43", "non_positive_power", "power_mw: watts='-43' is a negative power"),
    ("1704067200000,n1,0", "non_positive_power", "power_mw: watts='0' a running host cannot draw 0 W"),
    ("1704067200000,n1,99999999", "out_of_range", "power_mw: watts='99999999' is above 10000000000 mW"),
    ("1704067200000,n1,99999999999999999", "out_of_range", "power_mw: watts='99999999999999999' is out of range"),
    ("1704067200000,n1,abc", "unparseable_number", "power_mw: watts='abc' is no number"),
    ("1704067200,n1,100", "out_of_range", "ts_ms: time='1704067200' is below 946684800000 ms"),
    ("noon,n1,100", "unparseable_time", "ts_ms: time='noon' is no number of ms"),
    ("1704067200000,,100", "missing_value", "host: server='' is missing, but required"),
    ("1704067200000,n1,", "missing_value", "power_mw: neither power, energy nor a gap reason is given"),
    ("1704067200000,n1", "missing_value", "the line has another number of cells than the header"),
]


@pytest.mark.parametrize(("line", "reason", "detail"), REJECTS)
def test_a_bad_row_is_kept_with_its_reason_and_costs_no_other(
    bench: Any, power: Any, line: str, reason: str, detail: str
) -> None:
    good = "1704067200000,n1,100"
    result = bench.run(power(), f"time,server,watts\n{good}\n{line}\n{good}\n")
    assert (result.rows_read, result.rows_landed, result.rejected_by_reason) == (3, 2, {reason: 1})
    rejected = result.rejected[0]
    assert (rejected.reason, rejected.detail, rejected.file, rejected.row) == (reason, detail, "meter.csv", 2)
    assert reason in REASONS
    assert result.rejected_file == bench.landing / "_rejected" / f"meter-{result.digest[:24]}.jsonl"
    records = [json.loads(text) for text in result.rejected_file.read_text().splitlines()]
    assert [list(record) for record in records] == [["table", "reason", "detail", "file", "row", "values"]]
    assert (records[0]["table"], records[0]["row"]) == ("power_sample", 2)


def test_a_switch_may_draw_nothing(bench: Any, power: Any, csv: Any) -> None:
    result = bench.run(power(kind="switch"), csv([(T0, "n1", 0), (T0 + 1, "n1", -1)]))
    assert (result.rows_landed, result.rejected_by_reason) == (1, {"non_positive_power": 1})


def test_times_inside_a_change_of_clock_are_refused(bench: Any, power: Any) -> None:
    lines = "2024-03-31 02:30:00,n1,1\n2024-10-27 02:30:00,n1,1\n2024-10-27 12:30:00,n1,1\n"
    result = bench.run(power(time='zone = "Europe/Berlin"'), "time,server,watts\n" + lines)
    assert result.rejected_by_reason == {"ambiguous_time": 1, "nonexistent_time": 1}
    assert "happens twice in Europe/Berlin" in result.rejected[0].detail


def test_rows_of_the_same_key_keep_the_order_of_the_source(bench: Any, power: Any, csv: Any) -> None:
    random.seed(3)
    rows = [(T0 + random.randrange(20), f"n{random.randrange(3)}", i + 1) for i in range(3000)]
    bench.run(power(), csv(rows))
    expected = sorted(((host, ts, watts * 1000) for ts, host, watts in rows), key=lambda row: row[:2])
    assert [(r["host"], r["ts_ms"], r["power_mw"]) for r in bench.rows()] == expected


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ('{ column = "watts", equals = 2 }', [2]),
        ('{ column = "watts", equals = "2" }', [2]),
        ('{ column = "watts", not_equals = 2 }', [1, 3]),
        ('{ column = "watts", in = [1, 3] }', [1, 3]),
        ('{ column = "watts", not_in = ["1", "3"] }', [2]),
        ('{ column = "watts", min = 2 }', [2, 3]),
        ('{ column = "watts", max = 1.5 }', [1]),
        ('{ column = "watts", below = 2 }', [1]),
        ('{ column = "watts", below_column = "limit" }', [1]),
        ('{ column = "note", present = true }', [1, 2]),
        ('{ column = "note", absent = true }', [3]),
        ('{ column = "note", not_equals = "raw" }', [2, 3]),
        ('{ column = "note", contains = "a" }', [1]),
        ('{ column = "note", not_contains = "a" }', [2, 3]),
        ('{ column = "watts", min_column = "limit" }', [2, 3]),
        ('{ column = "watts", max_column = "limit" }', [1, 2]),
    ],
)
def test_filters(bench: Any, power: Any, where: str, kept: list[int]) -> None:
    lines = ["1,raw,5", "2,ok,2", "3,,1"]
    source = "time,server,watts,note,limit\n" + "".join(f"{T0 + i},n1,{line}\n" for i, line in enumerate(lines))
    result = bench.run(power(options=f"where = [{where}]"), source)
    assert [value // 1000 for value in bench.column("power_mw")] == kept
    assert (result.rows_filtered, result.rows_rejected) == (3 - len(kept), 0)


def test_a_filter_that_cannot_judge_a_row_refuses_it(bench: Any, power: Any, csv: Any) -> None:
    result = bench.run(power(options='where = [{ column = "watts", min = 2 }]'), csv([(T0, "n1", 5), (T0, "n1", "x")]))
    assert result.rejected_by_reason == {"unparseable_number": 1}
    assert (result.rows_landed, result.rows_filtered) == (1, 0)


def test_join(bench: Any, power: Any, csv: Any) -> None:
    bench.source("rack,name\nA,n1\nB,n2\nB,n3\nC,n3\n", "racks.csv")
    text = power(
        options='file = "meter.csv"\njoin = [{ file = "racks.csv", on = { server = "name" }, columns = ["rack"] }]',
    ).replace('host = "server"', 'host = { template = "{rack}/{server}" }')
    bench.source(csv([(T0, "n1", 1), (T0, "n2", 2), (T0, "n3", 3), (T0, "n4", 4)]))
    result = bench.run(text, bench.root)
    assert bench.column("host") == ["A/n1", "B/n2"]
    assert [(r.reason, r.detail) for r in result.rejected] == [
        ("join_ambiguous", "join: server='n3' has several rows in racks.csv"),
        ("join_missing", "join: server='n4' has no row in racks.csv"),
    ]
    picked = text.replace(
        'columns = ["rack"]', 'columns = ["rack"], pick = "last", order_by = "order", optional = true'
    )
    bench.source("rack,name,order\nA,n1,1\nB,n2,1\nC,n3,10\nB,n3,9\n", "racks.csv")
    result = bench.run(picked.replace("{rack}/{server}", "{rack}"), bench.root, bench.root / "picked")
    assert [r["host"] for r in bench.rows(landing=bench.root / "picked")] == ["A", "B", "C"]
    assert result.rejected_by_reason == {"missing_value": 1}


def test_values_are_renamed_and_unknown_ones_refused(bench: Any, power: Any, csv: Any) -> None:
    text = power().replace('host = "server"', 'host = { column = "server", values = { n1 = "alpha", n2 = "beta" } }')
    source = csv([(T0, "n1", 1), (T0, "n2", 2), (T0, "n9", 3)])
    result = bench.run(text, source)
    assert bench.column("host") == ["alpha", "beta"]
    assert result.rejected[0].detail == "host: server='n9' is none of the values n1, n2"
    result = bench.run(text.replace('"beta" }', '"beta" }, otherwise = "other"'), source, bench.root / "b")
    assert [r["host"] for r in bench.rows(landing=bench.root / "b")] == ["alpha", "beta", "other"]


def test_an_interval_becomes_samples_at_both_ends_and_between(bench: Any, power: Any) -> None:
    first, last = ('{ column = "%s", time = { unit = "ms" } }' % name for name in ("start", "end"))  # noqa: UP031
    text = power(options=f"expand = {{ start = {first}, end = {last}, every_s = 5 }}").replace(
        'column = "time"', 'column = "sample_time"'
    )
    text = text.replace("is_estimate = { constant = false }", "is_estimate = { constant = true }")
    lines = [f"{T0},{T0 + 12_000},s1,7", f"{T0},{T0},s2,8", f"{T0},{T0 - 1},s3,9", f"{T0},,s4,9"]
    result = bench.run(text, "start,end,server,watts\n" + "\n".join(lines) + "\n")
    rows = [(r["host"], r["ts_ms"] - T0, r["power_mw"], r["is_estimate"]) for r in bench.rows()]
    assert rows == [("s1", t, 7000, True) for t in (0, 5000, 10_000, 12_000)] + [("s2", 0, 8000, True)]
    assert result.rejected_by_reason == {"missing_value": 1, "out_of_range": 1}


WORK = """
format = 1
name = "work"
[[table]]
landing = "work_counter"
aggregate = { time = { column = "t", time = { unit = "ms" } }, every_s = 60, by = ["model"], sums = ["in", "out"] }
[table.columns]
start_ms = { column = "bucket_start", time = { unit = "ms" } }
end_ms = { column = "bucket_end", time = { unit = "ms" } }
model = "model"
requests_n = "bucket_count"
input_tokens_n = "in"
output_tokens_n = "out"
"""


def test_requests_are_counted_by_minute(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.importers.source.CSV_BLOCK_BYTES", 500)  # many batches
    random.seed(5)
    rows = [(T0 + random.randrange(600_000), random.choice("ab"), random.randrange(9), 1) for _ in range(400)]
    source = "t,model,in,out\n" + "".join(f"{t},{m},{i},{o}\n" for t, m, i, o in rows) + f"{T0},a,x,1\n"
    result = bench.run(WORK, source)
    oracle: dict[tuple[int, str], list[int]] = {}
    for t, m, i, o in rows:
        cell = oracle.setdefault((t // 60_000 * 60_000, m), [0, 0, 0])
        for index, value in enumerate((1, i, o)):
            cell[index] += value
    got = bench.rows("work_counter")
    assert {
        (r["start_ms"], r["model"]): [r["requests_n"], r["input_tokens_n"], r["output_tokens_n"]] for r in got
    } == oracle
    assert {r["end_ms"] - r["start_ms"] for r in got} == {60_000}
    assert result.rejected_by_reason == {"unparseable_number": 1}


def test_row_numbers_stay_right_over_batches_and_broken_lines(
    bench: Any, power: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.importers.source.CSV_BLOCK_BYTES", 300)
    lines = [
        f"{T0 + i},n1,{'x' if i % 50 == 49 or i % 70 == 0 else i + 1}" if i % 70 != 69 else "broken" for i in range(300)
    ]
    result = bench.run(power(), "time,server,watts\n" + "\n".join(lines) + "\n")
    expected = {i + 1 for i in range(300) if i % 70 in (0, 69) or i % 50 == 49}
    assert {row.row for row in result.rejected} == expected
    assert result.rows_landed == 300 - len(expected)


def test_small_flushes_give_the_same_rows(bench: Any, power: Any, csv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = csv([(T0 + i * 60_000, f"n{i % 3}", i + 1) for i in range(300)])
    bench.run(power(), source)
    monkeypatch.setattr(staging, "FLUSH_ROWS", 50)
    monkeypatch.setattr("collectors.importers.source.CSV_BLOCK_BYTES", 1000)
    bench.run(power(), source, bench.root / "small")
    key = lambda row: (row["ts_ms"], row["host"])  # noqa: E731
    assert sorted(bench.rows(), key=key) == sorted(bench.rows(landing=bench.root / "small"), key=key)


def test_every_row_is_landed_filtered_or_rejected(bench: Any, power: Any, csv: Any) -> None:
    random.seed(11)
    rows = [(T0 + i, random.choice(["n1", "", "skip"]), random.choice([1, -1, "x", ""])) for i in range(1000)]
    result = bench.run(power(options='where = [{ column = "server", not_equals = "skip" }]'), csv(rows))
    assert result.rows_read == result.rows_filtered + result.rows_landed + result.rows_rejected == 1000


def test_a_folder_needs_its_files_and_a_file_may_be_one_of_them(bench: Any, power: Any, csv: Any) -> None:
    two = power(options='file = "a.csv"') + power(options='file = "b.csv"').split('name = "meter"')[1]
    bench.source(csv([(T0, "n1", 1)]), "a.csv")
    with pytest.raises(MappingError, match=r"has no b\.csv; it has a\.csv"):
        bench.run(two, bench.root)
    assert bench.run(two, bench.root / "a.csv").rows_landed == 1
    with pytest.raises(MappingError, match=r"other\.csv is none of the files that it reads: a\.csv, b\.csv"):
        bench.run(two, bench.source(csv([(T0, "n1", 1)]), "other.csv"))
    with pytest.raises(MappingError, match="does not exist; give a file or a folder"):
        bench.run(two, bench.root / "nowhere")
    bench.source(csv([(T0, "n2", 1)]), "b.csv")
    assert bench.run(two, bench.root, bench.root / "both").rows_landed == 2


def test_a_pattern_reads_many_files(bench: Any, power: Any, csv: Any) -> None:
    for day in range(3):
        bench.source(csv([(T0 + day, "n1", day + 1)]), f"day-{day}.csv")
    result = bench.run(power(options='file = "day-*.csv"'), bench.root)
    assert (result.rows_landed, len(result.files)) == (3, 1)


def test_progress_ends_at_the_end(bench: Any, power: Any, csv: Any) -> None:
    calls: list[tuple[int, int]] = []
    path = bench.source(csv([(T0 + i, "n1", 1) for i in range(100)]))
    import_table(bench.mapping(power()), path, bench.landing, progress=lambda *call: calls.append(call))
    assert calls[-1] == (path.stat().st_size, path.stat().st_size)
    assert calls == sorted(calls)


def test_an_empty_source_lands_nothing(bench: Any, power: Any, csv: Any) -> None:
    result = bench.run(power(), csv([]))
    assert (result.rows_read, result.rows_landed, result.files) == (0, 0, [])

"""The landing writer: valid rows land once, whole and sorted; nothing else does."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors import contract
from collectors.landing import writer as landing
from collectors.landing.reader import landed_name_problem, read_landed
from collectors.landing.stores import sweep
from collectors.landing.writer import LandingError, LandingWriter

NOON_MS = 1_795_348_800_000
HOUR_MS = 3_600_000
REPOSITORY = Path(__file__).resolve().parents[4]


def _files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_rows_go_to_the_utc_hour_of_their_time_column(writer, sample_row):
    stamps = [NOON_MS - 1, NOON_MS, NOON_MS + HOUR_MS - 1, NOON_MS + HOUR_MS]
    paths = writer.write("power_sample", [sample_row(ts_ms=stamp) for stamp in reversed(stamps)])
    assert [str(path.relative_to(writer.root)) for path in paths] == [
        "power_sample/date=2026-11-22/hour=11/w-1-000001.parquet",
        "power_sample/date=2026-11-22/hour=12/w-1-000001.parquet",
        "power_sample/date=2026-11-22/hour=13/w-1-000001.parquet",
    ]
    assert [read_landed(path).rows.column("ts_ms").to_pylist() for path in paths] == [
        stamps[:1],
        stamps[1:3],
        stamps[3:],
    ]


def test_sequence_continues_after_what_is_there_and_never_overwrites(writer, sample_row, tmp_path):
    first = writer.write("power_sample", [sample_row()])[0]
    content = first.read_bytes()
    again = LandingWriter(writer.root, "w-1", host="gpu-1", collector_version="0.1.0")
    second = again.write("power_sample", [sample_row()])[0]
    assert second.name == "w-1-000002.parquet"
    # Another process took number 3 after this writer had looked.
    (second.parent / "w-1-000003.parquet").write_bytes(b"mine")
    third = writer.write("power_sample", [sample_row()])[0]
    assert third.name == "w-1-000004.parquet"
    assert read_landed(third).sequence == 4
    assert first.read_bytes() == content
    assert (second.parent / "w-1-000003.parquet").read_bytes() == b"mine"


def test_two_default_writers_of_one_host_have_different_safe_names(tmp_path):
    writers = [LandingWriter(tmp_path, host="../../höst\n;rm", collector_version="1").writer for _ in range(2)]
    assert writers[0] != writers[1]
    assert all(landing.WRITER_PATTERN.fullmatch(name) for name in writers)
    assert writers[0][:12] == writers[1][:12]


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "a.b", "a b", "x" * 65, "é", "a\n"])
def test_unsafe_writer_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="not a safe name"):
        LandingWriter(tmp_path, name, host="h", collector_version="1")


def test_same_input_and_metadata_give_the_same_bytes_in_any_row_order(tmp_path, sample_row):
    rows = [sample_row(ts_ms=NOON_MS + i, device=f"GPU-{i % 7}", power_mw=i) for i in range(500)]
    shuffled = random.Random(1).sample(rows, len(rows))
    contents = []
    for number, batch in enumerate((rows, shuffled)):
        one = LandingWriter(tmp_path / str(number), "w", host="h", boot_id="b", collector_version="1")
        contents.append(one.write("power_sample", batch, written_ms=NOON_MS)[0].read_bytes())
    assert contents[0] == contents[1]


def test_rows_are_sorted_by_the_key_and_integers_are_delta_encoded(writer, sample_row):
    rows = [sample_row(ts_ms=NOON_MS + (i * 37) % 1000, device=f"GPU-{i % 3}") for i in range(1000)]
    path = writer.write("power_sample", rows)[0]
    table = read_landed(path).rows
    keys = list(zip(*(table.column(name).to_pylist() for name in contract.POWER_SAMPLE.key), strict=True))
    assert keys == sorted(keys)
    group = pq.read_metadata(path).row_group(0)
    encodings = {group.column(i).path_in_schema: group.column(i).encodings for i in range(group.num_columns)}
    assert "DELTA_BINARY_PACKED" in encodings["ts_ms"]
    assert "RLE_DICTIONARY" in encodings["device"]


def test_metadata_says_who_wrote_what_and_when(writer, sample_row, clock):
    file = read_landed(writer.write("power_sample", [sample_row(ts_ms=NOON_MS + i) for i in (5, 2, 9)])[0])
    assert {key: file.metadata[key] for key in contract.META_KEYS} == {
        "wattledger.schema": "power_sample/1",
        "wattledger.collector_version": "0.1.0",
        "wattledger.host": "gpu-1",
        "wattledger.boot_id": "boot",
        "wattledger.sequence": "1",
        "wattledger.rows": "3",
        "wattledger.first_ms": str(NOON_MS + 2),
        "wattledger.last_ms": str(NOON_MS + 9),
        "wattledger.written_ms": str(clock.now_ms()),
    }


@pytest.mark.parametrize(
    ("changes", "column", "allowed"),
    [
        ({"kind": "gpus"}, "kind", "one of gpu"),
        ({"power_mw": -1}, "power_mw", "0 to 10000000000 mW"),
        ({"power_mw": 10_000_000_001}, "power_mw", "0 to 10000000000 mW"),
        ({"power_mw": 1.5}, "power_mw", "of type int64"),
        ({"power_mw": "5"}, "power_mw", "of type int64"),
        ({"power_mw": 2**63}, "power_mw", "of type int64"),
        ({"power_mw": True}, "power_mw", "of type int64"),
        ({"util_percent": 101}, "util_percent", "0 to 100 %"),
        ({"util_percent": 256}, "util_percent", "of type uint8"),
        ({"host": None}, "host", "given"),
        ({"host": 5}, "host", "of type string"),
        ({"host": "\ud800"}, "host", "of type string"),
        ({"ts_ms": 1_795_348_800}, "ts_ms", "946684800000 to"),
        ({"ts_ms": 1_795_348_800_000_000}, "ts_ms", "to 4102444800000 ms"),
        ({"session": -1}, "session", "at least 0"),
        ({"gap_reason": "tired"}, "gap_reason", "one of permission_denied"),
        ({"watts": 5}, "watts", "a column of the contract"),
    ],
)
def test_bad_value_is_named_and_nothing_is_written(writer, sample_row, changes, column, allowed):
    with pytest.raises(LandingError) as caught:
        writer.write("power_sample", [sample_row(), sample_row(ts_ms=NOON_MS + HOUR_MS), sample_row(**changes)])
    error = caught.value
    assert (error.table, error.column, error.row) == ("power_sample", column, 2)
    assert allowed in error.allowed
    assert f"power_sample.{column}, row 2" in str(error)
    assert not writer.root.exists()


def test_not_a_number_is_refused_because_unknown_is_null(writer):
    row = {"start_ms": NOON_MS, "end_ms": NOON_MS, "facility": "dc1", "it_kwh": float("nan")}
    for value in (float("nan"), float("inf"), -0.5, True):
        with pytest.raises(LandingError) as caught:
            writer.write("facility_reading", [{**row, "it_kwh": value}])
        assert caught.value.column == "it_kwh"
    with pytest.raises(LandingError) as caught:
        writer.write("facility_reading", [{**row, "it_kwh": 1, "end_ms": NOON_MS - 1}])
    assert caught.value.column == "end_ms"
    assert writer.write("facility_reading", [{**row, "it_kwh": None}])


def test_unknown_table_is_refused(writer):
    with pytest.raises(LandingError, match="power_sample"):
        writer.write("../etc", [])


def test_arrow_table_is_validated_like_rows(writer, sample_row):
    rows = [sample_row(ts_ms=NOON_MS + i) for i in range(3)]
    table = pa.Table.from_pylist(rows)
    assert table.schema.field("session").type == pa.int64()
    by_rows = read_landed(writer.write("power_sample", rows)[0])
    by_table = read_landed(writer.write("power_sample", table)[0])
    assert by_table.rows.equals(by_rows.rows)
    bad = table.set_column(6, "power_mw", pa.array([1, 2, -3]))
    with pytest.raises(LandingError) as caught:
        writer.write("power_sample", bad)
    assert (caught.value.row, caught.value.value) == (2, -3)
    with pytest.raises(LandingError):
        writer.write("power_sample", table.set_column(6, "power_mw", pa.array(["1", "2", "3"])))


def test_an_hour_with_many_rows_becomes_several_files(writer, sample_row, monkeypatch):
    monkeypatch.setattr(landing, "MAX_FILE_ROWS", 100)
    paths = writer.write("power_sample", [sample_row(ts_ms=NOON_MS + i) for i in range(250)])
    assert [read_landed(path).rows.num_rows for path in paths] == [100, 100, 50]
    assert [path.name[-11:-8] for path in paths] == ["001", "002", "003"]


def test_file_and_folders_are_synced_before_and_after_the_name_appears(writer, sample_row, monkeypatch):
    calls: list[tuple[str, str]] = []
    fsync, link = os.fsync, os.link

    def spy_fsync(descriptor: int) -> None:
        calls.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def spy_link(source: Path, target: Path, **options: bool) -> None:
        calls.append(("link", str(target)))
        link(source, target, **options)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "link", spy_link)
    path = writer.write("power_sample", [sample_row()])[0]
    parents = [str(writer.root.parents[0]), str(writer.root), *(str(p) for p in (*path.parents[1::-1],))]
    names = [name for _, name in calls]
    at = calls.index(("link", str(path)))
    assert Path(names[at - 1]).name.startswith(".")
    assert names[at - 1].endswith(".tmp")
    assert calls[at + 1] == ("fsync", str(path.parent))
    assert set(parents) - {str(path.parent)} <= set(names[:at])


def test_no_temporary_is_left_when_writing_fails(writer, sample_row, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        writer.write("power_sample", [sample_row()])
    assert _files(writer.root) == []


def test_a_file_system_without_hard_links_still_never_overwrites(writer, sample_row, monkeypatch):
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    first = writer.write("power_sample", [sample_row()])[0]
    (first.parent / "w-1-000002.parquet").write_bytes(b"mine")
    third = writer.write("power_sample", [sample_row()])[0]
    assert third.name == "w-1-000003.parquet"
    assert (first.parent / "w-1-000002.parquet").read_bytes() == b"mine"
    assert read_landed(third).rows.num_rows == 1


def test_sweep_removes_only_what_no_process_will_finish(writer, sample_row):
    path = writer.write("power_sample", [sample_row()])[0]
    mine, other = landing.host_hash("gpu-1"), landing.host_hash("gpu-2")
    names = {
        f".{path.name}.{mine}.111.0123abcd.tmp": True,  # dead process of this host
        f".{path.name}.{mine}.222.0123abcd.tmp": False,  # living process
        f".{path.name}.{other}.111.0123abcd.tmp": False,  # another host's, young
        f".{path.name}.{other}.333.0123abcd.tmp": True,  # another host's, old
        ".notes.tmp": False,  # not ours
    }
    for name in names:
        (path.parent / name).write_bytes(b"x")
    os.utime(path.parent / f".{path.name}.{other}.333.0123abcd.tmp", (1, 1))
    removed = sweep(writer.root, host="gpu-1", alive=lambda pid: pid == 222)
    left = {entry.name for entry in path.parent.iterdir() if entry.name.startswith(".")}
    assert removed == 2
    assert left == {name for name, goes in names.items() if not goes}
    assert path.exists()


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def _value(column: contract.Column) -> st.SearchStrategy:
    if column.allowed:
        values = st.sampled_from(column.allowed)
    elif pa.types.is_integer(column.type):
        bits = column.type.bit_width
        low = 0 if pa.types.is_unsigned_integer(column.type) else -(2 ** (bits - 1))
        high = 2**bits - 1 + low
        values = st.integers(
            max(low, column.minimum if column.minimum is not None else low),
            min(high, column.maximum if column.maximum is not None else high),
        )
    elif pa.types.is_floating(column.type):
        values = st.floats(column.minimum, column.maximum, allow_nan=False, allow_infinity=False)
    elif pa.types.is_boolean(column.type):
        values = st.booleans()
    elif pa.types.is_map(column.type):
        values = st.dictionaries(_TEXT, _TEXT | st.none(), max_size=3).map(lambda pairs: list(pairs.items()))
    else:
        values = _TEXT
    return values | st.none() if column.nullable else values


@st.composite
def _table_rows(draw: st.DrawFn) -> tuple[contract.LandingTable, list[dict]]:
    table = draw(st.sampled_from(list(contract.TABLES.values())))
    rows = draw(st.lists(st.fixed_dictionaries({c.name: _value(c) for c in table.columns}), min_size=1, max_size=6))
    base = draw(st.integers(contract.MIN_TIME_MS, contract.MAX_TIME_MS - 3 * HOUR_MS))
    for row in rows:
        row[table.time_column] = base + draw(st.integers(0, 2 * HOUR_MS))
        if table.end_column and row[table.end_column] is not None:
            row[table.end_column] = row[table.time_column] + draw(st.integers(0, HOUR_MS))
    return table, rows


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(case=_table_rows())
def test_whatever_is_written_is_read_back(case, tmp_path_factory):
    table, rows = case
    root = tmp_path_factory.mktemp("round")
    paths = LandingWriter(root, "w", host="hôst", boot_id="b", collector_version="1").write(table.name, rows)
    read = []
    for path in paths:
        assert landed_name_problem(str(path.relative_to(root))) is None
        file = read_landed(path)
        assert (file.table, file.host) == (table.name, "hôst")
        assert file.rows.schema.equals(table.arrow_schema())
        read.extend(file.rows.to_pylist())

    def key(row: dict) -> str:
        return repr(sorted(row.items()))

    assert sorted(map(key, read)) == sorted(map(key, rows))


@pytest.mark.faults
def test_kill_nine_leaves_no_unreadable_name_and_loses_no_acknowledged_file(tmp_path):
    script = textwrap.dedent("""
        import os, random, signal, sys, time
        from pathlib import Path
        from collectors.landing.writer import LandingWriter
        root, acks, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
        row = dict(host="h", device="d", kind="cpu", point="package", session=0, source="rapl", is_estimate=False)
        rows = [{**row, "ts_ms": 1_795_348_800_000 + i * 1800, "power_mw": i * i} for i in range(4000)]
        warm = LandingWriter(root, host="h", collector_version="1").write("power_sample", rows[:10])
        rng = random.Random(seed)
        for _ in range(30):
            pid = os.fork()
            if pid == 0:
                out = os.open(acks, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                writer = LandingWriter(root, host="h", collector_version="1")
                while True:
                    for path in writer.write("power_sample", rows):
                        os.write(out, f"{path}\\n".encode())
            size = os.path.getsize(acks) if os.path.exists(acks) else 0
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and not (os.path.exists(acks) and os.path.getsize(acks) > size):
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.06))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    """)
    root, acks = tmp_path / "landing", tmp_path / "acks"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(root), str(acks), "7"],
        check=True,
        cwd=REPOSITORY,
        timeout=60,
    )
    finals = [path for path in root.rglob("*.parquet") if not path.name.startswith(".")]
    acknowledged = acks.read_text().split()
    assert len(acknowledged) >= 30
    for path in finals:
        assert read_landed(path).rows.num_rows > 0
    assert set(acknowledged) <= {str(path) for path in finals}
    leftovers = list(root.rglob(".*.tmp"))
    assert sweep(root, host="h") == len(leftovers)
    assert list(root.rglob(".*.tmp")) == []


def test_writing_is_not_slower_than_a_flush_allows(writer, sample_row):
    rows = [sample_row(ts_ms=NOON_MS + i * 100, device=f"GPU-{i % 8}") for i in range(8 * 300)]
    start = time.perf_counter()
    writer.write("power_sample", rows)
    assert time.perf_counter() - start < 1.0

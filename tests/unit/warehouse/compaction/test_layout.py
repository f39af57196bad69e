"""The form of an hour file: encodings, checksums, row groups, shards, bytes a row."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.fleet import Fleet
from collectors.landing.pages import page_totals
from tests.support.hours import HOUR_MS, land, plain_compact, random_world, rows_of
from tests.support.landed import sample
from warehouse.compaction import HourFile, compact_hour, encoding, write_hour
from warehouse.hourfile import HOUR_SCHEMA, SERIES_KEY

MOST_BYTES_A_ROW = 5.2


@pytest.fixture(scope="module")
def fleet_hour() -> pa.Table:
    return Fleet(20, seed=3).hour(HOUR_MS)


@pytest.fixture(scope="module")
def file(fleet_hour: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> HourFile:
    (written,) = write_hour(HOUR_MS, fleet_hour, tmp_path_factory.mktemp("hours"))
    return written


def test_a_noisy_row_of_four_values_takes_few_bytes(file: HourFile) -> None:
    assert file.rows_n > 650_000
    assert file.size_bytes / file.rows_n <= MOST_BYTES_A_ROW


def test_the_file_has_the_schema_of_hour_files_and_the_rows_that_were_given(
    file: HourFile, fleet_hour: pa.Table
) -> None:
    assert pq.read_schema(file.path).remove_metadata().equals(HOUR_SCHEMA)
    assert pq.read_table(file.path).replace_schema_metadata(None).equals(fleet_hour.cast(HOUR_SCHEMA))


def test_every_page_is_checksummed_and_numbers_are_delta_packed(file: HourFile) -> None:
    footer = pq.read_metadata(file.path)
    data = bytearray(file.path.read_bytes())
    for index, field in enumerate(HOUR_SCHEMA):
        chunk = footer.row_group(0).column(index)
        assert chunk.compression == "LZ4"
        assert ("DELTA_BINARY_PACKED" in chunk.encodings) == pa.types.is_integer(field.type), field.name
        assert ("RLE_DICTIONARY" in chunk.encodings) == pa.types.is_string(field.type), field.name
        damaged = data.copy()
        start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
        damaged[start + chunk.total_compressed_size - 1] ^= 1
        opened = pq.ParquetFile(pa.BufferReader(bytes(damaged)), page_checksum_verification=True)
        with pytest.raises(OSError, match=r"(?i)crc"):
            opened.read_row_group(0, columns=[field.name])


def test_row_groups_hold_whole_series_and_are_of_even_size(file: HourFile) -> None:
    footer = pq.read_metadata(file.path)
    sizes = [footer.row_group(at).num_rows for at in range(footer.num_row_groups)]
    assert len(sizes) == file.row_groups_n > 1
    assert all(120_000 <= size <= 400_000 for size in sizes)
    assert set(np.cumsum([0, *sizes])[:-1]) <= set(file.series.column("row_offset").to_pylist())


def test_a_column_is_cut_into_pages_by_bytes_alone(file: HourFile) -> None:
    # A page of 20,000 rows, as pyarrow makes them if it is not told, costs 3 % of bytes.
    data = memoryview(file.path.read_bytes())
    for index in range(len(HOUR_SCHEMA)):
        chunk = pq.read_metadata(file.path).row_group(0).column(index)
        start = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
        most = 2 + chunk.total_uncompressed_size // encoding.PAGE_BYTES
        assert page_totals(data, start, chunk.total_compressed_size, max_pages=most).values_n == chunk.num_values


def test_a_digest_tells_texts_apart_that_have_the_same_codes() -> None:
    columns = {
        field.name: pa.array([None] * 3, field.type) for field in encoding.CODED_SCHEMA if field.name != "source"
    }
    found = []
    for texts in (["rapl", "model"], ["rapl", "meter"]):
        source = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int32()), texts)
        found.append(encoding.digests(pa.table(columns | {"source": source})))
    assert {name for name in found[0] if found[0][name] != found[1][name]} == {"source"}


@pytest.mark.parametrize(
    ("rows_n", "ends"),
    [
        ([10], [10]),
        ([3_600] * 100, [360_000]),
        ([3_600] * 200, [241_200, 478_800, 720_000]),
        ([1_000_000], [1_000_000]),
        ([10, 1_000_000, 10], [10, 1_000_010, 1_000_020]),
        ([200_000, 200_000], [200_000, 400_000]),
    ],
)
def test_row_groups_end_where_series_do(rows_n: list[int], ends: list[int]) -> None:
    assert encoding.group_ends(np.array(rows_n)) == ends


@pytest.mark.parametrize("seed", range(10))
def test_hosts_stay_whole_and_follow_one_another_over_the_shards(seed: int, tmp_path: Path) -> None:
    world = random_world(seed, tmp_path / "archive")
    kept, _, _ = plain_compact(world)
    for most, batch_rows_n in ((1, 10**6), (6, 10**6), (6, 30), (9, 1)):
        done = compact_hour(
            HOUR_MS, [one.source for one in world], tmp_path / "hours", max_series_n=most, batch_rows_n=batch_rows_n
        )
        hosts = [sorted(set(file.series.column("host").to_pylist())) for file in done.files]
        flat = [host for some in hosts for host in some]
        assert flat == sorted(set(flat), key=str.encode)
        assert [file.shard for file in done.files] == list(range(len(done.files)))
        for at, file in enumerate(done.files):
            assert file.series.num_rows <= most or len(hosts[at]) == 1
            if at:  # no shard was begun without need
                following = sum(host == hosts[at][0] for host in file.series.column("host").to_pylist())
                assert done.files[at - 1].series.num_rows + following > most
        assert rows_of(done) == kept


def test_the_file_alone_says_where_each_row_came_from(tmp_path: Path) -> None:
    world = random_world(5, tmp_path / "archive")
    by_hash = {one.source.sha256: one for one in world}
    done = compact_hour(HOUR_MS, [one.source for one in world], tmp_path / "hours", max_series_n=5)
    assert len(done.files) > 1
    for file in done.files:
        metadata = pq.read_metadata(file.path).metadata
        assert metadata[b"wattledger.hour_file"] == b"1"
        assert int(metadata[b"wattledger.hour_ms"]) == HOUR_MS
        sources = json.loads(metadata[b"wattledger.sources"])
        for row in pq.read_table(file.path).to_pylist():
            landed = by_hash[sources[row.pop("source_file")]].rows[row.pop("source_row")]
            assert row == landed


def test_the_order_is_bytewise_by_series_and_then_by_time(tmp_path: Path) -> None:
    hosts = ["b", "B", "a-1", "a.1", "ä", "a"]
    rows = [sample(HOUR_MS + at % 3, host=host, device=f"d{at % 5}") for at in range(15) for host in hosts]
    done = compact_hour(HOUR_MS, [land(tmp_path, rows, 1).source], tmp_path / "hours")
    keys = [(*(row[name].encode() for name in SERIES_KEY), row["ts_ms"]) for row in rows_of(done)]
    assert keys == sorted(keys)
    assert len(keys) == len(rows)


def test_small_and_large_landed_files_give_the_same_rows(tmp_path: Path) -> None:
    fleet = Fleet(2, gpus_per_host=2, cpus_per_host=1, seed=8)
    found = []
    for minutes in (1, 60):
        sources = []
        for host, written_ms, table in fleet.landed(HOUR_MS, minutes):
            rows = table.to_pylist()
            sources.append(land(tmp_path / host, rows, written_ms).source)
        found.append(rows_of(compact_hour(HOUR_MS, sources, tmp_path / str(minutes))))
    for row in (*found[0], *found[1]):
        del row["source_file"], row["source_row"]
    assert found[0] == found[1]
    assert len(found[0]) > 15_000


def test_writing_an_hour_refuses_rows_that_are_not_one_hour_of_single_keys(
    fleet_hour: pa.Table, tmp_path: Path
) -> None:
    some = fleet_hour.slice(0, 10)
    with pytest.raises(ValueError, match="same key"):
        write_hour(HOUR_MS, pa.concat_tables([some, some]), tmp_path)
    with pytest.raises(ValueError, match="outside the hour"):
        write_hour(HOUR_MS + 3_600_000, some, tmp_path)
    (file,) = write_hour(HOUR_MS, some.take(list(range(9, -1, -1))), tmp_path)
    assert hashlib.sha256(file.path.read_bytes()).hexdigest() == write_hour(HOUR_MS, some, tmp_path)[0].sha256

"""A column that came into the contract later: old files stay readable, and rows of several servers are no conflict."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collectors import contract
from collectors.landing.reader import FileReason, UnreadableFile, read_landed
from tests.unit.collectors.landing.test_reader import _metadata

NOON_MS = 1_795_348_800_000
ROW = {"start_ms": NOON_MS, "end_ms": NOON_MS + 60_000, "model": "m", "requests_n": 3, "output_tokens_n": 7}


def _old_file(path, *left_out: str):
    """A file as the contract's first collectors wrote it: without the columns of later."""
    spec = contract.WORK_COUNTER
    table = pa.Table.from_pylist([{**dict.fromkeys(spec.arrow_schema().names), **ROW}], spec.arrow_schema())
    table = table.drop_columns(list(left_out))
    metadata = _metadata(1, schema="work_counter/1", first_ms=str(NOON_MS), last_ms=str(NOON_MS))
    with pq.ParquetWriter(path, table.schema, write_page_checksum=True) as out:
        out.write_table(table)
        out.add_key_value_metadata(metadata)
    return path


def test_a_file_without_a_later_column_holds_null_there(tmp_path):
    old = read_landed(_old_file(tmp_path / "old.parquet", "instance"), table="work_counter")
    new = read_landed(_old_file(tmp_path / "new.parquet"), table="work_counter")
    assert old.rows.equals(new.rows)
    assert old.rows.column("instance").to_pylist() == [None]


def test_every_other_column_must_be_there(tmp_path):
    with pytest.raises(UnreadableFile) as caught:
        read_landed(_old_file(tmp_path / "old.parquet", "instance", "other_n"), table="work_counter")
    assert caught.value.reason is FileReason.WRONG_SCHEMA


def test_only_columns_that_may_be_null_come_later():
    for table in contract.TABLES.values():
        assert all(column.nullable for column in table.columns if column.is_later)
        assert not any(column.is_later for column in contract.POWER_SAMPLE.columns)

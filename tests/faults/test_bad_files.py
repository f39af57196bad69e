"""Eight kinds of bad file and more: each in quarantine with its reason, the good ones go in, a fix releases them."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from collectors import contract
from tests.support.homes import write_config
from tests.support.landed import landed_bytes, landed_name, put, sample
from tests.support.readings import count_readings, readings
from tests.support.worlds import EVENING_MS as T
from warehouse import quarantine
from warehouse.config import Config
from warehouse.engine import run_all
from warehouse.ingest import ingest_landing
from warehouse.lake import Lake, open_lake
from warehouse.landed import landed_files

pytestmark = pytest.mark.faults
ROOT = Path(__file__).resolve().parents[2]
HOUR_MS = 3_600_000


def _rows(count: int = 20, **changes: Any) -> list[dict[str, Any]]:
    return [sample(T + number * 1000, **changes) for number in range(count)]


def _good() -> bytes:
    return landed_bytes("power_sample", _rows(), written_ms=T)


def _with_rows_in_footer(count: int) -> bytes:
    """A footer that declares another number of rows; the digest is left out, as a stranger would."""
    rows = _rows()
    from collectors.landing.writer import META_DIGEST

    stated = {contract.META_ROWS: str(count), META_DIGEST: None}
    content = landed_bytes("power_sample", rows, written_ms=T, metadata=stated)
    start = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
    footer = bytearray(content[start:-8])
    # Thrift compact: field 3 of FileMetaData (num_rows, i64 = type 6) follows the schema list; 20 is 0x28 in zigzag.
    small, big = b"\x16\x28", b"\x16" + _zigzag(count)
    assert footer.count(small) >= 1
    footer = footer.replace(small, big)
    return content[:start] + bytes(footer) + struct.pack("<I", len(footer)) + b"PAR1"


def _zigzag(number: int) -> bytes:
    value, out = number << 1, bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _renamed_column() -> bytes:
    spec = contract.TABLES["power_sample"].arrow_schema()
    names = ["power_w" if field.name == "power_mw" else field.name for field in spec]
    schema = pa.schema([pa.field(name, field.type) for name, field in zip(names, spec, strict=True)])
    rows = [{"power_w" if key == "power_mw" else key: value for key, value in row.items()} for row in _rows()]
    return landed_bytes("power_sample", rows, written_ms=T, schema=schema)


def _flipped() -> bytes:
    content = bytearray(_good())
    content[len(content) // 3] ^= 0x10
    return bytes(content)


NAME = landed_name("power_sample", T, "bad")
KINDS: dict[str, tuple[str, bytes, str]] = {
    "empty": (NAME, b"", "empty_file"),
    "truncated": (NAME, _good()[:-100], "truncated"),
    "HTML": (NAME, b"<!doctype html><title>502 Bad Gateway</title>" * 20, "not_parquet"),
    "wrong schema": (NAME, _renamed_column(), "wrong_schema"),
    "wrong unit range": (
        NAME,
        landed_bytes("power_sample", _rows(power_mw=300_000_000_000), written_ms=T),
        "rows_refused",
    ),
    "future stamps": (
        landed_name("power_sample", T + 900_000 * HOUR_MS // 1000, "bad"),
        landed_bytes(
            "power_sample",
            [sample(int(time.time() * 1000) + 48 * HOUR_MS + number) for number in range(20)],
            written_ms=T,
        ),
        "rows_refused",
    ),
    "a name that tricks": (
        "power_sample/date=2025-03-03/hour=21/x..%2fetc;rm -rf $HOME.parquet",
        _good(),
        "unsafe_name",
    ),
    "a folder that tricks": ("power_sample/date=2025-03-03/hour=99/x.parquet", _good(), "unsafe_name"),
    "a billion rows": (NAME, _with_rows_in_footer(1_000_000_000), "too_large"),
    "a flipped bit": (NAME, _flipped(), "checksum_mismatch"),
    "another table's folder": (landed_name("job_event", T, "bad"), _good(), "metadata_mismatch"),
    "another version": (
        NAME,
        landed_bytes("power_sample", _rows(), written_ms=T, metadata={contract.META_SCHEMA: "power_sample/9"}),
        "unknown_version",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_file_is_refused_and_a_good_one_goes_in(lake: Lake, kind: str) -> None:
    relative, content, reason = KINDS[kind]
    put(lake.config.landing_path, relative, content)
    good = landed_bytes("power_sample", _rows(host="host-9"), written_ms=T)
    put(lake.config.landing_path, landed_name("power_sample", T, "good"), good)
    report = ingest_landing(lake)
    bad = next(outcome for outcome in report.outcomes if outcome.status == "quarantined")
    assert (bad.path, bad.reason) == (relative, reason)
    assert bad.detail
    assert report.count("loaded") == 1
    assert set(readings(lake, "host")) == {("host-9",)}
    assert list(landed_files(lake.config.landing_path)) == []
    kept = [path for path in (lake.config.quarantine_path / reason).iterdir() if path.is_file()]
    assert [path.read_bytes() for path in kept] == [content]
    entry = quarantine.entries(lake)[0]
    assert (entry.path, entry.reason, entry.state) == (relative, reason, "open")


def test_bad_files_twice_and_again_change_nothing_more(lake: Lake) -> None:
    for _ in range(2):
        for number, (_, content, _) in enumerate(KINDS.values()):
            put(lake.config.landing_path, f"power_sample/date=2025-03-03/hour=21/w-{number}.parquet", content)
        ingest_landing(lake)
    contents = {content for _, content, _ in KINDS.values()}
    listed = lake.value("select count(*) from raw.quarantine_file") + lake.value("select count(*) from raw.ingest_file")
    assert listed == len(contents)


def test_names_outside_of_landing_are_never_touched(lake: Lake, tmp_path: Path) -> None:
    outside = tmp_path / "outside.parquet"
    outside.write_bytes(_good())
    (lake.config.landing_path / "power_sample").symlink_to(tmp_path)
    report = ingest_landing(lake)
    assert [outcome.reason for outcome in report.outcomes] == ["unsafe_name"]
    assert outside.exists()
    assert count_readings(lake) == 0


def test_a_higher_limit_releases_a_large_file(config: Config) -> None:
    config = write_config(config.home, ingest={"max_rows": 10})
    put(config.landing_path, NAME, _good())
    with open_lake(config) as lake:
        assert run_all(lake).ingest.outcomes[0].reason == "too_large"
        assert [outcome.reason for outcome in quarantine.retry(lake)] == ["too_large"]
        first_seen = lake.value("select first_seen from raw.quarantine_file")
    config = write_config(config.home)
    with open_lake(config) as lake:
        assert [outcome.status for outcome in quarantine.retry(lake)] == ["loaded"]
        run_all(lake)
        assert count_readings(lake) == 20
        assert lake.value("select sum(energy_j) > 0 from core.device_energy")
        assert lake.rows("select state, path, first_seen from raw.quarantine_file") == [("released", NAME, first_seen)]
        assert quarantine.retry(lake) == []
    assert (config.archive_path / NAME).parent.exists()


def test_once_the_clock_has_passed_a_file_goes_in(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    put(lake.config.landing_path, NAME, _good())
    monkeypatch.setattr(time, "time", lambda: T / 1000 - 86_400)
    assert ingest_landing(lake).outcomes[0].reason == "rows_refused"
    assert quarantine.retry(lake)[0].reason == "rows_refused"
    monkeypatch.undo()
    assert quarantine.retry(lake)[0].status == "loaded"


def test_rows_of_the_future_go_in_once_the_clock_has_passed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    put(lake.config.landing_path, NAME, _good())
    monkeypatch.setattr(time, "time", lambda: T / 1000 + 12 - 300)  # 8 of 20 rows lie too far ahead
    ingest_landing(lake)
    assert count_readings(lake) == 13
    monkeypatch.undo()
    quarantine.retry(lake)
    assert count_readings(lake) == 20
    assert lake.value("select count(*) from raw.quarantine_row") == 0
    assert lake.rows("select rows_rejected from raw.ingest_file") == [(0,)]


def test_a_name_may_be_released_by_hand(lake: Lake) -> None:
    relative, content, _ = KINDS["a name that tricks"]
    put(lake.config.landing_path, relative, content)
    ingest_landing(lake)
    assert quarantine.retry(lake)[0].status == "loaded"
    assert [path.parent.name for path in lake.config.archive_path.rglob("*.parquet")] == ["released"]


def test_the_command_says_what_was_refused_and_ends_with_its_code(config: Config) -> None:
    put(config.landing_path, NAME, b"")
    put(config.landing_path, landed_name("power_sample", T, "good"), _good())
    command = [sys.executable, "-m", "pipelines.cli", "run", "--config", str(config.home / "wattledger.toml")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stdout + done.stderr
    assert f"REFUSED {NAME}: empty_file" in done.stdout
    assert "wattledger quarantine" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture
def rejected(lake: Lake) -> Path:
    folder = lake.config.landing_path / "_rejected"
    folder.mkdir()
    return folder


LINE = b'{"table":"power_sample","time_ms":1,"reason":"unparseable_time","detail":"d","values":{"a":"\\u2028"}}\n'


@pytest.mark.parametrize(
    "content", [b"<html>", LINE[:40], b"[1]\n", LINE.replace(b"unparseable_time", b"because"), b"\xff\n"]
)
def test_a_broken_file_of_rejected_rows_stops_nobody(lake: Lake, rejected: Path, content: bytes) -> None:
    (rejected / "bad.jsonl").write_bytes(LINE + content)
    (rejected / "good.jsonl").write_bytes(LINE + LINE)
    put(lake.config.landing_path, NAME, _good())
    report = ingest_landing(lake)
    assert report.count("loaded") == 1
    assert lake.rows("select reason from raw.quarantine_file") == [("not_rejected_rows",)]
    assert lake.value("select count(*) from raw.quarantine_row") == 2
    assert list(rejected.iterdir()) == []
    (rejected / "other-name.jsonl").write_bytes(LINE + LINE)
    ingest_landing(lake)
    assert lake.value("select count(*) from raw.quarantine_row") == 2

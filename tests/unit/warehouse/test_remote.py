"""Landed files in an object store are brought over once, whatever happens in between."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from collectors.landing.stores import object_store, store_of
from collectors.landing.writer import LandingWriter
from tests.support.homes import write_config
from tests.support.landed import landed_bytes, landed_name, put, sample
from warehouse import remote
from warehouse.engine import run_all
from warehouse.lake import open_lake

ADDRESS = "s3://bucket/of/ours"
T0 = 1_795_348_800_000  # 2026-11-22 12:00:00 UTC
FILE = (landed_name("power_sample", T0, "a-000001"), landed_bytes("power_sample", [sample(T0)], written_ms=T0))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
                break
            time.sleep(0.1)
        yield url
        process.kill()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    values = {"ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "y", "ENDPOINT_URL_S3": endpoint, "REGION": "us-east-1"}
    for name, value in values.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    made = fs.S3FileSystem(endpoint_override=endpoint, region="us-east-1", allow_bucket_creation=True)
    made.create_dir("bucket")
    made.delete_dir_contents("bucket")
    return made


def _put(store: Any, name: str, content: bytes) -> str:
    with store.open_output_stream(f"bucket/of/ours/{name}") as stream:
        stream.write(content)
    return name


def _left(store: Any) -> list[str]:
    found = store.get_file_info(fs.FileSelector("bucket", recursive=True, allow_not_found=True))
    return sorted(info.path for info in found if info.type == fs.FileType.File)


def _samples(config: Any) -> int:
    with open_lake(config) as lake:
        return int(lake.value("SELECT coalesce(sum(rows_n), 0) FROM raw.sample_hour"))


def test_collectors_write_to_a_store_and_ingest_takes_it_in(store: Any, tmp_path: Path) -> None:
    writer = LandingWriter(ADDRESS, host="h", collector_version="1")
    landed = writer.write("power_sample", [sample(T0 + 1000 * second) for second in range(5)])
    assert [str(path).startswith(ADDRESS + "/power_sample/date=") for path in landed] == [True]
    assert len(_left(store)) == 1
    config = write_config(tmp_path, landing={"path": "landing", "remote": ADDRESS})
    with open_lake(config) as lake:
        report = run_all(lake)
        assert (report.remote.fetched_n, report.remote.problem, report.ingest.count("loaded")) == (1, None, 1)
        assert run_all(lake).remote.fetched_n == 0
    assert _left(store) == []
    assert _samples(config) == 5


def test_the_same_content_under_a_name_is_there_once_and_other_content_is_refused(store: Any) -> None:
    place = store_of(ADDRESS)
    for _ in range(2):
        assert place.put_new(("a",), "f", b"x", "h") == f"{ADDRESS}/a/f"
    with pytest.raises(FileExistsError):
        place.put_new(("a",), "f", b"y", "h")
    assert place.names(("a",)) == ["f"]
    assert place.names(("none",)) == []


def test_a_crash_before_the_removal_brings_the_file_over_again_and_counts_it_once(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(store, *FILE)
    config = write_config(tmp_path, landing={"path": "landing", "remote": ADDRESS})
    with monkeypatch.context() as patch, open_lake(config) as lake:
        patch.setattr(remote, "_remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run_all(lake)
    assert len(_left(store)) == len(list(config.landing_path.rglob("*.parquet"))) == 1
    with open_lake(config) as lake:
        run_all(lake)
    assert _samples(config) == 1
    assert _left(store) == []


def test_what_cannot_be_removed_stays_and_is_not_brought_over_again(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(store, *FILE)
    config = write_config(tmp_path, landing={"path": "landing", "remote": ADDRESS})
    monkeypatch.setattr(remote, "_remove", lambda *_: False)
    with open_lake(config) as lake:
        first, second = run_all(lake).remote, run_all(lake).remote
    assert (first.fetched_n, first.kept_n) == (1, 1)
    assert (second.fetched_n, second.known_n) == (0, 1)
    assert len(_left(store)) == 1


def test_names_that_lead_elsewhere_are_left_where_they_are(store: Any, tmp_path: Path) -> None:
    for name in ("power_sample/../../../evil.parquet", ".hidden/x.parquet", "power_sample/.tmp"):
        with contextlib.suppress(OSError):
            _put(store, name, b"x")
    config = write_config(tmp_path, landing={"path": "landing", "remote": ADDRESS})
    with open_lake(config) as lake:
        assert run_all(lake).remote.fetched_n == 0
    assert not list(tmp_path.rglob("evil*"))


def test_a_store_that_cannot_be_read_keeps_nothing_else_from_being_taken_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setattr(remote, "object_store", _unreachable)
    config = write_config(tmp_path, landing={"path": "landing", "remote": ADDRESS})
    put(config.landing_path, *FILE)
    with open_lake(config) as lake:
        report = run_all(lake)
    assert report.ingest.count("loaded") == 1
    assert "check the address, the network and the credentials" in str(report.remote.problem)


def _unreachable(address: str) -> Any:
    object_store(address)
    raise OSError(f"When listing objects under {address}: connection refused")

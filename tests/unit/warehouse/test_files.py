"""Files move durably, also across file systems; nothing is followed, nothing hangs."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from warehouse import files


def test_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    content = os.urandom(3 * files.CHUNK_BYTES + 7)
    (tmp_path / "a").write_bytes(content)
    assert files.sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    assert files.sha256_of(tmp_path / "link") != files.sha256_of(tmp_path / "secret")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert len(files.sha256_of(tmp_path / "dangling")) == 64


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # reading it would wait for ever
    assert len(files.sha256_of(tmp_path / "pipe")) == 64


def test_move_replaces_and_makes_folders(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    target = tmp_path / "deep" / "er" / "b"
    target.parent.mkdir(parents=True)
    target.write_text("old")
    files.move(tmp_path / "a", target)
    assert target.read_text() == "new"
    assert not (tmp_path / "a").exists()


def test_moving_what_is_gone_does_nothing(tmp_path: Path) -> None:
    files.move(tmp_path / "gone", tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.fixture
def other_file_system(tmp_path: Path) -> Path:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system at /dev/shm")
    folder = shared / f"wattledger-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if not path.is_dir() else path.rmdir()
    folder.rmdir()


def test_move_across_file_systems(tmp_path: Path, other_file_system: Path) -> None:
    source = other_file_system / "a.parquet"
    source.write_bytes(b"content")
    with pytest.raises(OSError, match="cross-device") as caught:
        source.rename(tmp_path / "a.parquet")
    assert caught.value.errno == errno.EXDEV  # the test is about what it says
    files.move(source, tmp_path / "deep" / "a.parquet")
    assert (tmp_path / "deep" / "a.parquet").read_bytes() == b"content"
    assert not source.exists()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.parquet"]


def test_what_a_killed_move_left_is_removed_by_the_next(tmp_path: Path, other_file_system: Path) -> None:
    source = other_file_system / "a.parquet"
    source.write_bytes(b"content")
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    left = tmp_path / f".a.parquet.{dead}.tmp"
    running = tmp_path / ".a.parquet.1.tmp"
    left.write_bytes(b"cont")
    running.write_bytes(b"con")
    files.move(source, tmp_path / "a.parquet")
    assert not left.exists()
    assert running.exists()


def test_a_link_across_file_systems_stays_a_link(tmp_path: Path, other_file_system: Path) -> None:
    (other_file_system / "link").symlink_to("/etc/passwd")
    files.move(other_file_system / "link", tmp_path / "link")
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        (".organisation.duckdb.123.building", 123),
        (".organisation.duckdb.123.building.wal", 123),
        (".a.parquet.77.tmp", 77),
        ("organisation.duckdb", None),
        (".hidden", None),
        (".a.parquet.x.tmp", None),
    ],
)
def test_the_owner_of_a_temporary_is_in_its_name(name: str, owner: int | None) -> None:
    assert files.owner_of(Path(name)) == owner


def test_only_a_process_that_is_surely_gone_is_dead() -> None:
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    assert not files.is_alive(gone)
    assert files.is_alive(os.getpid())
    assert files.is_alive(None)
    assert files.is_alive(1)


def test_durable_write_replaces_whole(tmp_path: Path) -> None:
    files.write_durably(tmp_path / "deep" / "a", b"one")
    files.write_durably(tmp_path / "deep" / "a", b"two")
    assert (tmp_path / "deep" / "a").read_bytes() == b"two"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a"]

"""The course that every format shares: all or nothing, the same twice, bad rows refused one by one."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from collectors.importers.energy import counter_rows, session_of
from collectors.importers.errors import (
    AMBIGUOUS_TIME,
    NONEXISTENT_TIME,
    TORN_ROW,
    UNPARSEABLE_TIME,
    SourceError,
)
from collectors.importers.format import (
    Assumption,
    Figure,
    Finding,
    Format,
    Item,
    LeftOut,
    Option,
    Options,
    Rows,
    Source,
    files_matching,
    rejected,
)
from collectors.importers.moments import MomentError, moment_ms, zone_of
from collectors.importers.run import import_format
from collectors.landing.reader import read_landed

T0 = 1_704_067_200_000  # 2024-01-01 00:00:00 UTC


def _read(source: Source, options: Options) -> Iterator[Item]:
    """A format of lines ``second watts``, with one item of each kind."""
    yield Assumption("the host is " + options["host"])
    for path in source.files:
        for number, line in enumerate(source.lines(path), 1):
            second, _, watts = line.partition(" ")
            if line == "again":
                yield LeftOut(1)
            elif not watts:
                yield rejected(
                    "power_sample", TORN_ROW, f"{line!r} is cut off", source.shown(path), number, {"l": line}
                )
            else:
                yield Rows("power_sample", [_row(options["host"], int(second), int(watts))], read=1)
    yield Finding("nothing is wrong")
    yield Figure("all", "toy", 1.5, "J")


def _row(host: str, second: int, watts: int) -> dict[str, Any]:
    return {
        "ts_ms": T0 + second * 1000,
        "host": host,
        "device": "node",
        "kind": "node",
        "point": "ac",
        "power_mw": watts * 1000,
        "session": 0,
        "source": "meter",
        "is_estimate": False,
    }


TOY = Format(
    "toy",
    "lines of a toy",
    lambda path: files_matching(path, "*.toy", "*.toy.gz"),
    _read,
    (
        Option("host", "host name", required=True),
        Option("zone", "zone", choices=("UTC",), default="UTC"),
        Option("rules", "file", is_file=True),
    ),
)


def _landed(files: list[Path]) -> list[dict[str, Any]]:
    return [row for file in files for row in read_landed(file).rows.to_pylist()]


def _tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_a_format_yields_is_landed_counted_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.toy").write_text("0 100\n1 200\n", encoding="utf-8")
    (tmp_path / "b.toy.gz").write_bytes(gzip.compress(b"again\n3600 50\n7"))
    seen: list[tuple[int, int]] = []
    result = import_format(
        TOY, tmp_path, tmp_path / "landing", {"host": "h"}, progress=lambda done, whole: seen.append((done, whole))
    )
    assert (result.rows_read, result.rows_landed, result.rows_filtered, result.rows_rejected) == (5, 3, 1, 1)
    assert [(row["ts_ms"] - T0, row["power_mw"]) for row in _landed(result.files)] == [
        (0, 100_000),
        (1000, 200_000),
        (3_600_000, 50_000),
    ]
    assert result.rejected[0].file == "b.toy.gz"
    assert result.rejected[0].row == 3
    assert (result.assumptions, result.findings) == (("the host is h",), ("nothing is wrong",))
    assert result.figures == (Figure("all", "toy", 1.5, "J"),)
    assert seen[-1][0] == seen[-1][1] > 0


def test_importing_twice_changes_nothing_and_another_option_is_another_import(tmp_path: Path) -> None:
    source = tmp_path / "a.toy"
    source.write_text("0 100\nx\n", encoding="utf-8")
    landing = tmp_path / "landing"
    first = import_format(TOY, source, landing, {"host": "h"})
    before = _tree(landing)
    second = import_format(TOY, source, landing, {"host": "h"})
    assert (first.files_new, second.files_new) == (1, 0)
    assert _tree(landing) == before
    assert import_format(TOY, source, landing, {"host": "other"}).files_new == 1


def test_another_content_of_a_file_that_decides_is_another_import(tmp_path: Path) -> None:
    source, rules = tmp_path / "a.toy", tmp_path / "rules.toml"
    source.write_text("0 100\n", encoding="utf-8")
    digests = set()
    for text in ("a", "b", "a"):
        rules.write_text(text, encoding="utf-8")
        digests.add(import_format(TOY, source, tmp_path / "landing", {"host": "h", "rules": str(rules)}).digest)
    assert len(digests) == 2
    with pytest.raises(SourceError, match=r"--rules .*none is no file"):
        import_format(TOY, source, tmp_path / "landing", {"host": "h", "rules": str(tmp_path / "none")})


def test_a_row_that_breaks_the_contract_costs_no_other(tmp_path: Path) -> None:
    source = tmp_path / "a.toy"
    source.write_text("0 100\n1 99999999999\n2 100\n", encoding="utf-8")
    result = import_format(TOY, source, tmp_path / "landing", {"host": "h"})
    assert (result.rows_landed, result.rejected_by_reason) == (2, {"out_of_range": 1})


def test_a_failure_in_the_middle_lands_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.toy").write_text("0 100\n", encoding="utf-8")
    (tmp_path / "b.toy.gz").write_bytes(gzip.compress(b"1 100\n" * 1000)[:-20])
    with pytest.raises(SourceError, match=r"b\.toy\.gz: cannot be read"):
        import_format(TOY, tmp_path, tmp_path / "landing", {"host": "h"})
    assert not (tmp_path / "landing").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "--host is required"),
        ({"host": "h", "zone": "CET"}, "--zone 'CET' must be one of UTC"),
        ({"hst": "h"}, "toy has no option 'hst'; it has host, zone, rules"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options: dict[str, str], says: str) -> None:
    source = tmp_path / "a.toy"
    source.write_text("0 1\n", encoding="utf-8")
    with pytest.raises(SourceError, match=says):
        import_format(TOY, source, tmp_path / "landing", options)


def test_a_folder_without_such_files_and_a_missing_path_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no file like \*\.toy or"):
        import_format(TOY, tmp_path, tmp_path / "landing", {"host": "h"})
    with pytest.raises(SourceError, match="does not exist"):
        import_format(TOY, tmp_path / "none", tmp_path / "landing", {"host": "h"})


def test_a_local_time_needs_a_zone_and_must_exist_once() -> None:
    berlin = zone_of("Europe/Berlin")
    assert moment_ms("2024-01-01T01:00:00.5", berlin) == T0 + 500
    assert moment_ms("2024-01-01T01:00:00+01:00", None) == T0
    assert moment_ms("2024-01-01 08:00:00", zone_of("+08:00")) == T0
    assert moment_ms("01/01/2024 00:00", UTC, "%d/%m/%Y %H:%M") == T0
    for text, reason in (
        ("2024-10-27 02:30:00", AMBIGUOUS_TIME),
        ("2024-03-31 02:30:00", NONEXISTENT_TIME),
        ("yesterday", UNPARSEABLE_TIME),
    ):
        with pytest.raises(MomentError) as caught:
            moment_ms(text, berlin)
        assert caught.value.reason == reason
    with pytest.raises(MomentError, match="has no zone"):
        moment_ms("2024-01-01 00:00:00", None)
    with pytest.raises(SourceError, match="unknown zone 'Berlin'"):
        zone_of("Berlin")


def test_a_total_becomes_a_counter_that_rises_by_exactly_it() -> None:
    day = 24 * 3_600_000
    rows = counter_rows(
        host="h",
        device="cpu",
        kind="cpu",
        point="package",
        source="model",
        start_ms=T0,
        end_ms=T0 + 3 * day + 1,
        energy_mj=1_000_003,
        session=session_of("tool", "run"),
        before_mj=7,
    )
    stamps, energy = [row["ts_ms"] for row in rows], [row["energy_mj"] for row in rows]
    assert (stamps[0], stamps[-1], energy[0], energy[-1]) == (T0, T0 + 3 * day + 1, 7, 1_000_010)
    assert max(b - a for a, b in itertools.pairwise(stamps)) <= 12 * 3_600_000
    assert energy == sorted(energy)
    with pytest.raises(ValueError, match="no rise of a counter"):
        counter_rows(
            host="h",
            device="cpu",
            kind="cpu",
            point="package",
            source="model",
            start_ms=T0,
            end_ms=T0,
            energy_mj=1,
            session=0,
        )

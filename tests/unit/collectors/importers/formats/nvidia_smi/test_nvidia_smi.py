"""Logs of nvidia-smi: which GPU, which time, what a cell says, what is torn or repeated, energy with its error."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.contract import GAP_REASONS
from collectors.importers.errors import SourceError
from collectors.importers.formats import load
from collectors.importers.formats.nvidia_smi.columns import _REASONS, power_of
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult
from collectors.landing.reader import read_landed

DOCS = Path(__file__).resolve().parents[6] / "docs" / "importers" / "nvidia-smi.md"
T0 = 1_706_709_600_000  # 2024-01-31 14:00:00 UTC, 15:00 in Berlin
HEADER = "timestamp, uuid, utilization.gpu [%], power.draw [W]"
OPTIONS = {"host": "n1", "zone": "Europe/Berlin"}


class _Landed:
    def __init__(self, root: Path, *texts: str, **options: str) -> None:
        folder = root / "logs"
        folder.mkdir(exist_ok=True)
        for number, text in enumerate(texts):
            (folder / f"{number}.csv").write_text(text, encoding="utf-8")
        self.result: ImportResult = import_format(load("nvidia-smi"), folder, root / "landing", {**OPTIONS, **options})

    def rows(self, table: str = "power_sample") -> list[dict[str, Any]]:
        files = [file for file in self.result.files if file.parents[2].name == table]
        rows = [row for file in files for row in read_landed(file).rows.to_pylist()]
        return sorted(rows, key=lambda row: (row.get("device", ""), row.get("ts_ms", 0)))

    def power(self) -> list[tuple[str, int, int | None]]:
        return [(row["device"], row["ts_ms"] - T0, row["power_mw"]) for row in self.rows()]

    def joules(self, method: str = "integral") -> dict[str, float]:
        return {figure.subject: figure.value for figure in self.result.figures if figure.method == method}


def _log(*rows: str, header: str = HEADER) -> str:
    return "".join(line + "\n" for line in (header, *rows))


def _rows(*watts: object, uuid: str = "GPU-a", step_ms: int = 1000, util: str = "50") -> Iterator[str]:
    for number, value in enumerate(watts):
        second, ms = divmod(number * step_ms, 1000)
        yield f"2024/01/31 15:00:{second:02}.{ms:03}, {uuid}, {util}, {value}"


# --- what lands ------------------------------------------------------------------------------------------------------


def test_a_row_becomes_a_reading_of_the_board(tmp_path: Path) -> None:
    landed = _Landed(tmp_path, _log(*_rows("56.12", "60.4")))
    first, second = landed.rows()
    assert {name: value for name, value in first.items() if value is not None} == {
        "ts_ms": T0, "host": "n1", "device": "GPU-a", "kind": "gpu", "point": "board", "power_mw": 56_120,
        "session": 0, "util_percent": 50, "source": "nvml_power", "is_estimate": False,
    }  # fmt: skip
    assert (second["ts_ms"], second["power_mw"]) == (T0 + 1000, 60_400)
    assert landed.result.rows_read == 2


def test_units_in_the_cells_make_no_difference(tmp_path: Path) -> None:
    bare = _Landed(tmp_path, _log(*_rows("56.12", "60.40"))).power()
    (tmp_path / "units").mkdir()
    assert _Landed(tmp_path / "units", _log(*_rows("56.12 W", "60.40 W", util="50 %"))).power() == bare


def test_several_gpus_at_one_time_stay_apart(tmp_path: Path) -> None:
    a, b = _rows("100.00", "200.00"), _rows("300.00", "500.00", uuid="GPU-b")
    interleaved = [row for pair in zip(a, b, strict=True) for row in pair]
    landed = _Landed(tmp_path, _log(*interleaved))
    assert landed.power() == [
        ("GPU-a", 0, 100_000), ("GPU-a", 1000, 200_000), ("GPU-b", 0, 300_000), ("GPU-b", 1000, 500_000),
    ]  # fmt: skip
    assert landed.joules() == {"n1 GPU-a": 150, "n1 GPU-b": 400}


@pytest.mark.parametrize(
    ("header", "cell", "device", "assumed"),
    [
        ("timestamp, index, uuid, power.draw [W]", "3, GPU-a", "GPU-a", None),
        ("timestamp, index, pci.bus_id, power.draw [W]", "3, 0000:07:00.0", "gpu-0000:07:00.0", None),
        ("timestamp, index, name, power.draw [W]", "3, NVIDIA A100", "gpu-index-3", "a GPU keeps its index"),
        ("timestamp, pstate, power.draw [W]", "P0", "gpu-0", "the log names no GPU"),
    ],
)
def test_the_most_stable_name_is_the_device(
    tmp_path: Path, header: str, cell: str, device: str, assumed: str | None
) -> None:
    landed = _Landed(tmp_path, _log(f"2024/01/31 15:00:00.000, {cell}, 80.00", header=header))
    assert landed.power() == [(device, 0, 80_000)]
    assert [text[: len(assumed or "")] for text in landed.result.assumptions] == ([assumed] if assumed else [])


def test_a_log_without_names_takes_the_stated_one(tmp_path: Path) -> None:
    text = _log("2024/01/31 15:00:00.000, 80.00", header="timestamp, power.draw [W]")
    assert _Landed(tmp_path, text, device="GPU-x").power() == [("GPU-x", 0, 80_000)]


@pytest.mark.parametrize(
    ("option", "power_mw", "source"),
    [
        ({}, 1000, "nvml_power"),
        ({"power_column": "power.draw.instant"}, 3000, "nvml_power_instant"),
        ({"power_column": "power.draw.average"}, 2000, "nvml_power_average"),
    ],
)
def test_the_power_column_can_be_chosen(tmp_path: Path, option: dict[str, str], power_mw: int, source: str) -> None:
    header = "timestamp, uuid, power.draw [W], power.draw.average [W], power.draw.instant [W]"
    landed = _Landed(tmp_path, _log("2024/01/31 15:00:00.000, GPU-a, 1.00, 2.00, 3.00", header=header), **option)
    assert landed.power() == [("GPU-a", 0, power_mw)]
    assert landed.rows()[0]["source"] == source


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("[N/A]", "not_supported"),
        ("N/A", "not_supported"),
        ("[Not Supported]", "not_supported"),
        ("[GPU is lost]", "driver_lost"),
        ("[GPU requires reset]", "driver_lost"),
        ("[Insufficient Permissions]", "permission_denied"),
        ("[Unknown Error]", "read_failed"),
        ("[Something of a later driver]", "read_failed"),
        ("ERR!", "read_failed"),
    ],
)
def test_a_marker_is_a_gap_with_its_reason(tmp_path: Path, cell: str, reason: str) -> None:
    landed = _Landed(tmp_path, _log(*_rows("100.00", cell, "100.00", util=cell)))
    rows = landed.rows()
    assert [(row["power_mw"], row["gap_reason"]) for row in rows] == [(100_000, None), (None, reason), (100_000, None)]
    assert {row["util_percent"] for row in rows} == {None}
    assert set(_REASONS.values()) <= set(GAP_REASONS)


def test_a_lost_gpu_is_known_by_its_index(tmp_path: Path) -> None:
    header = "timestamp, index, uuid, power.draw [W]"
    lost = "2024/01/31 15:00:01.000, 1, [GPU is lost], [GPU is lost]"
    never_seen = "2024/01/31 15:00:01.000, 2, [GPU is lost], [GPU is lost]"
    landed = _Landed(tmp_path, _log("2024/01/31 15:00:00.000, 1, GPU-a, 80.00", lost, never_seen, header=header))
    assert landed.power() == [("GPU-a", 0, 80_000), ("GPU-a", 1000, None)]
    assert landed.result.rejected_by_reason == {"missing_value": 1}


def test_a_split_gpu_is_told(tmp_path: Path) -> None:
    header = "timestamp, uuid, mig.mode.current, power.draw [W]"
    landed = _Landed(tmp_path, _log("2024/01/31 15:00:00.000, GPU-a, Enabled, 80.00", header=header))
    assert any("is split (MIG)" in text for text in landed.result.findings)


# --- time ------------------------------------------------------------------------------------------------------------


def test_local_time_needs_its_zone_and_must_exist_once(tmp_path: Path) -> None:
    times = ["2024/03/31 01:59:59.999", "2024/03/31 02:30:00.000", "2024/03/31 03:00:00.000"]
    times += ["2024/10/27 01:59:59.000", "2024/10/27 02:30:00.000", "2024/10/27 03:00:00.000", "27.10.2024 04:00"]
    landed = _Landed(tmp_path, _log(*(f"{time}, GPU-a, 0, 80.00" for time in times)))
    assert landed.result.rejected_by_reason == {"ambiguous_time": 1, "nonexistent_time": 1, "unparseable_time": 1}
    taken = ["2024-03-31T00:59:59.999Z", "2024-03-31T01:00Z", "2024-10-26T23:59:59Z", "2024-10-27T02:00Z"]
    stamps = [round(datetime.fromisoformat(text).timestamp() * 1000) for text in taken]
    assert [row["ts_ms"] for row in landed.rows()] == stamps
    with pytest.raises(SourceError, match="--zone is required"):
        import_format(load("nvidia-smi"), tmp_path / "logs", tmp_path / "landing", {"host": "n1"})
    with pytest.raises(SourceError, match="unknown zone 'BST'"):
        _Landed(tmp_path, zone="BST")


@given(st.integers(0, 24 * 3600 * 1000 - 1))
def test_every_time_of_a_day_is_read_to_the_millisecond(day_ms: int) -> None:
    from collectors.importers.format import Options
    from collectors.importers.formats.nvidia_smi.rows import SmiRows

    minutes, ms = divmod(day_ms, 60_000)
    text = f"2024/02/01 {minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}.{ms % 1000:03}"
    start_ms = 1_706_745_600_000  # 2024-02-01 00:00:00 UTC
    assert SmiRows(Options(host="h", zone="UTC"))._moment(text) == start_ms + day_ms


def test_rows_before_the_row_above_are_taken_and_told(tmp_path: Path) -> None:
    rows = list(_rows("100.00", "500.00", "300.00"))
    landed = _Landed(tmp_path, _log(rows[0], rows[2], rows[1]))
    assert [power for _, _, power in landed.power()] == [100_000, 500_000, 300_000]
    assert landed.joules() == {"n1 GPU-a": (100 + 500) / 2 + (500 + 300) / 2}
    assert landed.result.findings == ("1 rows are stamped before the row above them; was the clock set back?",)


# --- torn, repeated, contradicting -----------------------------------------------------------------------------------


def test_a_restart_in_the_same_file_may_change_the_columns(tmp_path: Path) -> None:
    first = _log(*_rows("100.00"))
    second = _log(
        "1, GPU-a, 2024/01/31 15:00:01.000, 90 %, 200.00 W", header="index, uuid, timestamp, x, power.draw [W]"
    )
    landed = _Landed(tmp_path, first + first.replace(":00.000", ":00.500") + "\n" + second)
    assert landed.power() == [("GPU-a", 0, 100_000), ("GPU-a", 500, 100_000), ("GPU-a", 1000, 200_000)]
    assert landed.result.rows_rejected == 0


@pytest.mark.parametrize(
    "torn",
    ["2024/01/31 15:00:0", "2024/01/31 15:00:02.000, GPU-a, 50, ", "2024/01/31 15:00:02.000, GPU-a, 50, 1",
     "2024/01/31 15:00:02.000, GPU-a, 50, 100.0", "2024/01/31 15:00:02.000, GPU-a, 50, [GPU is l"],
)  # fmt: skip
def test_a_torn_last_line_is_refused_and_not_read_as_less_power(tmp_path: Path, torn: str) -> None:
    landed = _Landed(tmp_path, _log(*_rows("100.00", "100.00")) + torn)
    assert landed.power() == [("GPU-a", 0, 100_000), ("GPU-a", 1000, 100_000)]
    assert landed.result.rejected_by_reason == {"torn_row": 1}


@pytest.mark.parametrize("whole", ["9.50", "1100.25", "[N/A]"])
def test_a_whole_last_line_without_an_end_is_taken(tmp_path: Path, whole: str) -> None:
    landed = _Landed(tmp_path, _log(*_rows("100.00", whole)).rstrip("\n"))
    assert len(landed.power()) == 2


def test_a_line_with_its_end_is_whole_whatever_its_digits(tmp_path: Path) -> None:
    assert len(_Landed(tmp_path, _log(*_rows("100.00", "95.5"))).power()) == 2


def test_a_torn_line_inside_a_compressed_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    text = _log(*_rows("100.00", "100.0")).rstrip("\n")
    (tmp_path / "logs" / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
    landed = _Landed(tmp_path)
    assert (len(landed.power()), landed.result.rejected_by_reason) == (1, {"torn_row": 1})


def test_other_output_of_the_tool_is_refused_line_by_line(tmp_path: Path) -> None:
    lost = "Unable to determine the device handle for GPU 0000:07:00.0: GPU is lost."
    rows = list(_rows("100.00", "-5.00", "abc", "99999999.00", "100.00"))
    landed = _Landed(tmp_path, "Wed Jan 31\n" + _log(*rows[:4], lost, rows[4]))
    assert landed.result.rejected_by_reason == {
        "non_positive_power": 1, "out_of_range": 1, "torn_row": 2, "unparseable_number": 1,
    }  # fmt: skip
    assert [row.row for row in landed.result.rejected] == [1, 4, 5, 6, 7]
    assert len(landed.power()) == 2


def test_files_that_overlap_land_once(tmp_path: Path) -> None:
    rows = list(_rows("100.00", "200.00", "300.00", "400.00"))
    contradicting = rows[1].replace("200.00", "250.00")
    landed = _Landed(tmp_path, _log(*rows[:3]), _log(rows[0], contradicting, *rows[2:]))
    assert [power for _, _, power in landed.power()] == [100_000, 200_000, 300_000, 400_000]
    assert (landed.result.rows_filtered, landed.result.rejected_by_reason) == (2, {"conflicting_row": 1})
    assert landed.joules() == {"n1 GPU-a": 750}


def test_unnamed_gpus_of_the_same_time_are_refused(tmp_path: Path) -> None:
    text = _log("2024/01/31 15:00:00.000, 80.00", "2024/01/31 15:00:02.000, 80.00", header="timestamp, power.draw [W]")
    with pytest.raises(SourceError, match="are of the same time, and neither names its GPU"):
        _Landed(tmp_path, text, text.replace(":00.000", ":01.000"))
    landed = _Landed(tmp_path, text + "2024/01/31 15:00:02.000, 90.00\n", text.replace("15:", "16:"))
    assert any("the log is of several GPUs" in found for found in landed.result.findings)


def test_other_files_of_the_folder_are_told_and_left_out(tmp_path: Path) -> None:
    landed = _Landed(tmp_path, _log(*_rows("100.00")), "time,watts\n1,2\n", "")
    assert [text[:17] for text in landed.result.findings] == ["1.csv is left out", "2.csv is left out"]
    (tmp_path / "logs" / "0.csv").unlink()
    with pytest.raises(SourceError, match="no header of nvidia-smi in the first 100 lines"):
        _Landed(tmp_path)


@pytest.mark.parametrize(
    ("header", "options", "says"),
    [
        ("uuid, power.draw [W]", {}, "has no column timestamp"),
        ("timestamp, utilization.gpu [%]", {}, "has no column power.draw; it has timestamp, utilization.gpu"),
        ("timestamp, power.draw [W]", {"power_column": "power.draw.instant"}, "has no column power.draw.instant"),
        ("timestamp, power.draw [mW]", {}, "states power.draw in 'mW', not in W"),
        ("timestamp, power.draw [W]", {"columns": "a"}, "--columns 'a' are no columns"),
    ],
)
def test_a_header_that_cannot_serve_is_named(tmp_path: Path, header: str, options: dict[str, str], says: str) -> None:
    with pytest.raises(SourceError, match=re.escape(says)):
        _Landed(tmp_path, _log("2024/01/31 15:00:00.000, 80.00", header=header), **options)


def test_a_log_without_a_header_can_be_read_by_its_columns(tmp_path: Path) -> None:
    text = "".join(row + "\n" for row in _rows("100.00", "200.00"))
    landed = _Landed(tmp_path, text, columns="timestamp,uuid,utilization.gpu,power.draw")
    assert landed.power() == [("GPU-a", 0, 100_000), ("GPU-a", 1000, 200_000)]


# --- energy ----------------------------------------------------------------------------------------------------------


def test_energy_stands_beside_the_error_of_the_sensor(tmp_path: Path) -> None:
    header = "timestamp, name, driver_version, uuid, power.draw [W]"
    rows = [f"2024/01/31 15:00:{s:02}.000, NVIDIA A100, 550.54.15, GPU-a, {100 + s}.00" for s in (0, 10, 20, 55, 59)]
    landed = _Landed(tmp_path, _log(*rows, header=header))
    joules = 10 * 105 + 10 * 115 + 4 * 157  # 35 s without a reading are not bridged
    for method, factor in (("integral", 1), ("integral_low", 0.95), ("integral_high", 1.05)):
        assert landed.joules(method) == {"n1 GPU-a": pytest.approx(joules * factor, rel=1e-12)}
    assert landed.joules("integral_coverage") == {"n1 GPU-a": 24 / 59}
    (stated,) = landed.rows("stated_figure")
    values = [stated[name] for name in ("value", "low", "high")]
    assert values == pytest.approx([joules, joules * 0.95, joules * 1.05], rel=1e-12)
    said = ("source", "method", "version", "subject_kind", "subject", "quantity", "unit", "start_ms", "end_ms")
    assert [stated[name] for name in said] == [
        "nvidia_smi", "trapezoid", "550.54.15", "device", "n1 GPU-a", "energy", "J", T0, T0 + 59_000,
    ]  # fmt: skip
    assert dict(stated["labels"]) == {"column": "power.draw", "covered_s": "24", "gpu": "NVIDIA A100"}


def test_one_reading_is_no_energy(tmp_path: Path) -> None:
    assert _Landed(tmp_path, _log(*_rows("100.00"))).result.figures == ()


@given(st.integers(0, 2_000_000))
def test_power_is_exact_to_the_hundredth_of_a_watt(hundredths: int) -> None:
    assert power_of(f"{hundredths // 100}.{hundredths % 100:02}").power_mw == hundredths * 10


def test_rows_beyond_one_batch_all_land(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.importers.formats.nvidia_smi.series._BATCH_ROWS", 7)
    landed = _Landed(tmp_path, _log(*_rows(*(f"{watts}.00" for watts in range(50)))))
    assert [power for _, _, power in landed.power()] == [watts * 1000 for watts in range(50)]
    assert landed.result.rows_read == landed.result.landed_by_table["power_sample"] == 50


def test_importing_twice_changes_nothing_and_compression_neither(tmp_path: Path) -> None:
    text = _log(*_rows("100.00", "200.00", "x"))
    first = _Landed(tmp_path, text).result
    again = _Landed(tmp_path, text).result
    assert (first.files, first.files_new, again.files_new) == (again.files, 2, 0)
    packed = tmp_path / "packed"
    (packed / "logs").mkdir(parents=True)
    (packed / "logs" / "0.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert _Landed(packed).power() == _Landed(tmp_path, text).power()


def test_the_example_of_the_page_works(tmp_path: Path) -> None:
    page = DOCS.read_text(encoding="utf-8")
    log = re.search(r"<!-- example: gpu.csv -->\n```\n(.*?)```", page, re.S)
    told = re.search(r"```\n(of .*?)```", page, re.S)
    assert log
    assert told
    landed = _Landed(tmp_path, log[1])
    result = landed.result
    for figure in result.figures:
        assert re.search(rf"{figure.subject}\s+{figure.method}\s+{figure.value:.9g}\s+{figure.unit}\n", told[1]), figure
    counts = (result.rows_read, result.rows_filtered, result.rows_landed, result.rows_rejected)
    assert "read {} rows, filtered {}, landed {}, rejected {}".format(*counts) in told[1]

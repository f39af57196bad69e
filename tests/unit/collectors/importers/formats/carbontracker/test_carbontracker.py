"""carbontracker: epochs are counted, gaps between them are gaps, and what it states stands beside."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.importers.errors import SourceError
from collectors.importers.format import Options, Rows, Source
from collectors.importers.formats import load
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult

FORMAT = load("carbontracker")
DOCS = Path(__file__).resolve().parents[6] / "docs" / "importers"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
GPUS = "GPU with device(s) NVIDIA A100-SXM4-80GB, NVIDIA A100-SXM4-80GB."
RAPL = "CPU with device(s) cpu:0, dram:0."
GENERIC = "CPU with device(s) Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz."
HEAD = (
    "carbontracker version 1.1.7",
    "Only predicted and actual consumptions are multiplied by a PUE coefficient of 1.5 (Some Author, 2022, Survey).",
)


def stamped(seconds: float, text: str) -> str:
    return f"{NOON + timedelta(seconds=int(seconds)):%Y-%m-%d %H:%M:%S} - {text}\n"


def clock(seconds: float) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{int(hours)}:{int(rest // 60):02d}:{rest % 60:05.2f}"


def epoch(number: int, end: float, length: float, **powers: str) -> str:
    """Return what the standard log has of an epoch that ended ``end`` seconds after noon."""
    lines = [f"Epoch {number}:", f"Duration: {clock(length)}"]
    lines += [f"Average power usage (W) for {component}: {power}" for component, power in powers.items()]
    return "".join(stamped(end, line) for line in lines)


def standard(*epochs: str, components: str = f"{GPUS} {RAPL}", head: Sequence[str] = HEAD) -> str:
    found = f"The following components were found: {components}"
    return "".join(stamped(0, line) for line in (*head, found, "Monitoring thread started.")) + "".join(epochs)


def consumption(kind: str, end: float, epochs: int, length: float, kwh: float, grams: str) -> str:
    of = f"{kind} consumption for {epochs} epoch(s):"
    told = f"CarbonTracker: \n{of}\n\tTime:\t{clock(length)[:-3]}\n\tEnergy:\t{kwh:.12f} kWh\n\tCO2eq:\t{grams} g"
    return stamped(end, f"{told}\n\tThis is equivalent to:\n\t0.002969000000 km travelled by car")


class Landed:
    """An import of a standard and an output log, and what it landed."""

    def __init__(self, folder: Path, log: str | None, output: str | None = None, **options: str) -> None:
        source = folder / "in"
        source.mkdir(parents=True)
        for name, text in (("carbontracker", log), ("carbontracker_output", output)):
            if text is not None:
                (source / f"41.7_2024-03-01T120000Z_{name}.log").write_text(text, encoding="utf-8")
        self.result: ImportResult = import_format(FORMAT, source, folder / "landing", {"zone": "UTC", **options})
        self._landing = folder / "landing"

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [
            row
            for path in sorted(self._landing.glob(f"{table}/date=*/hour=*/*.parquet"))
            for row in pq.read_table(path, partitioning=None).to_pylist()
        ]

    def counted_j(self) -> dict[str, float]:
        return counted_j(self.rows("power_sample"))


def counted_j(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the energy of each device by the warehouse's rule: rises between neighbours of one session."""
    series: dict[str, list[tuple[int, int, int]]] = {}
    for row in rows:
        series.setdefault(row["device"], []).append((row["ts_ms"], row["energy_mj"], row["session"]))
    return {
        device: sum(max(b[1] - a[1], 0) for a, b in itertools.pairwise(sorted(points)) if a[2] == b[2]) / 1000
        for device, points in series.items()
    }


def test_epochs_count_their_mean_power_times_their_length(tmp_path: Path) -> None:
    log = standard(
        epoch(1, 100, 100, gpu="[300. 200.]", cpu="[80. 10.]"), epoch(2, 200, 99.5, gpu="[320. 220.]", cpu="[81. 11.]")
    )
    landed = Landed(tmp_path, log)
    assert landed.counted_j() == {
        "gpu-0": 300 * 100 + 320 * 99.5,
        "gpu-1": 200 * 100 + 220 * 99.5,
        "cpu-package-0": 80 * 100 + 81 * 99.5,
        "dram-0": 10 * 100 + 11 * 99.5,
    }
    kinds = {(r["device"], r["kind"], r["point"], r["source"], r["is_estimate"]) for r in landed.rows("power_sample")}
    assert kinds == {
        ("gpu-0", "gpu", "board", "nvml_power", False),
        ("gpu-1", "gpu", "board", "nvml_power", False),
        ("cpu-package-0", "cpu", "package", "rapl", False),
        ("dram-0", "dram", "package", "rapl", False),
    }
    assert [(r["event"], r["ts_ms"] - NOON_MS) for r in landed.rows("job_event")] == [
        ("started", 0),
        ("ended", 200_000),
    ]
    assert landed.result.rows_read == 2


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.floats(0.02, 500), min_size=1, max_size=12),
    pauses=st.lists(st.sampled_from([0.0, 0.0, 0.3, 45.0]), min_size=12, max_size=12),
    first_s=st.floats(0, 1),
)
def test_every_epoch_is_counted_whatever_its_length(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[float], pauses: list[float], first_s: float
) -> None:
    now, epochs, expected = first_s, [], 0.0
    for number, (length, pause) in enumerate(zip(lengths, pauses, strict=False), 1):
        now += length
        epochs.append(epoch(number, now, length, gpu="[100. 7.]"))
        expected += 100 * float(f"{length:.2f}")  # the log has hundredths of a second
        now += pause
    folder = tmp_path_factory.mktemp("logs")
    source = folder / "1_carbontracker.log"
    source.write_text(standard(*epochs), encoding="utf-8")
    items = FORMAT.read(Source(folder, [source]), Options(zone="UTC"))
    rows = [row for item in items if isinstance(item, Rows) and item.table == "power_sample" for row in item.rows]
    assert counted_j(rows)["gpu-0"] == pytest.approx(expected, abs=1e-3 * len(lengths))


def test_time_between_epochs_is_a_gap_and_not_zero_energy(tmp_path: Path) -> None:
    landed = Landed(tmp_path, standard(epoch(1, 100, 100, gpu="[100. 100.]"), epoch(2, 400, 100, gpu="[100. 100.]")))
    gpu = sorted((r["ts_ms"] - NOON_MS, r["session"]) for r in landed.rows("power_sample") if r["device"] == "gpu-0")
    assert [stamp for stamp, _ in gpu] == [0, 100_000, 300_000, 400_000]
    assert gpu[0][1] == gpu[1][1] != gpu[2][1] == gpu[3][1]


def test_a_growing_log_adds_readings_and_changes_none(tmp_path: Path) -> None:
    epochs = [epoch(n, 100.5 * n, 100.4, gpu="[123.4 222.2]", cpu="[80. 10.]") for n in range(1, 6)]
    early, late = (Landed(tmp_path / str(n), standard(*epochs[:n])).rows("power_sample") for n in (3, 5))
    assert all(row in late for row in early)
    assert len(late) > len(early)


def test_an_array_that_is_printed_over_several_lines_is_read(tmp_path: Path) -> None:
    log = standard(epoch(1, 10, 10, gpu="[100. 200.\n 300. 400.]"), components=f"{GPUS[:-1]}, NVIDIA X, NVIDIA Y.")
    assert Landed(tmp_path, log).counted_j() == {"gpu-0": 1000, "gpu-1": 2000, "gpu-2": 3000, "gpu-3": 4000}


def test_a_mean_over_devices_lands_for_each_of_them_and_is_told(tmp_path: Path) -> None:
    """Since version 2.0 the log has one number for all devices, and the tool's total counts it once."""
    log = standard(epoch(1, 100, 100, gpu="250.0", cpu="45.0"))
    landed = Landed(tmp_path, log)
    assert landed.counted_j() == {"gpu-0": 25_000, "gpu-1": 25_000, "cpu": 9_000}
    assert any("mean power over several devices" in said for said in landed.result.findings)


@pytest.mark.parametrize(
    ("components", "powers", "device"),
    [
        (GENERIC, {"cpu": "[47.5]"}, "cpu"),
        (GENERIC, {"cpu": "47.5"}, "cpu"),
        ("GPU with device(s) GPU, ANE.", {"gpu": "47.5"}, "gpu-0"),
        ("GPU with device(s) GPU, ANE.", {"gpu": "[47.5]"}, "gpu-0"),
    ],
)
def test_what_was_not_read_is_an_estimate(tmp_path: Path, components: str, powers: dict[str, str], device: str) -> None:
    landed = Landed(tmp_path, standard(epoch(1, 10, 10, **powers), components=components))
    assert landed.counted_j() == {device: 475}
    assert {(row["source"], row["is_estimate"]) for row in landed.rows("power_sample")} == {("model", True)}
    assert not landed.result.findings


@pytest.mark.parametrize("power", ["None", "nan", "[nan nan]", "0", "[0. 0.]", "[300.]"])
def test_a_power_that_is_not_known_is_no_energy(tmp_path: Path, power: str) -> None:
    log = standard(epoch(1, 10, 10, gpu=power, cpu="[80. 10.]"), epoch(2, 20, 10, gpu="[300. 300.]", cpu="[80. 10.]"))
    landed = Landed(tmp_path, log)
    assert landed.counted_j() == {"gpu-0": 3000, "gpu-1": 3000, "cpu-package-0": 1600, "dram-0": 200}
    assert [said for said in landed.result.findings if "no power of the gpu" in said]


def test_statements_land_as_written_with_their_overhead(tmp_path: Path) -> None:
    kwh = 1.5 * (300 + 200) * 100 / 3.6e6
    log = standard(
        epoch(1, 100, 100, gpu="[300. 200.]"),
        stamped(101, "Average carbon intensity during training was 82.00 gCO2/kWh at detected location: Lyngby, DK."),
        components=GPUS,
    )
    output = consumption("Predicted", 100, 10, 1000, kwh * 10, "17.08") + consumption("Actual", 101, 1, 100, kwh, "nan")
    landed = Landed(tmp_path, log, output)
    rows = {(r["method"], r["quantity"]): r for r in landed.rows("stated_figure")}
    assert {key: (row["value"], row["unit"]) for key, row in rows.items()} == {
        ("predicted", "energy"): (pytest.approx(kwh * 10, abs=1e-12), "kWh"),
        ("predicted", "emissions"): (17.08, "gCO2e"),
        ("actual", "energy"): (pytest.approx(kwh, abs=1e-12), "kWh"),
        ("actual", "intensity"): (82, "gCO2e/kWh"),
    }
    predicted, actual = rows["predicted", "energy"], rows["actual", "energy"]
    assert (predicted["start_ms"] - NOON_MS, predicted["end_ms"] - NOON_MS) == (0, 1_000_000)
    assert (actual["start_ms"] - NOON_MS, actual["end_ms"] - NOON_MS) == (0, 101_000)
    assert {row["version"] for row in rows.values()} == {"1.1.7"}
    assert dict(predicted["labels"]) == {"epochs": "10", "pue": "1.5"}
    assert {row["job_id"] for row in rows.values()} == {landed.rows("job_event")[0]["job_id"]}
    assert sum(landed.counted_j().values()) == 50_000  # the overhead is in the statement only
    assert not landed.result.findings


@pytest.mark.parametrize(
    ("text", "location"),
    [("82.00 gCO2/kWh at detected location: Lyngby, DK.", "Lyngby, DK"), ("82.00 gCO2eq/kWh. ", None)],
)
def test_intensity_is_read_in_both_forms(tmp_path: Path, text: str, location: str | None) -> None:
    said = stamped(101, f"Average carbon intensity during training was {text}")
    (row,) = Landed(tmp_path, standard(epoch(1, 100, 100, gpu="[300. 200.]"), said)).rows("stated_figure")
    assert (row["value"], dict(row["labels"] or {}).get("location")) == (82, location)


def test_a_total_that_is_not_that_of_its_epochs_is_told(tmp_path: Path) -> None:
    log = standard(epoch(1, 100, 100, gpu="[300. 200.]"), components=GPUS)
    landed = Landed(tmp_path, log, consumption("Actual", 101, 1, 100, 0.5, "1.0"))
    assert any("is not that of its epochs" in said for said in landed.result.findings)


def test_an_output_log_alone_lands_no_energy(tmp_path: Path) -> None:
    landed = Landed(tmp_path, None, consumption("Actual", 101, 1, 100, 0.5, "1.0"))
    assert landed.result.landed_by_table == {"stated_figure": 2}
    row = landed.rows("stated_figure")[0]
    assert (row["start_ms"] - NOON_MS, row["end_ms"] - NOON_MS) == (1_000, 101_000)
    assert any("has no standard log" in said for said in landed.result.findings)


def test_a_cut_log_costs_only_the_epoch_that_is_cut(tmp_path: Path) -> None:
    whole = standard(epoch(1, 10, 10, gpu="[100. 100.]"), epoch(2, 20, 10, gpu="[100. 100.]"))
    landed = Landed(tmp_path, whole[: whole.index("Epoch 2:") + len("Epoch 2:")])
    assert landed.result.rejected_by_reason == {"torn_row": 1}
    assert landed.counted_j() == {"gpu-0": 1000, "gpu-1": 1000}


def test_local_time_counts_and_a_twofold_one_is_refused(tmp_path: Path) -> None:
    berlin = Landed(tmp_path / "a", standard(epoch(1, 10, 10, gpu="[1. 1.]")), zone="Europe/Berlin")
    assert max(row["ts_ms"] for row in berlin.rows("power_sample")) == NOON_MS - 3_600_000 + 10_000
    log = standard(epoch(1, 10, 10, gpu="[1. 1.]")).replace("2024-03-01 12:00", "2024-10-27 02:30")
    assert Landed(tmp_path / "b", log, zone="Europe/Berlin").result.rejected_by_reason == {"ambiguous_time": 1}


def test_two_runs_in_one_file_are_two_jobs(tmp_path: Path) -> None:
    first = standard(epoch(1, 10, 10, gpu="[100. 100.]"))
    second = standard(epoch(1, 90, 10, gpu="[100. 100.]"))
    landed = Landed(tmp_path, first + second)
    jobs = {row["job_id"] for row in landed.rows("job_event")}
    assert jobs == {"carbontracker-41.7_2024-03-01T120000Z", "carbontracker-41.7_2024-03-01T120000Z#2"}
    assert {row["host"] for row in landed.rows("power_sample")} == jobs


def test_a_run_without_an_epoch_and_two_files_of_one_run_are_named(tmp_path: Path) -> None:
    assert any("no epoch ended" in said for said in Landed(tmp_path / "a", standard()).result.findings)
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "7_carbontracker.log").write_text(standard(), encoding="utf-8")
    with pytest.raises(SourceError, match="names the same run as"):
        import_format(FORMAT, tmp_path, tmp_path / "landing", {"zone": "UTC"})
    other = tmp_path / "train.log"
    other.write_text("hello\n", encoding="utf-8")
    with pytest.raises(SourceError, match="is no log of carbontracker"):
        import_format(FORMAT, other, tmp_path / "landing", {"zone": "UTC"})


def test_the_example_of_the_docs_gives_what_they_say(tmp_path: Path) -> None:
    page = (DOCS / "carbontracker.md").read_text(encoding="utf-8")
    examples = dict(re.findall(r"<!-- example: (\S+) -->\n```\n(.*?)```", page, re.S))
    for name, text in examples.items():
        (tmp_path / name).write_text(text.replace("    ", "\t"), encoding="utf-8")
    result = import_format(FORMAT, tmp_path / min(examples), tmp_path / "landing", {"zone": "UTC"})
    assert (result.landed_by_table["power_sample"], result.landed_by_table["stated_figure"]) == (6, 4)
    assert not result.findings
    for option in FORMAT.options:
        assert f"`--{option.name}`" in page

"""CodeCarbon: one total a run, however its lines are cut; nothing of the file believed that it cannot know."""

from __future__ import annotations

import gzip
import itertools
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.importers.errors import SourceError
from collectors.importers.formats.codecarbon.run import devices_mj
from collectors.importers.run import import_format
from tests.support.emissions_csv import (
    COLUMNS_29,
    COLUMNS_31,
    COLUMNS_38,
    FORMAT,
    HOUR_MS,
    MJ_PER_KWH,
    NOON,
    OTHER,
    RUN,
    Landed,
    counted_mj,
    flushed,
    line,
    read,
    text,
    union,
)

DOCS = Path(__file__).resolve().parents[6] / "docs" / "importers"


def test_flushed_lines_count_once_with_the_last_total(tmp_path: Path) -> None:
    landed = Landed(tmp_path, text([line(60, 60, 1e-3), line(120, 120, 2e-3), line(180, 180, 3e-3)]))
    assert sum(landed.counted_mj().values()) == 3e-3 * MJ_PER_KWH
    assert [(figure.value, figure.unit) for figure in landed.result.figures] == [
        (pytest.approx(1.2e-3), "kgCO2e"),
        (pytest.approx(3e-3), "kWh"),
        (pytest.approx(3e-3), "kWh"),
    ]
    assert {row["event"] for row in landed.rows("job_event")} == {"started", "ended"}
    assert max(row["ts_ms"] for row in landed.rows("job_event")) // 1000 == NOON.timestamp() + 180


@settings(max_examples=150, deadline=None)
@given(
    phase_s=st.floats(0, 3),
    first_s=st.floats(0.001, 3),
    pauses_s=st.lists(st.floats(1.002, 40), max_size=6),
    seed=st.randoms(use_true_random=False),
)
def test_any_parts_of_a_run_in_any_order_give_its_largest_total(
    tmp_path_factory: pytest.TempPathFactory,
    phase_s: float,
    first_s: float,
    pauses_s: list[float],
    seed: random.Random,
) -> None:
    """Whatever the fraction of the second in which the run began, and that its times are cut to whole seconds."""
    folder = tmp_path_factory.mktemp("cut")
    lines = flushed(phase_s, list(itertools.accumulate([first_s, *pauses_s])))
    whole = union(read(folder, text(lines)))
    shuffled = seed.sample(lines, len(lines))
    cut = seed.randint(0, len(lines))
    parts = [read(folder, text(part)) for part in (shuffled[:cut], shuffled[cut:]) if part]
    assert union(*parts) == whole
    last = lines[-1]
    assert sum(counted_mj(whole).values()) == sum(
        round(float(str(last[name])) * MJ_PER_KWH) for name in ("cpu_energy", "gpu_energy", "ram_energy")
    )


@settings(max_examples=100, deadline=None)
@given(
    phase_s=st.floats(0, 1),
    first_s=st.floats(0.001, 2),
    pauses_s=st.lists(st.floats(0.002, 0.4), min_size=2, max_size=8),
)
def test_lines_of_one_second_count_once(
    tmp_path_factory: pytest.TempPathFactory, phase_s: float, first_s: float, pauses_s: list[float]
) -> None:
    lines = flushed(phase_s, list(itertools.accumulate([first_s, *pauses_s])), gpu_energy=0)
    lines = [
        cells | {"cpu_energy": 1e-5 * (number + 1), "ram_energy": 1e-5, "energy_consumed": 1e-5 * (number + 2)}
        for number, cells in enumerate(lines)
    ]
    landed = union(read(tmp_path_factory.mktemp("second"), text(lines)))
    assert sum(counted_mj(landed).values()) == 36_000 * (len(lines) + 1)


@settings(max_examples=100, deadline=None)
@given(phase_s=st.floats(0, 1), length_s=st.floats(1, 100), last_s=st.floats(0.002, 0.9), stop_first=st.booleans())
def test_a_stop_in_the_second_of_a_flush_counts_also_where_the_file_is_cut_between_them(
    tmp_path_factory: pytest.TempPathFactory, phase_s: float, length_s: float, last_s: float, *, stop_first: bool
) -> None:
    folder = tmp_path_factory.mktemp("stop")
    flush, stop = ([cells] for cells in flushed(phase_s, [length_s, length_s + last_s], gpu_energy=1e-4))
    first = flushed(phase_s, [length_s / 2], gpu_energy=1e-5)
    parts = [read(folder, text(part)) for part in (first + flush, stop)]
    counted = counted_mj(union(*(reversed(parts) if stop_first else parts)))
    final = (float(str(stop[0][name])) for name in ("cpu_energy", "gpu_energy", "ram_energy"))
    assert sum(counted.values()) == sum(round(kwh * MJ_PER_KWH) for kwh in final)


@pytest.mark.parametrize("columns", [COLUMNS_29, COLUMNS_31, COLUMNS_38, COLUMNS_38[::-1]])
def test_every_generation_of_columns_gives_the_same_energy(tmp_path: Path, columns: list[str]) -> None:
    landed = Landed(tmp_path, text([line(60, 60)], columns))
    host = f"codecarbon-{RUN}"
    assert landed.counted_mj() == {
        (host, "cpu"): 900_000,
        (host, "dram"): 450_000,
        (host, "gpu-0"): 1_125_000,
        (host, "gpu-1"): 1_125_000,
    }
    version = "3.3.2" if "codecarbon_version" in columns else "unknown"
    assert {row["version"] for row in landed.rows("stated_figure")} == {version}


def test_line_ends_and_compression_do_not_matter(tmp_path: Path) -> None:
    plain = text([line(60, 60)])
    expected = Landed(tmp_path / "plain", plain).all
    assert Landed(tmp_path / "crlf", plain.replace("\n", "\r\n")).all == expected
    packed = tmp_path / "emissions.csv.gz"
    packed.write_bytes(gzip.compress(plain.encode()))
    assert Landed(tmp_path / "packed", packed).all == expected
    assert Landed(tmp_path / "folder", tmp_path / "plain" / "in").all == expected


def test_only_gpus_are_measured_and_the_rest_is_an_estimate(tmp_path: Path) -> None:
    landed = Landed(tmp_path, text([line(60, 60)]))
    assert {(row["kind"], row["point"], row["source"], row["is_estimate"]) for row in landed.rows("power_sample")} == {
        ("cpu", "package", "model", True),
        ("dram", "package", "model", True),
        ("gpu", "board", "nvml_energy", False),
    }
    assert any("not tell where" in said for said in landed.result.assumptions)
    for model, source in (("4 x AMD Instinct MI300X", "amdsmi"), ("Apple M2 Max", "model")):
        rows = Landed(tmp_path / source, text([line(60, 60, gpu_model=model)])).rows("power_sample")
        assert {(r["source"], r["is_estimate"]) for r in rows if r["kind"] == "gpu"} == {(source, source == "model")}


@given(st.lists(st.integers(0, 2_000), min_size=2, max_size=30), st.integers(1, 12))
def test_shares_of_gpus_sum_to_the_whole_and_never_fall(rises: list[int], gpus: int) -> None:
    class Line:
        def __init__(self, energy_mj: int) -> None:
            self.energy_mj = type("E", (), {"cpu": 0, "gpu": energy_mj, "dram": 0})

        def text(self, _column: str) -> None:
            return None

        def number_of(self, column: str) -> float | None:
            return float(gpus) if column == "gpu_count" else None

    before: dict[str, int] = {}
    for total in itertools.accumulate(rises):
        shares = {device.device: share for device, share in devices_mj(Line(total)).items()}  # type: ignore[arg-type]
        assert sum(shares.values()) == total
        assert all(shares.get(name, 0) >= share for name, share in before.items())
        before = shares


def test_overhead_is_taken_out_and_what_the_tool_states_is_kept(tmp_path: Path) -> None:
    landed = Landed(tmp_path, text([line(60, 60, 1.15e-3, pue=1.15, water_consumed=0.25)]))
    assert sum(landed.counted_mj().values()) == 3_600_000
    stated = {row["quantity"]: (row["value"], row["unit"]) for row in landed.rows("stated_figure")}
    assert stated == {
        "energy": (1.15e-3, "kWh"),
        "emissions": (pytest.approx(4.6e-4), "kgCO2e"),
        "intensity": (pytest.approx(400), "gCO2e/kWh"),
        "water": (0.25, "l"),
    }
    assert {row["job_id"] for row in landed.rows("stated_figure")} == {f"codecarbon-{RUN}"}


def test_a_rate_in_grams_is_told_and_changes_nothing(tmp_path: Path) -> None:
    new, old = line(60, 60), line(60, 60)
    old["emissions_rate"] = float(str(old["emissions_rate"])) * 1000
    kilograms, grams = (Landed(tmp_path / name, text([cells], COLUMNS_29)) for name, cells in (("kg", new), ("g", old)))
    assert grams.all == kilograms.all
    assert any("emissions_rate is in g/s" in said for said in grams.result.findings)
    assert not kilograms.result.findings


def test_fragments_are_refused_with_their_text_and_cost_no_other_line(tmp_path: Path) -> None:
    good = text([line(60, 60)]).splitlines()
    torn = [good[1][:90], good[1][40:], good[1].replace(RUN, RUN + "5"), good[1].replace("0.00025", "0.0002-5")]
    landed = Landed(tmp_path, "\n".join([good[0], torn[0], "", *torn[1:], good[1]]) + "\n")
    assert landed.result.rejected_by_reason == {"torn_row": 4}
    assert [row.values["text"] for row in landed.result.rejected] == torn
    assert [row.row for row in landed.result.rejected] == [1, 2, 3, 4]
    assert landed.result.rows_read == 5
    assert sum(landed.counted_mj().values()) == 3_600_000


def test_a_line_that_was_cut_off_and_filled_up_is_a_fragment(tmp_path: Path) -> None:
    """Two writers and ``on_csv_write="update"``: its energy is whole, but without the number of GPUs all is on one."""
    cut = {
        name: value for name, value in line(120, 120, 2e-3).items() if not name.startswith(("gpu_count", "on_cloud"))
    }
    landed = Landed(tmp_path, text([line(60, 60), cut], COLUMNS_29))
    assert landed.result.rejected_by_reason == {"torn_row": 1}
    assert len(landed.counted_mj()) == 4


def test_one_number_written_in_two_ways_is_no_contradiction(tmp_path: Path) -> None:
    """pandas makes 16.0 of 16 when it rewrites a file; both lines begin at the same second."""
    made = [read(tmp_path, text([line(60 * n, 60 * n, n * 1e-3, cpu_count=c)])) for n, c in ((1, "16"), (2, "16.0"))]
    assert len(union(*made)["job_device"]) == 1


def test_a_stray_quote_does_not_swallow_the_lines_after_it(tmp_path: Path) -> None:
    header, first, second = text([line(60, 60), line(90, 30, run_id=OTHER)]).splitlines()
    landed = Landed(tmp_path, "\n".join([header, first.replace("toy", '"toy'), second]) + "\n")
    assert landed.result.rejected_by_reason == {"torn_row": 1}
    assert {row["host"] for row in landed.rows("power_sample")} == {f"codecarbon-{OTHER}"}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"cpu_energy": -1e-3}, "out_of_range"),
        ({"duration": "inf"}, "out_of_range"),
        ({"cpu_energy": "1e300"}, "out_of_range"),
        ({"pue": 0}, "out_of_range"),
        ({"timestamp": "1970-01-01T00:10:00"}, "out_of_range"),
        ({"timestamp": "yesterday"}, "unparseable_time"),
        ({"timestamp": "2024-10-27T02:30:00"}, "ambiguous_time"),
        ({"timestamp": "2024-03-31T02:30:00"}, "nonexistent_time"),
    ],
)
def test_a_value_that_cannot_be_is_refused(tmp_path: Path, cells: dict[str, object], reason: str) -> None:
    lines = [{**line(60, 60), **cells}, line(60, 60, run_id=OTHER)]
    landed = Landed(tmp_path, text(lines), zone="Europe/Berlin")
    assert landed.result.rejected_by_reason == {reason: 1}
    assert sum(landed.counted_mj().values()) == 3_600_000


def test_local_time_is_the_end_of_the_run(tmp_path: Path) -> None:
    landed = Landed(tmp_path, text([line(3600, 600.25)]), zone="Europe/Berlin")
    noon_utc_ms = int(NOON.timestamp() * 1000) - HOUR_MS  # noon in Berlin in January
    stamps = {row["event"]: row["ts_ms"] - noon_utc_ms - HOUR_MS for row in landed.rows("job_event")}
    assert stamps == {"ended": 250, "started": -601_000}


def test_the_default_place_is_not_taken(tmp_path: Path) -> None:
    quebec = {"country_name": "Canada", "country_iso_code": "CAN", "region": "quebec"}
    nowhere = Landed(tmp_path / "a", text([line(60, 60, **quebec, longitude=-71.2, latitude=46.8)]))
    there = Landed(tmp_path / "b", text([line(60, 60, **quebec, longitude=-73.6, latitude=45.5)]))
    assert any("cannot find out any" in said for said in nowhere.result.findings)
    assert not there.result.findings
    assert "country_iso_code" not in dict(nowhere.rows("job_event")[0]["labels"])
    assert dict(there.rows("job_event")[0]["labels"])["country_iso_code"] == "CAN"


def test_attributes_come_from_the_file_and_from_the_options(tmp_path: Path) -> None:
    cloud = {"cloud_provider": "gcp", "cloud_region": "europe-north1"}
    lines = [line(60, 60, **cloud, on_cloud="Y"), line(60, 60, **cloud, on_cloud="N", run_id=OTHER)]
    landed = Landed(tmp_path, text(lines), phase="training", org="example", team="vision")
    rows = {row["job_id"]: row for row in landed.rows("job_event")}
    assert (rows[f"codecarbon-{RUN}"]["provider"], rows[f"codecarbon-{RUN}"]["region"]) == ("gcp", "europe-north1")
    assert (rows[f"codecarbon-{OTHER}"]["provider"], rows[f"codecarbon-{OTHER}"]["region"]) == (None, None)
    for row in rows.values():
        assert (row["project"], row["phase"], row["org"], row["team"]) == ("toy", "training", "example", "vision")
        assert dict(row["labels"])["tracking_mode"] == "machine"
        assert row["state"] is None


def test_energy_that_cannot_be_zero_is_not_known(tmp_path: Path) -> None:
    landed = Landed(tmp_path, text([line(60, 60, gpu_energy=0, ram_energy=0)]))
    assert {row["device"] for row in landed.rows("power_sample")} == {"cpu"}
    assert sum("which no" in said for said in landed.result.findings) == 2


def test_gpus_without_a_number_are_one_and_are_told(tmp_path: Path) -> None:
    landed = Landed(tmp_path, text([line(60, 60, gpu_count="", gpu_model="")]))
    assert landed.counted_mj()[f"codecarbon-{RUN}", "gpu-0"] == 2_250_000
    assert any("without their number" in said for said in landed.result.findings)


def test_runs_that_measured_one_machine_at_once_are_told(tmp_path: Path) -> None:
    def findings(name: str, *lines: dict[str, object]) -> list[str]:
        return [said for said in Landed(tmp_path / name, text(lines)).result.findings if "overlap" in said]

    assert findings("both", line(100, 100), line(150, 100, run_id=OTHER))
    assert not findings("after", line(100, 100), line(200, 100, run_id=OTHER))
    assert not findings("process", line(100, 100), line(150, 100, run_id=OTHER, tracking_mode="process"))
    assert not findings("elsewhere", line(100, 100), line(150, 100, run_id=OTHER, cpu_model="Intel"))


def test_a_line_that_contradicts_its_run_is_refused(tmp_path: Path) -> None:
    lines = [line(60, 60, 1e-3), line(120, 120, 5e-3), line(180, 180, 3e-3)]
    landed = Landed(tmp_path, text(lines))
    assert landed.result.rejected_by_reason == {"conflicting_row": 1}
    assert landed.result.rejected[0].row == 3
    assert sum(landed.counted_mj().values()) == 5e-3 * MJ_PER_KWH


def test_a_line_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("emissions.csv", "emissions.csv.bak"):
        (tmp_path / "in" / name).write_text(text([line(60, 60)]), encoding="utf-8")
    result = Landed(tmp_path, tmp_path / "in").result
    assert (result.rows_read, result.rows_filtered, result.landed_by_table["power_sample"]) == (2, 1, 8)


def test_a_header_in_the_middle_is_no_line(tmp_path: Path) -> None:
    one, two = text([line(60, 60)], COLUMNS_31), text([line(60, 60, run_id=OTHER)], COLUMNS_38)
    landed = Landed(tmp_path, one + two)
    assert (landed.result.rows_rejected, landed.result.rows_filtered) == (0, 1)
    assert sum(landed.counted_mj().values()) == 2 * 3_600_000


def test_a_run_of_several_days_is_counted_whole(tmp_path: Path) -> None:
    day = 86_400
    alone = Landed(tmp_path / "alone", text([line(3 * day, 2.5 * day, 30)]))
    flushes = Landed(tmp_path / "flushes", text([line(n * day, (n - 0.5) * day, 10.0 * n * n) for n in (1, 2, 3)]))
    assert sum(alone.counted_mj().values()) == 30 * MJ_PER_KWH
    assert sum(flushes.counted_mj().values()) == 90 * MJ_PER_KWH
    assert any("24 h lie between" in said for said in alone.result.findings)
    assert len(flushes.rows("power_sample")) == 4 * 4  # lines a day apart need nothing between them


def task(name: str, seconds: float, duration: float, energy: float) -> dict[str, object]:
    return {"task_name": name, **line(seconds, duration, energy)}


def test_tasks_are_stated_and_must_sum_to_their_run(tmp_path: Path) -> None:
    tasks = [task("load", 10, 10, 1e-4), task("train", 70, 60, 8e-4), task("train", 80, 10, 1e-4)]
    source = tmp_path / "in"
    source.mkdir()
    (source / "emissions_base_5c.csv").write_text(text(tasks, ["task_name", *COLUMNS_31[:-1]]), encoding="utf-8")
    job = f"codecarbon-{RUN}"
    for total, difference in ((1e-3, None), (1.2e-3, "-0.0002 kWh")):
        (source / "emissions.csv").write_text(text([line(80, 80, total)]), encoding="utf-8")
        landed = Landed(tmp_path / str(total), source)
        found = [said for said in landed.result.findings if "tasks" in said]
        assert [said.split()[-2:] for said in found] == ([difference.split()] if difference else [])
        of_tasks = [
            row for row in landed.rows("stated_figure") if "/" in row["subject"] and row["quantity"] == "energy"
        ]
        assert {(row["subject"], row["value"], dict(row["labels"])["task"]) for row in of_tasks} == {
            (f"{job}/load", 1e-4, "load"),
            (f"{job}/train", 8e-4, "train"),
            (f"{job}/train#2", 1e-4, "train"),
        }
        assert {row["job_id"] for row in of_tasks} == {job}
        assert sum(landed.counted_mj().values()) == total * MJ_PER_KWH


def test_a_run_of_tasks_lasts_as_long_as_its_energy_took(tmp_path: Path) -> None:
    """Its stated duration is that of the last task; energy at that power would be taken for a reset counter."""
    cells = line(3600, 3600, 1.0) | {"duration": 10.0, "emissions_rate": 0.4 / 10}
    landed = Landed(tmp_path / "new", text([cells]))
    starts = [row["ts_ms"] for row in landed.rows("job_event") if row["event"] == "started"]
    assert starts == [int(NOON.timestamp() - 1) * 1000]
    assert any("last task" in said for said in landed.result.findings)
    old = Landed(tmp_path / "old", text([cells | {"codecarbon_version": "2.3.5"}]))
    assert any("draws more than the ledger believes" in said for said in old.result.findings)


def test_tasks_that_flush_begin_once(tmp_path: Path) -> None:
    """Each task starts the duration anew: a reading of 0 in the middle would count the energy before it twice."""
    landed = Landed(tmp_path, text([line(70, 10, 1e-4), line(200, 5, 3e-4)]))
    assert sum(landed.counted_mj().values()) == 3e-4 * MJ_PER_KWH
    assert any("starts again" in said for said in landed.result.findings)


def test_a_foreign_file_and_a_missing_zone_are_named(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"other\.csv: is no emissions or tasks file .* lacks timestamp, run_id"):
        import_format(FORMAT, tmp_path / "in", tmp_path / "landing", {"zone": "UTC"})
    (tmp_path / "in" / "emissions.csv").write_text(text([line(60, 60)]), encoding="utf-8")
    result = import_format(FORMAT, tmp_path / "in", tmp_path / "landing", {"zone": "UTC"})
    assert any("other.csv" in said for said in result.findings)
    assert result.landed_by_table["job_device"] == 1
    with pytest.raises(SourceError, match="--zone is required"):
        import_format(FORMAT, tmp_path / "in", tmp_path / "landing", {})


def test_the_example_of_the_docs_gives_what_they_say(tmp_path: Path) -> None:
    page = (DOCS / "codecarbon.md").read_text(encoding="utf-8")
    example = re.search(r"<!-- example: emissions.csv -->\n```\n(.*?)```", page, re.S)
    assert example
    landed = Landed(tmp_path, example[1])
    assert (landed.result.rows_read, len(landed.rows("power_sample"))) == (2, 12)
    kwh = {device: f"{energy / MJ_PER_KWH:.4f}" for (_, device), energy in landed.counted_mj().items()}
    assert kwh == {"cpu": "0.0333", "dram": "0.0067", "gpu-0": "0.0333", "gpu-1": "0.0333"}
    assert not landed.result.findings
    for option in FORMAT.options:
        assert f"`--{option.name}`" in page

"""Files with metrics: answers, expositions, their times and hosts."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from collectors.importers.errors import SourceError
from collectors.metrics.known import METRICS, host_of
from tests.support.prometheus_answers import (
    ENERGY,
    POWER,
    T0,
    T0_S,
    answer_of,
    column,
    dcgm,
    import_path,
    import_text,
    series_of,
)

DOCS = Path(__file__).resolve().parents[6] / "docs" / "importers" / "prometheus.md"


@pytest.mark.parametrize(
    ("labels", "host"),
    [
        ({"instance": "gpu-1.lab:9400"}, "gpu-1.lab"),
        ({"instance": "10.0.0.1:9400", "Hostname": "gpu-1"}, "gpu-1"),
        ({"instance": "[fe80::1]:9400"}, "fe80::1"),
        ({"instance": "fe80::1"}, "fe80::1"),
        ({"node": "worker-3", "instance": "10.0.0.1:1"}, "worker-3"),
        ({"job": "x"}, None),
    ],
)
def test_the_host_is_the_most_specific_label_without_its_port(labels: dict[str, str], host: str | None) -> None:
    assert host_of(labels) == host


def test_the_host_can_be_stated_chosen_and_cut(tmp_path: Path) -> None:
    text = answer_of(dcgm(POWER, [1], Hostname="pod-xyz.svc", real="n7.lab.example"), dcgm(POWER, [1], UUID="GPU-b"))
    labelled, _ = import_text(tmp_path, text, host_label="real", host="n9", domain="cut")
    assert column(labelled, "host", "device") == [("n7", "GPU-a"), ("n9", "GPU-b")]
    address = answer_of(series_of("ipmi_dcmi_power_consumption_watts", [9], instance="10.0.0.7:1"))
    assert import_text(tmp_path, address, domain="cut")[0][0]["host"] == "10.0.0.7"
    bare = answer_of(series_of("ipmi_dcmi_power_consumption_watts", [9]))
    with pytest.raises(SourceError, match="names the host: state it by --host"):
        import_text(tmp_path, bare)
    assert import_text(tmp_path, bare, host="n4")[0][0]["host"] == "n4"


EXPOSITION = """# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_POWER_USAGE{gpu="0",UUID="GPU-a",Hostname="n1"} 60.5%s
DCGM_FI_DEV_POWER_USAGE{gpu="1",UUID="GPU-b",Hostname="n1"} 70%s
"""


def test_an_exposition_with_stamps_needs_nothing_else(tmp_path: Path) -> None:
    rows, _ = import_text(tmp_path, EXPOSITION % (f" {T0}", f" {T0 + 1}"), "scrape.prom")
    assert column(rows, "device", "ts_ms", "power_mw") == [("GPU-a", T0, 60_500), ("GPU-b", T0 + 1, 70_000)]
    rows, _ = import_text(tmp_path, EXPOSITION % (f" {T0_S}.25", f" {T0_S}") + "# EOF\n", "dump.om")
    assert column(rows, "ts_ms") == [T0 + 250, T0]


@pytest.mark.parametrize("scraped_at", [str(T0_S), "2024-06-01T02:00:00+02:00"])
def test_an_exposition_without_stamps_needs_a_stated_time(tmp_path: Path, scraped_at: str) -> None:
    with pytest.raises(SourceError, match="--scraped-at TIME"):
        import_text(tmp_path, EXPOSITION % ("", ""), "scrape.prom")
    assert (
        column(import_text(tmp_path, EXPOSITION % ("", ""), "scrape.prom", scraped_at=scraped_at)[0], "ts_ms")
        == [T0] * 2
    )


def test_times_may_stand_in_the_names_of_the_files(tmp_path: Path) -> None:
    folder = tmp_path / "scrapes"
    folder.mkdir()
    for number, name in enumerate((f"n1-{T0_S}.prom", f"n1_{T0 + 5000}.prom", "n1-20240601T000010Z.txt")):
        (folder / name).write_text(EXPOSITION % ("", "") + f"# {number}\n", encoding="utf-8")
    (folder / f"{T0_S + 15}.prom.gz").write_bytes(gzip.compress((EXPOSITION % ("", "")).encode()))
    rows, _ = import_path(folder, tmp_path, scraped_at="name")
    assert column(rows[:4], "ts_ms") == [T0, T0 + 5000, T0 + 10_000, T0 + 15_000]
    (folder / "n1.prom").write_text(EXPOSITION % ("", ""), encoding="utf-8")
    with pytest.raises(SourceError, match=r"n1\.prom: its name holds no time"):
        import_path(folder, tmp_path, scraped_at="name")
    with pytest.raises(SourceError, match="--scraped-at: 'noon' is no time"):
        import_path(folder, tmp_path, scraped_at="noon")


def test_a_file_that_is_cut_off_lands_nothing_and_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"scrape\.prom: line 3: the last line has no end"):
        import_text(tmp_path, (EXPOSITION % (f" {T0}", f" {T0}"))[:-3], "scrape.prom")
    with pytest.raises(SourceError, match="is no JSON"):
        import_text(tmp_path, answer_of(dcgm(POWER, [1]))[:-5])
    assert not (tmp_path / "landing").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"status": "error", "error": "query timed out"}', "query timed out"),
        ('{"jobs": []}', "no list `result`"),
        ('{"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}', "'scalar', not 'matrix'"),
        ('[{"metric": {"__name__": "up"}, "values": [[1, "x"]]}]', "series 1 is malformed"),
        ('[{"metric": {"__name__": "up"}, "value": [1, "1"]}]', "no known metric of power or energy among up"),
    ],
)
def test_other_json_is_refused_with_what_it_is(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        import_text(tmp_path, content)


def test_results_of_expressions_are_left_out_and_told(tmp_path: Path) -> None:
    nameless = {"metric": {"UUID": "GPU-a"}, "values": [[T0_S, "3"]]}
    rows, result = import_text(tmp_path, answer_of(nameless, dcgm(POWER, [1])))
    assert len(rows) == 1
    assert any("result of an expression such as rate()" in text for text in result.findings)


def test_a_series_in_two_files_counts_once_and_a_contradiction_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / "a.json").write_text(answer_of(dcgm(ENERGY, [1, 2, 3])), encoding="utf-8")
    (folder / "b.json").write_text(answer_of(dcgm(ENERGY, [None, 2, 4, 5])), encoding="utf-8")
    (folder / "c.json").write_text(answer_of(dcgm(POWER, [50, 51])), encoding="utf-8")
    rows, result = import_path(folder, tmp_path)
    assert column(rows, "energy_mj", "power_mw") == [(1, 50_000), (2, 51_000), (3, None), (5, None)]
    assert (result.rows_filtered, result.rejected_by_reason) == (1, {"conflicting_row": 1})


def test_the_worked_example_of_the_page_works(tmp_path: Path) -> None:
    page = DOCS.read_text(encoding="utf-8")
    content = re.search(r"<!-- example: scrape.prom -->\n```\n(.*?)```", page, re.S)
    said = re.search(r"read (\d+) rows, filtered (\d+), landed (\d+), rejected (\d+)", page)
    assert content
    assert said
    rows, result = import_text(tmp_path, content[1], "scrape.prom", scraped_at="2024-06-01T00:00:00Z")
    counts = (result.rows_read, result.rows_filtered, result.rows_landed, result.rows_rejected)
    assert counts == tuple(map(int, said.groups()))
    assert column(rows, "device", "energy_mj", "power_mw") == [
        ("GPU-5f7c", 51_000_123, 78_174),
        ("cpu-package-0", 81_234_567, None),
    ]


def test_every_known_metric_is_on_the_page() -> None:
    page = DOCS.read_text(encoding="utf-8")
    names = {metric.name for metric in METRICS if "_die_" not in metric.name}
    assert {name for name in names if f"`{name}`" not in page} == set()

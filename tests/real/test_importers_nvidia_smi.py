"""nvidia-smi logs with a hardware meter beside them: the joules of the log, and how far they are from the meter's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from collectors.importers.formats import load
from collectors.importers.formats.nvidia_smi.series import SENSOR_ERROR_FRACTION
from collectors.importers.formats.shared.integral import integrate
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult
from collectors.landing.reader import read_landed

pytestmark = pytest.mark.real

# The authors logged in British summer time.
OPTIONS = {"host": "bench", "zone": "Europe/London"}
TESTS = ("A100_5050", "A100_TR", "3090_TR")
# The expected file has four decimals of a joule.
HALF_A_DIGIT_J = 0.5e-4


@pytest.fixture(scope="module")
def source(shared_data: Path) -> Path:
    return shared_data / "traces" / "nvidia_smi_vs_external_meter"


@pytest.fixture(scope="module")
def imported(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], ImportResult]:
    @cache
    def run(test: str, field: str) -> ImportResult:
        landing = tmp_path_factory.mktemp(f"{test}-{field}")
        path = source / test / "nvidia_smi.csv.gz"
        return import_format(load("nvidia-smi"), path, landing, {**OPTIONS, "power_column": field})

    return run


@pytest.fixture(scope="module")
def expected(source: Path) -> pd.DataFrame:
    table = pd.read_csv(source / "expected" / "energy_vs_external_meter.csv")
    table["field"] = table.field.str.removesuffix(" [W]")
    return table


@pytest.fixture(scope="module")
def metered(expected: pd.DataFrame) -> pd.DataFrame:
    """The cases with a meter beside the log."""
    cases = expected.dropna(subset="external_meter_j")
    assert len(cases) == 7
    return cases


def _series(result: ImportResult) -> pd.DataFrame:
    files = [file for file in result.files if file.parents[2].name == "power_sample"]
    rows = pd.concat([read_landed(file).rows.to_pandas() for file in files])
    return rows.sort_values("ts_ms", ignore_index=True)


def _window_j(rows: pd.DataFrame, begin_ms: float, end_ms: float) -> float:
    """Energy of landed readings in a window, linear between them and at its edges; written apart from the importer."""
    inside = rows.ts_ms[(rows.ts_ms > begin_ms) & (rows.ts_ms < end_ms)]
    corners = np.array([begin_ms, *inside, end_ms])
    return float(np.trapezoid(np.interp(corners, rows.ts_ms, rows.power_mw), corners) / 1e6)


def test_joules_in_the_meters_window_are_the_expected_ones(
    imported: Callable[[str, str], ImportResult], metered: pd.DataFrame
) -> None:
    for case in metered.itertuples():
        rows = _series(imported(case.test, case.field))
        joules = _window_j(rows, case.window_start_ms, case.window_end_ms)
        assert joules == pytest.approx(case.nvidia_smi_j, abs=1.01 * HALF_A_DIGIT_J), (case.test, case.field)
        # The importer's own trapezoid takes whole milliseconds; over these it is the same to a part in 1e12.
        begin_ms, end_ms = round(case.window_start_ms), round(case.window_end_ms)
        own = integrate(zip(rows.ts_ms.tolist(), rows.power_mw.tolist(), strict=True), begin_ms, end_ms)
        assert own.energy_j == pytest.approx(_window_j(rows, begin_ms, end_ms), rel=1e-12)
        assert own.covered_ms == end_ms - begin_ms


def test_every_row_lands_as_it_was_logged(imported: Callable[[str, str], ImportResult], source: Path) -> None:
    for test in TESTS:
        log = pd.read_csv(source / test / "nvidia_smi.csv.gz", skipinitialspace=True)
        rows = _series(imported(test, "power.draw"))
        assert rows.power_mw.tolist() == (log["power.draw [W]"] * 100).round().astype(int).mul(10).tolist()
        assert rows.util_percent.tolist() == log["utilization.gpu [%]"].tolist()
        stamps = pd.to_datetime(log.timestamp).dt.tz_localize("Europe/London").dt.as_unit("ms").astype("int64")
        assert rows.ts_ms.tolist() == stamps.tolist()
        assert set(rows.device) == {"gpu-0"}


def test_the_whole_log_is_reported_with_the_error_of_the_sensor(
    imported: Callable[[str, str], ImportResult], metered: pd.DataFrame
) -> None:
    for case in metered.itertuples():
        result = imported(case.test, case.field)
        rows = _series(result)
        whole_j = _window_j(rows, rows.ts_ms.iloc[0], rows.ts_ms.iloc[-1])
        figures = {figure.method: figure.value for figure in result.figures}
        assert figures["integral"] == pytest.approx(whole_j, rel=1e-12)
        assert figures["integral_coverage"] == 1
        (file,) = [file for file in result.files if file.parents[2].name == "stated_figure"]
        (stated,) = read_landed(file).rows.to_pylist()
        bounds = [stated[name] for name in ("low", "value", "high")]
        assert bounds == [figures[name] for name in ("integral_low", "integral", "integral_high")]
        assert bounds == pytest.approx([whole_j * factor for factor in (0.95, 1, 1.05)], rel=1e-12)
        assert dict(stated["labels"])["column"] == case.field


def test_the_meter_is_within_the_stated_error_or_named_as_outside(
    imported: Callable[[str, str], ImportResult], metered: pd.DataFrame
) -> None:
    """The page names the cases outside; a card more or less outside must be told there."""
    outside = {}
    for case in metered.itertuples():
        joules = _window_j(_series(imported(case.test, case.field)), case.window_start_ms, case.window_end_ms)
        off = joules / case.external_meter_j - 1
        assert 100 * off == pytest.approx(case.error_pct, abs=1e-4)
        if abs(off) > SENSOR_ERROR_FRACTION:
            outside[case.test, case.field] = round(100 * off, 2)
    assert outside == {
        ("A100_TR", "power.draw"): -5.54,
        ("A100_TR", "power.draw.instant"): -5.65,
        ("3090_TR", "power.draw.instant"): -5.25,
    }
    page = (Path(__file__).resolve().parents[2] / "docs" / "importers" / "nvidia-smi.md").read_text(encoding="utf-8")
    assert all(f"{abs(percent):.2f} %" in page for percent in outside.values())


def test_the_meter_itself_gives_the_expected_joules(source: Path, metered: pd.DataFrame) -> None:
    """What we compare with is not taken on trust: the meter's own readings, decoded outside, over the same window."""
    for case in metered.drop_duplicates("test").itertuples():
        meter = pd.read_parquet(source / case.test / "external_meter_1ms.parquet")
        rows = pd.DataFrame({"ts_ms": meter.time_ms, "power_mw": (meter.cable_w + meter.slot_w) * 1000})
        joules = _window_j(rows, case.window_start_ms, case.window_end_ms)
        assert joules == pytest.approx(case.external_meter_j, rel=2e-4), case.test


def test_the_importers_own_figure_is_the_expected_one_over_whole_logs(
    source: Path, expected: pd.DataFrame, tmp_path: Path
) -> None:
    cases = expected[expected.external_meter_j.isna()]
    assert len(cases) >= 3
    for case in cases.itertuples():
        path = source / f"{case.test}_nvidia_smi.csv.gz"
        result = import_format(load("nvidia-smi"), path, tmp_path, {**OPTIONS, "power_column": case.field})
        (joules,) = (figure.value for figure in result.figures if figure.method == "integral")
        assert joules == pytest.approx(case.nvidia_smi_j, abs=1.01 * HALF_A_DIGIT_J), case.test
        assert result.rows_landed == case.n_polls + 1  # and the stated figure

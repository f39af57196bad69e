"""Our own calls of NVIDIA's library, against a real shared library and against what ``pynvml`` makes of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pynvml
import pytest

from collectors.sources import nvml_library
from collectors.sources.library_gpus import LATE_S, gap_reason
from collectors.sources.nvml import CODES as REASONS
from collectors.sources.nvml import POWER_FIELDS, NvmlSource
from collectors.sources.nvml_library import FieldValue, Nvml, NVMLError

ROOT = Path(__file__).resolve().parents[4]
CODES = sorted(
    value
    for name, value in vars(pynvml).items()
    if name.startswith("NVML_ERROR_") and isinstance(value, int) and 0 < value <= 999
)
FUNCTIONS = ("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetUtilizationRates")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler: the stand-in library cannot be built")
    path = tmp_path_factory.mktemp("stub") / "libnvidia-ml.so.1"
    source = str(ROOT / "bench" / "stub" / "nvml.c")
    subprocess.run([compiler, "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(path), source], check=True)
    return path


@pytest.fixture
def nvml(library: Path) -> Nvml:
    made = Nvml(str(library))
    made.nvmlInit()
    return made


def test_the_layout_and_the_numbers_are_pynvmls() -> None:
    theirs = pynvml.c_nvmlFieldValue_t
    assert [(name, getattr(FieldValue, name).offset) for name, *_ in FieldValue._fields_] == [
        (name, getattr(theirs, name).offset) for name, *_ in theirs._fields_
    ]
    assert tuple(POWER_FIELDS) == (pynvml.NVML_FI_DEV_POWER_AVERAGE, pynvml.NVML_FI_DEV_POWER_INSTANT)
    assert (nvml_library.LIBRARY_NOT_FOUND, nvml_library.FUNCTION_NOT_FOUND) == (
        pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    )


def test_it_says_what_pynvml_says(library: Path) -> None:
    """In a process each, because both are to find the library by its own name."""
    code = (
        "import json, sys\n"
        "sys.path.insert(0, {root!r})\n"
        "{load}\n"
        "nvml.nvmlInit()\n"
        "handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]\n"
        "text = lambda value: value.decode() if isinstance(value, bytes) else value\n"
        "found = [[text(nvml.nvmlDeviceGetUUID(h)), text(nvml.nvmlDeviceGetName(h)),"
        " nvml.nvmlDeviceGetEnforcedPowerLimit(h), nvml.nvmlDeviceGetPowerUsage(h),"
        " nvml.nvmlDeviceGetUtilizationRates(h).gpu, list(nvml.nvmlDeviceGetMigMode(h))] for h in handles]\n"
        "print(json.dumps(found))\n"
    )
    answers = []
    for load in ("import pynvml as nvml", "from collectors.sources.nvml_library import Nvml; nvml = Nvml()"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(root=str(ROOT), load=load)],
            env={**os.environ, "LD_LIBRARY_PATH": str(library.parent)},
            capture_output=True,
            text=True,
            check=True,
        )
        answers.append(json.loads(done.stdout))
    assert answers[0] == answers[1]
    assert len(answers[0]) == 8


def test_energy_rises_with_the_power(nvml: Nvml, clock: Any) -> None:
    source = NvmlSource(monotonic_ns=clock.monotonic_ns, module=nvml)  # type: ignore[arg-type]
    assert [device.id[-1] for device in source.devices()] == list("01234567")
    first = source.read()
    second = source.read()
    assert all(gpu.meter is not None for gpu in source._gpus)
    for index, (before, after) in enumerate(zip(first, second, strict=True)):
        assert before.energy_mj is not None
        assert after.energy_mj is not None
        assert 0 <= after.energy_mj - before.energy_mj < 300_000
        assert (after.power_mw, after.util_percent) == ((300 + index) * 1000, 50 + index)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_error_of_every_call_is_a_value_or_a_reason(
    nvml: Nvml, clock: Any, monkeypatch: pytest.MonkeyPatch, function: str, code: int
) -> None:
    """The quick way to read a GPU says the same as one call at a time, for every error of the library."""
    quick, slow = (NvmlSource(monotonic_ns=clock.monotonic_ns, module=nvml) for _ in range(2))  # type: ignore[arg-type]
    for gpu in slow._gpus:
        gpu.meter = None
    monkeypatch.setenv("NVML_STUB_FAIL", f"{function}:{code}")
    for one, other in zip(quick.read(), slow.read(), strict=True):
        assert (one.power_mw, one.util_percent, one.gap_reason, one.source) == (
            other.power_mw,
            other.util_percent,
            other.gap_reason,
            other.source,
        )
        assert (one.energy_mj is None) == (other.energy_mj is None) == (function == FUNCTIONS[0])
        assert one.has_value or one.gap_reason
    if function == FUNCTIONS[0]:
        with pytest.raises(NVMLError) as caught:
            nvml.nvmlDeviceGetTotalEnergyConsumption(nvml.nvmlDeviceGetHandleByIndex(0))
        assert caught.value.value == code
        assert gap_reason(REASONS, caught.value) == gap_reason(REASONS, pynvml.NVMLError(code))


def test_what_is_missing_is_said(nvml: Nvml, tmp_path: Path) -> None:
    with pytest.raises(NVMLError) as caught:
        Nvml(str(tmp_path / "none.so"))
    assert caught.value.value == nvml_library.LIBRARY_NOT_FOUND
    with pytest.raises(NVMLError) as caught:
        nvml.nvmlDeviceGetFieldValues(nvml.nvmlDeviceGetHandleByIndex(0), [185])
    assert caught.value.value == nvml_library.FUNCTION_NOT_FOUND
    with pytest.raises(NVMLError):
        nvml.nvmlDeviceGetHandleByUUID("GPU-none")


def test_a_driver_that_is_installed_later_is_found(
    library: Path, tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = tmp_path / "libnvidia-ml.so.1"
    monkeypatch.setattr(NvmlSource, "files", (str(late),))
    source = NvmlSource(monotonic_ns=clock.monotonic_ns)
    assert (source.may_come, source.unavailable_reason) == (True, NvmlSource.lacking)
    shutil.copy(library, late)
    clock.advance_s(LATE_S)
    assert [reading.gap_reason for reading in source.read()] == [None] * 8
    assert source.unavailable_reason is None

"""Small submissions of MLPerf, written as MLCommons' tools write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from collectors.importers.formats import load
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult
from collectors.landing.reader import read_landed

T0 = 1_717_200_000_000  # 2024-06-01 00:00:00 UTC
SYSTEM = "2xBOX"
TRAINING = f"acme/results/{SYSTEM}/bert"
INFERENCE = f"closed/acme/results/{SYSTEM}/llama2-70b-99/Server/performance"


def record(key: str, second: float, value: object = None, before: str = "", **metadata: object) -> str:
    """Return a line of a training log."""
    body = {"namespace": "", "time_ms": T0 + round(second * 1000), "event_type": "X", "key": key, "value": value}
    return f"{before}:::MLLOG {json.dumps({**body, 'metadata': metadata or ''})}\n"


def result_log(*lines: str, start: float = 10, stop: float = 40, status: str = "success") -> str:
    """Return a result log with a run from ``start`` to ``stop`` [s]."""
    return "".join(
        [
            "+ echo Beginning trial 1 of 1\n",
            record("submission_benchmark", 0, "bert"),
            record("submission_platform", 0, "SUBMISSION_PLATFORM_PLACEHOLDER"),
            record("seed", 0, 7),
            record("run_start", start, before=" 0: "),
            *lines,
            record("run_stop", stop, status=status),
        ]
    )


def power_log(
    readings: Iterable[tuple[float, float]],
    start: float | None = 0,
    stop: float | None = None,
    efficiency: float | None = None,
    point: str | None = "AC",
) -> str:
    """Return a power log; readings are second and watts."""
    readings = list(readings)
    said: dict[str, Any] = {} if point is None else {"measurement_type": point}
    lines = [] if start is None else [record("power_measurement_start", start, **said)]
    lines += [] if efficiency is None else [record("conversion_eff", start or 0, efficiency)]
    lines += [record("power_reading", second, watts) for second, watts in readings]
    lines += [] if stop is None else [record("power_measurement_stop", stop)]
    return "".join(lines)


def training(root: Path, powers: Mapping[str, str], result: str | None = None, run: str = "result_17") -> Path:
    """Write a training run in the published layout; returns the folder to import."""
    folder = root / "submission" / TRAINING
    files = {f"power/{run}/{name}.txt": text for name, text in powers.items()}
    files[f"{run}.txt"] = result_log() if result is None else result
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "submission"


def detail_log(**values: object) -> str:
    """Return LoadGen's detail log; its stamps count from the start of the run."""
    said = {"effective_scenario": "Server", "result_validity": "VALID", "loadgen_version": "4.1 @ abc", **values}
    return "".join(
        f":::MLLOG {json.dumps({'key': key, 'value': value, 'time_ms': 0.01, 'metadata': {'pid': 1}})}\n"
        for key, value in said.items()
    )


def spl_line(clock: str, watts: float, factor: float = 0.97, mark: str = "2024-06-01_testing") -> str:
    """Return a line of an analyser with one channel."""
    head = f"Time,06-01-2024 {clock},Watts,{watts:f},Volts,230.000000,Amps,1.000000,PF,{factor:f},Mark,{mark}"
    return f"{head},Ch1,Watts,{watts:f},Volts,230.000000,Amps,1.000000,PF,{factor:f}\n"


def inference(root: Path, detail: str, spl: str, mode: str = "run_1", server: object = None, **places: str) -> Path:
    """Write an inference run in the published layout; returns the folder to import."""
    performance = root / "submission" / (INFERENCE.replace("llama2-70b-99", places.get("benchmark", "llama2-70b-99")))
    folder = performance / mode
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mlperf_log_detail.txt").write_text(detail, encoding="utf-8")
    (folder / "spl.txt").write_text(spl, encoding="utf-8")
    if server is not None:
        (performance / "power").mkdir(exist_ok=True)
        (performance / "power" / "server.json").write_text(json.dumps(server), encoding="utf-8")
    return root / "submission"


class Landed:
    """What an import landed.

    Attributes:
        result: what it said.
    """

    def __init__(self, path: Path, landing: Path, **options: str) -> None:
        self.result: ImportResult = import_format(load("mlperf-power"), path, landing, options)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        files = [file for file in self.result.files if file.parents[2].name == table]
        return [row for file in files for row in read_landed(file).rows.to_pylist()]

    def column(self, table: str, *names: str) -> list[Any]:
        """Return columns of a table, in order."""
        found = [tuple(row[name] for name in names) for row in self.rows(table)]
        return sorted(found, key=str) if len(names) > 1 else [value for (value,) in found]

    def power(self, host: str | None = None) -> list[tuple[int, int]]:
        """Return milliseconds since ``T0`` and mW of all readings, or of those of a host."""
        rows = self.rows("power_sample")
        return sorted((row["ts_ms"] - T0, row["power_mw"]) for row in rows if host in (None, row["host"]))

    def figures(self) -> dict[tuple[str, str], float]:
        """Return the figures by method and unit; the last one of equal name."""
        return {(figure.method, figure.unit): figure.value for figure in self.result.figures}

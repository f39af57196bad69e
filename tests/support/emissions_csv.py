"""Files of CodeCarbon, what an import makes of them, and what the warehouse would count of that."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from collectors.contract import TABLES
from collectors.importers.errors import RejectedRow
from collectors.importers.format import Options, Source
from collectors.importers.format import Rows as LandingRows
from collectors.importers.formats import load
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult

FORMAT = load("codecarbon")
J_PER_KWH, MJ_PER_KWH = 3.6e6, 3.6e9
HOUR_MS = 3_600_000
NOON = datetime(2024, 1, 10, 12, tzinfo=UTC)
RUN, OTHER = "5c209ed8-5859-451d-a3ef-26d195dcaa66", "77e19e8d-26f5-4ffc-8f0c-483708e62b5d"

COLUMNS_29 = """
timestamp project_name run_id duration emissions emissions_rate cpu_power gpu_power ram_power cpu_energy gpu_energy
ram_energy energy_consumed country_name country_iso_code region cloud_provider cloud_region os python_version
cpu_count cpu_model gpu_count gpu_model longitude latitude ram_total_size tracking_mode on_cloud
""".split()  # noqa: SIM905 - one name a line would hide that there are 29
COLUMNS_31 = [*COLUMNS_29, "codecarbon_version", "pue"]
_NEWEST = "experiment_id water_consumed cpu_{0} gpu_{0} ram_{0} ram_used_gb wue".format("utilization_percent")
COLUMNS_38 = [*COLUMNS_31, *_NEWEST.split()]


def line(seconds: float, duration: float, energy: float = 1e-3, **cells: object) -> dict[str, object]:
    """Return what CodeCarbon writes ``seconds`` after noon of a run that drew ``energy`` kWh in ``duration`` s."""
    parts = {"cpu_energy": energy * 0.25, "gpu_energy": energy * 0.625, "ram_energy": energy * 0.125, **cells}
    total = sum(float(str(parts[name])) for name in ("cpu_energy", "gpu_energy", "ram_energy"))
    watts = total * J_PER_KWH / max(duration, 1e-9)
    return {
        "timestamp": (NOON + timedelta(seconds=math.floor(seconds))).strftime("%Y-%m-%dT%H:%M:%S"),
        "project_name": "toy",
        "run_id": RUN,
        "duration": duration,
        "emissions": total * 0.4,
        "emissions_rate": total * 0.4 / max(duration, 1e-9),
        "cpu_power": watts * 0.25,
        "gpu_power": watts * 0.625,
        "ram_power": watts * 0.125,
        "energy_consumed": total,
        "codecarbon_version": "3.3.2",
        "cpu_count": 16,
        "cpu_model": "AMD EPYC",
        "gpu_count": 2,
        "gpu_model": "2 x NVIDIA A100",
        "ram_total_size": 64,
        "tracking_mode": "machine",
        "on_cloud": "N",
        "pue": 1.0,
        **parts,
    }


def text(lines: Iterable[dict[str, object]], columns: Sequence[str] = COLUMNS_38) -> str:
    rows = [",".join(columns)]
    rows += [",".join(str(cells.get(name, "")) for name in columns) for cells in lines]
    return "\n".join(rows) + "\n"


Rows = dict[str, list[dict[str, Any]]]


def union(*parts: Rows) -> Rows:
    """Return the rows of several imports, each once, as the warehouse would hold them; two that contradict fail."""
    held: Rows = {}
    for name, table in TABLES.items():
        by_key: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in (row for part in parts for row in part.get(name, [])):
            known = by_key.setdefault(tuple(row[column] for column in table.key), row)
            assert known == row, "two rows with one key and other values"
        held[name] = [by_key[key] for key in sorted(by_key, key=str)]
    return held


def counted_mj(rows: Rows) -> dict[tuple[str, str], int]:
    """Return the energy of each device by the warehouse's rule: rises of one session within a day."""
    series: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for row in rows["power_sample"]:
        series.setdefault((row["host"], row["device"]), []).append((row["ts_ms"], row["energy_mj"], row["session"]))
    return {
        name: sum(
            max(b[1] - a[1], 0)
            for a, b in itertools.pairwise(sorted(points))
            if a[2] == b[2] and b[0] - a[0] <= 24 * HOUR_MS
        )
        for name, points in series.items()
    }


def read(folder: Path, content: str) -> Rows:
    """Return the rows that a text becomes, without landing them."""
    source = folder / "emissions.csv"
    source.write_text(content, encoding="utf-8")
    made: Rows = {}
    for item in FORMAT.read(Source(folder, [source]), Options(zone="UTC")):
        assert not isinstance(item, RejectedRow), item
        if isinstance(item, LandingRows):
            made.setdefault(item.table, []).extend(item.rows)
    return made


class Landed:
    """An import, and what it landed."""

    def __init__(self, folder: Path, content: str | bytes | Path, **options: str) -> None:
        source = content if isinstance(content, Path) else folder / "in" / "emissions.csv"
        if not isinstance(content, Path):
            source.parent.mkdir(parents=True)
            source.write_bytes(content.encode() if isinstance(content, str) else content)
        landing = folder / "landing"
        self.result: ImportResult = import_format(FORMAT, source, landing, {"zone": "UTC", **options})
        self.all = union(
            {
                table: [
                    row
                    for path in sorted(landing.glob(f"{table}/date=*/hour=*/*.parquet"))
                    for row in pq.read_table(path, partitioning=None).to_pylist()
                ]
                for table in TABLES
            }
        )

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.all[table]

    def counted_mj(self) -> dict[tuple[str, str], int]:
        return counted_mj(self.all)


def flushed(phase_s: float, moments_s: Sequence[float], **cells: object) -> list[dict[str, object]]:
    """Return the cumulative lines that a run writes which began ``phase_s`` after noon; its power varies."""
    return [line(phase_s + moment, moment, 1e-6 * (2 * moment + math.sin(moment)), **cells) for moment in moments_s]

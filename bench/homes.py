"""Small installations for benchmarks: a configuration, a lake, hour files and jobs in it as ingest would leave them.

What belongs here: setting up and profiling an installation. What must not be here: what is measured.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bench import data
from bench.fleetjobs import JobDay
from bench.measure import cpu_s
from collectors.contract import TABLES
from collectors.landing.writer import LandingWriter
from warehouse import energy, engine, jobs, temporaries, transform
from warehouse.config import CONFIG_NAME, Config, load_config
from warehouse.lake import Lake

PUE, REVISED_PUE = 1.25, 1.31
_TOML = """
[organisation]
name = "Example"
[landing]
path = "landing"
[[facility]]
id = "dc1"
zone = "DE"
pue = {pue}
hosts = ["host-*"]
"""


def write_config(home: Path, pue: float = PUE) -> Config:
    """Write the configuration of an installation and return it."""
    home.mkdir(parents=True, exist_ok=True)
    (home / CONFIG_NAME).write_text(_TOML.format(pue=pue), encoding="utf-8")
    config = load_config(home / CONFIG_NAME)
    config.landing_path.mkdir(exist_ok=True)
    return config


def day_of(at_ms: int) -> str:
    """Return the UTC day of a time [epoch ms]."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


def enter_hours(lake: Lake, hours: list[data.Hour]) -> None:
    """Enter hour files into the ledger as if they had just been compacted; they must lie under ``samples`` of the home.

    Args:
        lake: an open, writable lake.
        hours: hour files that ``data`` made.
    """

    def work(inside: duckdb.DuckDBPyConnection) -> None:
        for hour in hours:
            ledger = data.series_of(hour)
            values: dict[str, Any] = {"day": day_of(hour.hour_ms), "hour_ms": hour.hour_ms}
            inside.register("ledger", ledger)
            inside.execute(
                "INSERT INTO lake.raw.sample_series BY NAME SELECT CAST($day AS DATE) AS day, "
                "make_timestamptz($hour_ms * 1000) AS hour_start, 0 AS shard, * FROM ledger",
                values,
            )
            inside.unregister("ledger")
            values |= {"sha256": Path(hour.path).stem, "size": hour.size_bytes, "rows_n": hour.rows_n}
            inside.execute(_HOUR_SQL, values | {"series_n": ledger.num_rows})
            inside.execute(_SOURCE_SQL, {name: values[name] for name in ("day", "hour_ms", "sha256", "rows_n")})

    lake.transaction(work)


_HOUR_SQL = """
INSERT INTO lake.raw.sample_hour BY NAME SELECT CAST($day AS DATE) AS day,
    make_timestamptz($hour_ms * 1000) AS hour_start, 0 AS shard, $sha256 AS file_sha256, $sha256 AS sources_sha256,
    $size AS size_bytes, $rows_n AS rows_n, $series_n AS series_n, $hour_ms AS first_ms, $hour_ms + 3599999 AS last_ms
"""
_SOURCE_SQL = """
INSERT INTO lake.raw.sample_source BY NAME SELECT CAST($day AS DATE) AS day,
    make_timestamptz($hour_ms * 1000) AS hour_start, $sha256 AS file_sha256, $hour_ms AS written_ms,
    'made' AS path, $rows_n AS rows_n, 0 AS refused_n
"""


def land_jobs(config: Config, of_day: JobDay, from_ms: int = 0, end_ms: int = 2**62) -> None:
    """Land the jobs of a day.

    Args:
        config: the installation.
        of_day: the jobs.
        from_ms: leave out rows before [epoch ms].
        end_ms: leave out rows from here on [epoch ms].
    """
    writer = LandingWriter(config.landing_path, host="scheduler", boot_id="b", collector_version="0")
    for name, rows in (("job_event", of_day.events), ("job_device", of_day.devices)):
        time = TABLES[name].time_column
        wanted = [row for row in rows if from_ms <= row[time] < end_ms]
        if wanted:
            writer.write(name, wanted, written_ms=max(row[time] for row in wanted))


def land_hour(config: Config, table: pa.Table, host: str, written_ms: int) -> None:
    """Land readings of one host.

    Args:
        config: the installation.
        table: rows that ``Fleet.landed`` gave.
        host: the host.
        written_ms: time of writing [epoch ms].
    """
    schema = pa.schema([field.remove_metadata() for field in TABLES["power_sample"].arrow_schema()])
    writer = LandingWriter(config.landing_path, host=host, boot_id="b", collector_version="0")
    writer.write("power_sample", table.cast(schema), written_ms=written_ms)


class Profile:
    """Tells CPU seconds of the steps of a computation, each without the steps inside it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)
        self.statements: dict[str, float] = defaultdict(float)
        self._labels: list[str] = []
        self._inner: list[float] = []

    def watch(self) -> None:
        """Put clocks around the steps of this process, for the rest of its life."""
        for module, name, label in _STEPS:
            setattr(module, name, self._clocked(getattr(module, name), label))
        inside_energy: Any = energy
        inside_energy.run_hours = self._clocked_iterator(inside_energy.run_hours)
        inside_transform: Any = transform
        fill = inside_transform._fill
        inside_transform._fill = lambda *values: self._timed(values[3], lambda: fill(*values))

    def attach(self, lake: Any) -> None:  # noqa: ANN401
        """Put a clock around every statement of a lake."""
        lake.connection = _Watched(lake.connection, self)

    def rows(self) -> list[tuple[str, float, int]]:
        """Return name, CPU time [s] and calls of each step."""
        return [(name, seconds, self.calls[name]) for name, seconds in self.seconds.items()]

    def statement(self, sql: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Do a statement and note what it cost under the step that it belongs to and its first words."""
        begun = cpu_s()
        try:
            return work()
        finally:
            plain = " ".join(line for line in sql.splitlines() if not line.startswith("--"))
            step = self._labels[-1] if self._labels else "otherwise"
            self.statements[f"{step}: {' '.join(plain.split())[:60]}"] += cpu_s() - begun

    def _clocked(self, work: Callable[..., Any], label: str) -> Callable[..., Any]:
        @functools.wraps(work)
        def timed(*values: Any, **named: Any) -> Any:  # noqa: ANN401
            return self._timed(label, lambda: work(*values, **named))

        return timed

    def _clocked_iterator(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*values: Any, **named: Any) -> Iterator[Any]:  # noqa: ANN401
            found = work(*values, **named)
            nothing = object()
            while (one := self._timed(KERNEL, lambda: next(found, nothing))) is not nothing:
                yield one

        return timed

    def _timed(self, label: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401
        self._inner.append(0.0)
        self._labels.append(label)
        begun = cpu_s()
        try:
            return work()
        finally:
            self._labels.pop()
            whole = cpu_s() - begun
            self.seconds[label] += whole - self._inner.pop()
            self.calls[label] += 1
            if self._inner:
                self._inner[-1] += whole


class _Watched:
    """A connection that tells a profile of every statement."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, profile: Profile) -> None:
        self._connection, self._profile = connection, profile

    def execute(self, sql: str, *values: Any) -> Any:  # noqa: ANN401
        return self._profile.statement(sql, lambda: self._connection.execute(sql, *values))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._connection, name)


KERNEL, STITCH = "kernel: hour files", "kernel: between hours"
_STEPS: tuple[tuple[Any, str, str], ...] = (
    (energy, "stitch_segments", STITCH),
    (energy, "read_inputs", "what the segments rest on"),
    (energy, "_tasks", "ledgers of the hour files"),
    (energy, "make_segments", "make segments: the rest"),
    (energy, "write_segments", "write segments"),
    (temporaries, "make", "temporary tables"),
    (transform, "check_conservation", "check of conservation"),
    (jobs, "_settle", "work out jobs"),
    (engine, "note_jobs_of_days", "note jobs as to do"),
    (engine, "run_audits", "audits"),
    (engine, "prepare", "prepare the day"),
    (engine, "settle", "settle hours and jobs"),
    (engine, "begin", "reference tables"),
    (engine, "ingest_landing", "ingest"),
    (engine, "publish", "publish"),
    (Lake, "transaction", "commit"),
)

"""Random fleets with everything that goes wrong in real ones, as landed files whose bytes depend on the seed only.

A world has hosts with accelerators (counters, counters that reset, counters that wrap, no counter), estimated
processors, a node meter, gaps, jobs with phases and shares, jobs that overlap, that never end and that span midnight,
hardware and work. Rows of it are delivered twice, out of order, and with other values under the same key in several
files.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.hashes import all_hashes, differing, table_hash
from tests.support.homes import make_home, write_config
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from warehouse.config import Config

__all__ = ["World", "all_hashes", "differing", "make_home", "put", "table_hash", "write_config"]

EVENING_MS = 1_741_035_600_000  # 2025-03-03 21:00 UTC, three hours before midnight
MS_PER_S = 1000
MS_PER_MINUTE = 60_000
MS_PER_HOUR = 3_600_000
COUNTER_WRAP_MJ = 1 << 32
FLAVOURS = ("counter", "reset", "wrap", "power", "sparse")
PHASES = ("training", "evaluation", "fine_tuning", "inference", "experimentation", "deployment")

Row = dict[str, Any]


@dataclass
class World:
    """A fleet and what it landed.

    Attributes:
        seed: everything follows from it.
        hours: length [h]; from ``start_ms`` on.
        hosts: number of hosts.
        gpus: accelerators a host.
        period_s: time between two readings [s].
        jobs: number of jobs.
        start_ms: first moment [epoch ms]; by default three hours before a midnight.
        conflicts: fraction of rows that a later file states with another value.
        duplicates: fraction of rows that another file states again.
        delivery: smallest and largest part of a series that one delivery holds.
        files: path under landing and bytes of every file.
    """

    seed: int
    hours: float = 5.0
    hosts: int = 2
    gpus: int = 2
    period_s: float = 20.0
    jobs: int = 5
    start_ms: int = EVENING_MS
    conflicts: float = 0.01
    duplicates: float = 0.03
    delivery: tuple[float, float] = (0.12, 0.4)
    files: list[tuple[str, bytes]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        """Build the files."""
        self._random = random.Random(self.seed)
        self._sequence = 0
        self.end_ms = self.start_ms + int(self.hours * MS_PER_HOUR)
        self.devices: list[tuple[str, str, str]] = []  # host, device, flavour
        for number in range(self.hosts):
            self._host(f"host-{number}", with_node=number == 0)
        self._job_files()
        self._other_files()

    def land(self, config: Config, only: Iterable[int] | None = None) -> list[Path]:
        """Put files into the landing folder of an installation.

        Args:
            config: the installation.
            only: positions in ``files``, in the order in which they shall appear; by default all.
        """
        chosen = range(len(self.files)) if only is None else only
        return [put(config.landing_path, *self.files[position]) for position in chosen]

    @classmethod
    def small(cls, seed: int, **changes: Any) -> World:
        """Return a world of two hours around a midnight with few files, for tests that run it many times."""
        few = {"hours": 2.0, "hosts": 1, "gpus": 2, "period_s": 60.0, "jobs": 2, "conflicts": 0.03, "duplicates": 0.05}
        few |= {"start_ms": EVENING_MS + 2 * MS_PER_HOUR, "delivery": (0.4, 0.7)}
        return cls(seed, **{**few, **changes})

    def shuffled(self, seed: int) -> list[int]:
        """Return the positions of all files in a random order."""
        order = list(range(len(self.files)))
        random.Random(seed).shuffle(order)
        return order

    # ---- readings ----

    def _host(self, host: str, *, with_node: bool) -> None:
        fleet = [(f"GPU-{host[-1]}{index}", self._random.choice(FLAVOURS)) for index in range(self.gpus)]
        series = [self._gpu(host, device, flavour) for device, flavour in fleet]
        self.devices += [(host, device, flavour) for device, flavour in fleet]
        series.append(list(self._steady(host, "cpu-package-0", "cpu", "package", "model", 90_000)))
        if with_node:
            series.append(list(self._steady(host, "node", "node", "ac", "redfish", 1_400_000)))
        rows = [row for one in series for row in one]
        for chunk in self._chunks(rows, "ts_ms"):
            self._add("power_sample", self._with_repeats(chunk, rows), host)
        contested = [row for row in rows if self._random.random() < self.conflicts]
        for _ in range(3):  # the same keys with other values, in up to three more files
            changed = [self._changed(row) for row in contested if self._random.random() < 0.7]
            self._add("power_sample", changed, host)

    def _gpu(self, host: str, device: str, flavour: str) -> list[Row]:
        rows, energy_mj, session = [], self._random.randrange(COUNTER_WRAP_MJ // 2), 0
        silent_from = self.start_ms + self._random.randrange(int(self.hours * MS_PER_HOUR))
        silent_to = silent_from + self._random.randrange(1, 40) * MS_PER_MINUTE
        power_mw = 200_000
        for ts_ms in self._moments(60.0 if flavour == "sparse" else self.period_s):
            power_mw = max(50_000, min(700_000, power_mw + self._random.randrange(-40_000, 40_001)))
            energy_mj += int(power_mw * self.period_s)
            if flavour == "reset" and self._random.random() < 0.004:
                energy_mj, session = 0, session + 1
            if flavour == "wrap":
                energy_mj %= COUNTER_WRAP_MJ // 8
            if silent_from <= ts_ms < silent_to:
                continue
            lost = self._random.random() < 0.003
            has_counter = flavour not in ("power", "sparse") and not lost
            rows.append(
                sample(
                    ts_ms,
                    host=host,
                    device=device,
                    power_mw=None if lost else power_mw,
                    energy_mj=energy_mj if has_counter else None,
                    session=session,
                    util_percent=self._random.randrange(101),
                    source="nvml_energy" if has_counter else "nvml_power",
                    gap_reason="driver_lost" if lost else None,
                )
            )
        return rows

    def _steady(self, host: str, device: str, kind: str, point: str, source: str, power_mw: int) -> Iterator[Row]:
        for ts_ms in self._moments(self.period_s):
            dead = kind == "node" and self._random.random() < 0.004  # a row rule refuses a running node without power
            yield sample(
                ts_ms,
                host=host,
                device=device,
                kind=kind,
                point=point,
                source=source,
                power_mw=0 if dead else power_mw + self._random.randrange(20_000),
                is_estimate=source == "model",
            )

    def _moments(self, period_s: float) -> Iterator[int]:
        jitter = int(period_s * 100)
        for step in range(int(self.hours * MS_PER_HOUR / (period_s * MS_PER_S))):
            yield self.start_ms + int(step * period_s * MS_PER_S) + self._random.randrange(jitter)

    def _chunks(self, rows: list[Row], time: str) -> Iterator[list[Row]]:
        """Cut rows into what one delivery holds: an uneven stretch of time."""
        rows = sorted(rows, key=lambda row: row[time])
        at = 0
        while at < len(rows):
            size = max(1, int(self._random.uniform(*self.delivery) * len(rows)))
            yield rows[at : at + size]
            at += size

    def _with_repeats(self, chunk: list[Row], rows: list[Row]) -> list[Row]:
        again = [row for row in rows if self._random.random() < self.duplicates / 4]
        return chunk + again

    def _changed(self, row: Row) -> Row:
        value = self._random.randrange(100_000, 600_000)
        return row | {"power_mw": value, "gap_reason": None}

    # ---- jobs and the rest ----

    def _job_files(self) -> None:
        events, holds = [], []
        for number in range(self.jobs):
            life, held = self._job(f"job-{number}", spans_midnight=number == 0)
            events += life
            holds += held
        for chunk in self._chunks(events, "ts_ms"):
            self._add("job_event", self._with_repeats(chunk, events), "host-0")
        for chunk in self._chunks(holds, "start_ms"):
            self._add("job_device", chunk, "host-0")
        renamed = [row | {"team": "other"} for row in events if self._random.random() < 0.2]
        self._add("job_event", renamed, "host-0")

    def _job(self, job_id: str, *, spans_midnight: bool) -> tuple[list[Row], list[Row]]:
        length_ms = self.end_ms - self.start_ms
        from_ms = self.start_ms + (length_ms // 5 if spans_midnight else self._random.randrange(length_ms))
        to_ms = min(
            self.end_ms, from_ms + (length_ms * 3 // 4 if spans_midnight else self._random.randrange(length_ms))
        )
        who = {"org": "Example", "team": self._random.choice(["a", "b"]), "project": "p", "model_version": "1"}
        who |= {"model": self._random.choice(["m", "n"])}
        events = [job_event(from_ms, job_id, "started", self._random.choice(PHASES), **who)]
        for _ in range(self._random.randrange(3)):
            at_ms = self._random.randrange(from_ms, to_ms + 1)
            events.append(job_event(at_ms, job_id, "phase_changed", self._random.choice(PHASES), **who))
        ends = spans_midnight or self._random.random() < 0.8
        if ends:
            state = self._random.choice(["completed", "completed", "failed", "cancelled"])
            events.append(job_event(to_ms, job_id, "ended", **who, state=state, exit_code=0))
        else:
            events.append(job_event(to_ms, job_id, "heartbeat", **who))
        holds = []
        for host, device, _ in self._random.sample(self.devices, self._random.randrange(1, len(self.devices) + 1)):
            share = self._random.choice([None, None, 0.25, 0.5, 0.9])
            held = {"host": host, "device": self._random.choice([device, device, "*"]), "share_fraction": share}
            holds.append(job_device(job_id, from_ms, end_ms=to_ms if ends else None, **held))
        return events, holds

    def _other_files(self) -> None:
        for host, device, _ in self.devices[:2]:
            names = {"asset_id": f"asset-{device}", "kind": "accelerator", "hardware_model": "NVIDIA H100 SXM"}
            asset = names | {"host": host, "device": device, "facility": "dc1", "parent_asset": None, "quantity": 1}
            at_ms = self.start_ms - self._random.randrange(1, 48) * MS_PER_HOUR
            self._add("asset_event", [asset | {"ts_ms": at_ms, "event": "in_service", "supplier_kgco2e": None}], host)
        work = []
        for hour in range(int(self.hours)):
            from_ms = self.start_ms + hour * MS_PER_HOUR
            names = {"job_id": "job-0", "service": None, "model": "m", "model_version": "1"}
            counts = {"requests_n": self._random.randrange(1000), "input_tokens_n": 10, "output_tokens_n": 20}
            span = {"start_ms": from_ms, "end_ms": from_ms + MS_PER_HOUR, "other_unit": None, "other_n": None}
            work.append(names | counts | span)
        self._add("work_counter", work, "host-0")

    def _add(self, table: str, rows: list[Row], host: str) -> None:
        """Add the files of one delivery: one an hour of the rows' time, each with its own time of writing."""
        time = "start_ms" if "start_ms" in (rows[0] if rows else {}) else "ts_ms"
        hours: dict[int, list[Row]] = {}
        for row in rows:
            hours.setdefault(row[time] // MS_PER_HOUR, []).append(row)
        for hour, group in sorted(hours.items()):
            self._sequence += 1
            # Some deliveries are written long after; some in the same millisecond.
            written_ms = (hour + 1) * MS_PER_HOUR + self._random.choice([0, 0, 60_000, 7_200_000, 86_400_000])
            content = landed_bytes(table, group, written_ms=written_ms, sequence=self._sequence, host=host)
            name = f"w{self.seed % 1000}-{self._sequence:06d}"
            self.files.append((landed_name(table, hour * MS_PER_HOUR, name), content))

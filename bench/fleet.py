"""A made-up fleet with the habits of a real one, for benchmarks: readings at 1 Hz and the jobs behind them.

What belongs here: readings. What must not be here: jobs (see ``fleetjobs``), and measuring of anything.

Habits: a clock that is read once a tick for a host and is some milliseconds late; power that follows jobs and wanders;
counters that integrate it; lost samples; hosts that are silent for minutes, half of which come back with new counters;
drivers that reload. With ``wraps``, CPU packages say what their register says, and it wraps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.fleetjobs import MS_PER_DAY, MS_PER_HOUR, JobDay, make_day
from warehouse import compaction
from warehouse.compaction.encoding import CODED_SCHEMA

TICKS = 3_600
WRAP_MJ = 262_143_328  # the range of Intel's 32-bit energy register at 61 microjoules a count
LOST_FRACTION = 0.0005
OUTAGES_PER_HOST_HOUR = 0.03
RELOADS_PER_HOST_HOUR = 0.02
RELOAD_S = 8
GPU_IDLE_W, GPU_RANGE_W = 90.0, 610.0
CPU_IDLE_W, CPU_RANGE_W = 110.0, 160.0
NOISE_STEP_W = 6.0  # with it, steps of power carry 1.8 bytes of information, as research/performance.md found
NOISE_MEMORY = 0.9
LATE_FRACTION = 0.0002

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class State:
    """What goes on into the next hour, by device: counters [mJ], sessions, noise and power [W]; and idle time [s]."""

    counter_mj: Matrix
    session: npt.NDArray[np.int32]
    noise_w: Matrix
    power_w: Matrix
    idle_s: float


class Fleet:
    """Hosts with GPUs and CPU packages. The same seed and the same first hour give the same readings."""

    def __init__(
        self, hosts_n: int, gpus_per_host: int = 8, cpus_per_host: int = 2, seed: int = 1, *, wraps: bool = False
    ) -> None:
        """Set up the fleet.

        Args:
            hosts_n: number of hosts.
            gpus_per_host: GPUs of a host.
            cpus_per_host: CPU packages of a host.
            seed: seed of all chance.
            wraps: whether the counters of CPU packages are registers that wrap, rather than unwrapped by the collector.
        """
        self.seed, self.wraps = seed, wraps
        self.gpus_per_host, self.cpus_per_host = gpus_per_host, cpus_per_host
        self.per_host = gpus_per_host + cpus_per_host
        self.hosts = [f"host-{at:05d}" for at in range(hosts_n)]
        self.gpus = [sorted(_uuid(seed, at, gpu) for gpu in range(gpus_per_host)) for at in range(hosts_n)]
        # GPU-... sorts before cpu-..., so devices are in the order of an hour file.
        packages = [f"cpu-package-{at}" for at in range(cpus_per_host)]
        self.devices = [device for gpus in self.gpus for device in (*gpus, *packages)]
        self.is_gpu = np.tile(np.arange(self.per_host) < gpus_per_host, hosts_n)
        self._states: dict[int, State] = {}
        self._days: dict[int, JobDay] = {}

    def jobs(self, day_ms: int) -> JobDay:
        """Return the jobs of a day.

        Args:
            day_ms: start of the day [epoch ms].
        """
        if day_ms not in self._days:
            self._days[day_ms] = make_day(self.seed, day_ms, self.hosts, self.gpus)
        return self._days[day_ms]

    def hour(self, hour_ms: int) -> pa.Table:
        """Return the readings of an hour in the order of an hour file, with texts as codes.

        Hours go on from one another: ask for them in order of time. An hour that was asked for before comes again the
        same; one that was left out passed without anybody reading the counters.

        Args:
            hour_ms: start of the hour [epoch ms].

        Returns:
            The columns of ``hourfile.HOUR_SCHEMA``, texts as dictionaries (cast to it for plain ones).

        Raises:
            ValueError: if the hour lies before those that were asked for.
        """
        state = self._state_at(hour_ms)
        chance = np.random.default_rng([self.seed, hour_ms // MS_PER_HOUR])
        ms, is_kept, restarts = self._ticks(chance)
        level_w = self._levels(hour_ms)
        noise_w = _wander(chance, level_w, state.noise_w)
        power_w = np.maximum(level_w + noise_w, 0.25 * level_w)
        counter_mj = self._counters(chance, ms, power_w, state)
        session = np.broadcast_to(state.session[:, None], power_w.shape).copy()
        for rows, tick in restarts:
            counter_mj[rows, tick:] -= counter_mj[rows, tick : tick + 1]
            session[rows, tick:] += 1
        self._states.setdefault(
            hour_ms + MS_PER_HOUR,
            State(
                counter_mj[:, -1].copy(),
                session[:, -1].copy(),
                noise_w[:, -1].copy(),
                power_w[:, -1].copy(),
                (MS_PER_HOUR - float(ms[:, -1].mean())) / 1000,
            ),
        )
        if self.wraps:
            counter_mj[~self.is_gpu] %= WRAP_MJ
        return self._table(hour_ms, chance, ms, is_kept, power_w, counter_mj, session, level_w, restarts)

    def landed(self, hour_ms: int, minutes_per_file: int) -> Iterator[tuple[str, int, pa.Table]]:
        """Yield the readings of an hour as collectors land them: a table for each host and some minutes.

        Args:
            hour_ms: start of the hour [epoch ms].
            minutes_per_file: minutes between two files of a host.

        Returns:
            Host, time of writing [epoch ms], rows with the columns of the landing contract.
        """
        table = self.hour(hour_ms).drop_columns(["source_file", "source_row"])
        hosts = table.column("host").combine_chunks().indices.to_numpy()
        window = (table.column("ts_ms").to_numpy() - hour_ms) // (minutes_per_file * 60_000)
        # Stable: rows of a host and window keep their order of device and time.
        order = np.argsort(hosts.astype(np.int64) * 100 + window, kind="stable")
        key = (hosts.astype(np.int64) * 100 + window)[order]
        cuts = np.append(np.flatnonzero(np.diff(key, prepend=-1)), len(key))
        for start, end in pairwise(cuts.tolist()):
            host, part = divmod(int(key[start]), 100)
            written_ms = hour_ms + (part + 1) * minutes_per_file * 60_000 + host % 997
            yield self.hosts[host], written_ms, table.take(order[start:end])

    def _state_at(self, hour_ms: int) -> State:
        if not self._states:
            chance = np.random.default_rng([self.seed, 0])
            devices_n = len(self.devices)
            level_w = np.where(self.is_gpu, GPU_IDLE_W, CPU_IDLE_W)
            begun = chance.integers(0, 10**9, devices_n).astype(np.float64)
            self._states[hour_ms] = State(
                begun, np.zeros(devices_n, np.int32), np.zeros(devices_n), level_w.astype(np.float64), 0.0
            )
        if hour_ms not in self._states:
            known = max((known for known in self._states if known < hour_ms), default=None)
            if known is None:
                msg = f"hour {hour_ms} lies before the first hour of this fleet"
                raise ValueError(msg)
            before = self._states[known]
            self._states[hour_ms] = replace(before, idle_s=before.idle_s + (hour_ms - known) / 1000)
        return self._states[hour_ms]

    def _ticks(
        self, chance: np.random.Generator
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], list[tuple[slice, int]]]:
        """Return milliseconds in the hour by host and tick, which samples there are, and where counters start anew."""
        shape = (len(self.hosts), TICKS)
        late = np.abs(chance.normal(0, 2.0, shape))
        is_late = chance.random(shape) < LATE_FRACTION
        late[is_late] += chance.uniform(50, 450, int(is_late.sum()))
        ms = np.arange(TICKS) * 1000 + np.minimum(late, 999).astype(np.int64)
        is_kept = chance.random((len(self.devices), TICKS)) >= LOST_FRACTION
        restarts: list[tuple[slice, int]] = []
        for host in np.flatnonzero(chance.random(len(self.hosts)) < OUTAGES_PER_HOST_HOUR).tolist():
            length = int(chance.integers(40, 1201))
            start = int(chance.integers(1, TICKS - length))
            rows = slice(host * self.per_host, (host + 1) * self.per_host)
            is_kept[rows, start : start + length] = False
            if chance.random() < 0.5:
                restarts.append((rows, start + length))
        for host in np.flatnonzero(chance.random(len(self.hosts)) < RELOADS_PER_HOST_HOUR).tolist():
            tick = int(chance.integers(RELOAD_S + 1, TICKS - 1))
            restarts.append((slice(host * self.per_host, host * self.per_host + self.gpus_per_host), tick))
        return ms, is_kept, sorted(restarts, key=lambda restart: restart[1])

    def _levels(self, hour_ms: int) -> Matrix:
        """Return the power that jobs ask for, by device and tick [W]."""
        busy = np.zeros((len(self.hosts), self.per_host, TICKS), np.float32)
        for load in self.jobs(hour_ms // MS_PER_DAY * MS_PER_DAY).loads:
            start = max(0, (load.start_ms - hour_ms) // 1000)
            end = min(TICKS, (load.end_ms - hour_ms) // 1000)
            if start < end:
                busy[load.host, load.gpu, start:end] += load.busy_fraction
        np.minimum(busy, 1, out=busy)
        if self.gpus_per_host:
            busy[:, self.gpus_per_host :] = busy[:, : self.gpus_per_host].mean(axis=1, keepdims=True)
        flat = busy.reshape(len(self.devices), TICKS).astype(np.float64)
        flat *= np.where(self.is_gpu, GPU_RANGE_W, CPU_RANGE_W)[:, None]
        flat += np.where(self.is_gpu, GPU_IDLE_W, CPU_IDLE_W)[:, None]
        return flat

    def _counters(
        self, chance: np.random.Generator, ms: npt.NDArray[np.int64], power_w: Matrix, state: State
    ) -> Matrix:
        """Return counters that integrate the power, by device and tick [mJ]."""
        steps_ms = np.diff(ms, axis=1, prepend=0).astype(np.float64)
        steps_ms[:, 0] = ms[:, 0] + 1000 * state.idle_s
        counter_mj = power_w.copy()
        counter_mj[:, 1:] += power_w[:, :-1]
        counter_mj[:, 0] += state.power_w
        counter_mj *= 0.5
        # What happens between two readings of power, the counter sees.
        counter_mj += chance.standard_normal(counter_mj.shape, np.float32) * np.float32(NOISE_STEP_W / 2)
        np.maximum(counter_mj, 0, out=counter_mj)
        counter_mj *= np.repeat(steps_ms, self.per_host, axis=0)
        counter_mj[:, 0] += state.counter_mj
        return np.cumsum(counter_mj, axis=1, out=counter_mj)

    def _table(
        self,
        hour_ms: int,
        chance: np.random.Generator,
        ms: npt.NDArray[np.int64],
        is_kept: npt.NDArray[np.bool_],
        power_w: Matrix,
        counter_mj: Matrix,
        session: npt.NDArray[np.int32],
        level_w: Matrix,
        restarts: list[tuple[slice, int]],
    ) -> pa.Table:
        is_lost = np.zeros(is_kept.shape, np.bool_)
        for rows, tick in restarts:
            if rows.stop - rows.start < self.per_host:  # a driver reload says why it has no value
                is_lost[rows, tick - RELOAD_S : tick] = True
        busy = (level_w - GPU_IDLE_W) / GPU_RANGE_W
        util = np.where(busy > 0.01, busy * 100 + chance.standard_normal(busy.shape, np.float32) * 1.2, 0)
        places = np.flatnonzero(is_kept)
        device = (places // TICKS).astype(np.int32)
        lost = is_lost.ravel()[places]
        has_util = self.is_gpu[device] & ~lost
        of_device = _Texts(device)
        hosts = np.arange(len(self.devices)) // self.per_host
        columns: dict[str, Any] = {
            "ts_ms": hour_ms + np.repeat(ms, self.per_host, axis=0).ravel()[places],
            "host": of_device.coded([self.hosts[host] for host in hosts]),
            "device": of_device.coded(self.devices),
            "kind": of_device.coded(["gpu" if gpu else "cpu" for gpu in self.is_gpu]),
            "parent": of_device.coded(["node"] * len(self.devices)),
            "point": of_device.coded(["board" if gpu else "package" for gpu in self.is_gpu]),
            "power_mw": _known((power_w * 1000).ravel()[places].astype(np.int64), ~lost),
            "energy_mj": _known(counter_mj.ravel()[places].astype(np.int64), ~lost),
            "session": session.ravel()[places],
            "util_percent": _known(np.clip(util, 0, 100).ravel()[places].astype(np.uint8), has_util),
            "source": of_device.coded(["nvml_energy" if gpu else "rapl" for gpu in self.is_gpu]),
            "is_estimate": pa.array(np.zeros(len(places), np.bool_)),
            "gap_reason": pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(len(places), np.int32), mask=~lost), pa.array(["driver_lost"])
            ),
            "source_file": hosts[device].astype(np.int32),
            "source_row": np.arange(len(places), dtype=np.int32),
        }
        return pa.table([pa.array(columns[name]) for name in CODED_SCHEMA.names], schema=CODED_SCHEMA)


def write_hour(table: pa.Table, folder: Path) -> compaction.HourFile:
    """Write the readings of one hour as one hour file.

    Args:
        table: readings of ``Fleet.hour``, at least one.
        folder: folder of hour files.
    """
    hour_ms = table.column("ts_ms")[0].as_py() // MS_PER_HOUR * MS_PER_HOUR
    (file,) = compaction.write_hour(hour_ms, table, folder, max_series_n=table.num_rows)
    return file


class _Texts:
    """Makes text columns out of one text for each device."""

    def __init__(self, device: npt.NDArray[np.int32]) -> None:
        self._device = device

    def coded(self, texts: list[str]) -> pa.DictionaryArray:
        values = sorted(set(texts))
        place = {text: at for at, text in enumerate(values)}
        codes = np.array([place[text] for text in texts], np.int32)
        return pa.DictionaryArray.from_arrays(codes[self._device], values)


def _known(values: npt.NDArray[Any], is_known: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, mask=~is_known)


def _uuid(seed: int, host: int, gpu: int) -> str:
    digits = hashlib.sha256(f"{seed}/{host}/{gpu}".encode()).hexdigest()
    return f"GPU-{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def _wander(chance: np.random.Generator, like: Matrix, before: Matrix) -> Matrix:
    """Return noise that forgets slowly, going on from the hour before [W]."""
    noise = chance.standard_normal((like.shape[1], like.shape[0]), np.float32)
    noise *= np.float32(NOISE_STEP_W)
    last = before.astype(np.float32)
    for step in noise:  # along time: all devices at once
        last = last * np.float32(NOISE_MEMORY) + step
        step[:] = last
    return noise.T.astype(np.float64)

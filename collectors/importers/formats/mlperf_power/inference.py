"""Inference submissions of MLPerf with power: LoadGen's logs, and the log of the power analyser beside them.

What belongs here: the fields of these logs, the official method for them, and what they become in the ledger. What must
not be here: files and archives, names and options (see ``submission``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, NamedTuple

from ....contract import MAX_POWER_MW, MAX_TIME_MS, MIN_TIME_MS
from ....jobs.job import Job
from ...errors import NON_POSITIVE_POWER, OUT_OF_RANGE, TORN_ROW, UNPARSEABLE_NUMBER, UNPARSEABLE_TIME
from ...format import Assumption, Finding, Item, Rows, rejected
from ...moments import MomentError, moment_ms
from ...staging import Figure
from ..shared.integral import integrate
from ..shared.logfiles import LogFile
from ..shared.meters import Meter, Meters, Reading, Series
from ..shared.stated import UNKNOWN
from .mllog import Unread, number, records
from .submission import MS_PER_S, MW_PER_W, Names, Settings, figure_items, need_name, place_of

_STAMP = "%m-%d-%Y %H:%M:%S.%f"
_STATES = {"VALID": "completed", "INVALID": "failed"}
_PER_QUERY = ("SingleStream", "MultiStream")
"""Scenarios whose official figure is energy per query; that of the others is mean power."""
_MJ_PER_J = 1_000
_NS_PER_S = 1_000_000_000
_TOKENS_PER_S = re.compile(r"^(?:Completed t|T)okens per second\s*:\s*([0-9.]+)\s*$", re.MULTILINE)
_TOLERANCE_MS = 5_000
"""Clocks of the analyser's host and the system may differ by 5 s before it is told [ms]; a wrong zone is minutes."""


class RunFiles(NamedTuple):
    """The files of one run.

    Attributes:
        prefix: what stands before the usual names of its files, for example ``llama2-70b_Server_``, or an empty text.
        detail: LoadGen's detail log.
        spl: log of the power analyser.
        summary: LoadGen's summary, or ``None``.
        server: ``server.json`` of the measuring side, or ``None``.
    """

    prefix: str
    detail: LogFile
    spl: LogFile
    summary: LogFile | None
    server: LogFile | None


@dataclass(slots=True)
class _Power:
    """What an analyser's log says.

    Attributes:
        readings: readings above 0 W.
        watts: power of these readings as written [W], by their place in ``readings``.
        has_factor: whether it states a power factor, which only alternating current has.
        mark: the mark of its last line, for example ``2024-07-17_12-57-41_testing``.
    """

    readings: list[Reading] = field(default_factory=list)
    watts: list[float] = field(default_factory=list)
    has_factor: bool = False
    mark: str = ""


def inference_items(
    files: RunFiles, meters: Meters, settings: Settings, works: dict[tuple[str, int, int], str]
) -> Generator[Item, None, str]:
    """Yield the items of one run.

    Args:
        files: its files.
        meters: readings taken so far.
        settings: options of the import.
        works: host, start and end of the runs so far whose work has landed, with their names; a run that was published
            under a second name holds its host a second time, but did its work once.

    Returns:
        Identifier of the run.

    Raises:
        SourceError: if something that decides a figure is neither in the logs nor given.
    """
    said = {record.key: record.value for record in records(files.detail.lines()) if not isinstance(record, Unread)}
    power = yield from _read_power(files.spl)
    names = _names(files, said, power, settings)
    server = yield from _server(files.server)
    point = settings.point(_point(server, power), files.spl.shown)
    meter = Meter(settings.host(names, "node", "{system}"), "node", "node", point, settings.options["source"])
    series = yield from meters.take(meter, files.spl.shown, power.readings)
    window = _window(said)
    if window is None:
        yield Finding(f"{names.job_id}: there is no power_begin before a power_end, so its power lands without a job")
        return names.job_id
    yield from _clock(names, server, window)
    job = settings.job(names, "inference", _labels(names, said))
    yield from _job_items(job, meter.host, window, said)
    twin = works.setdefault((meter.host, *window), job.job_id)
    if twin == job.job_id:
        yield from _work(job, window, said, files.summary)
    else:
        yield Finding(
            f"{job.job_id} and {twin} are one run under two names: both hold the host and share its energy, and the "
            "work lands once"
        )
    yield from _figures(job, window, said, power, series)
    return names.job_id


def _names(files: RunFiles, said: Mapping[str, Any], power: _Power, settings: Settings) -> Names:
    place = place_of(files.spl.path)
    scenario = place.scenario or str(said.get("effective_scenario") or "")
    folder = files.spl.path.parent.name
    marked = "ranging" if power.mark.endswith("_ranging") else "run_1"
    mode = folder if re.fullmatch(r"ranging|run_\d+", folder) else marked
    flat = files.prefix.removesuffix("_").removesuffix(scenario).removesuffix("_")
    return Names(
        place.submitter,
        need_name(settings, "system", files.spl.shown, place.system),
        need_name(settings, "benchmark", files.spl.shown, place.benchmark, flat),
        scenario,
        mode,
    )


def _server(log: LogFile | None) -> Generator[Item, None, dict[str, Any]]:
    try:
        found = json.loads(log.text()) if log else {}
    except (ValueError, RecursionError) as error:
        yield Finding(f"{log.shown if log else ''} is left out: it is no JSON: {error}")
        return {}
    return found if isinstance(found, dict) else {}


def _point(server: Mapping[str, Any], power: _Power) -> str | None:
    """Return ``ac`` or ``dc`` from the configuration of the analyser or its readings, ``None`` if neither tells."""
    analysers = server.get("ptd_config")
    analysers = analysers if isinstance(analysers, list) else [analysers]
    if all(isinstance(item, dict) and "dc_flag" in item for item in analysers):
        return "dc" if any(item["dc_flag"] for item in analysers) else "ac"
    return "ac" if power.has_factor else None


def _window(said: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the window that MLPerf counts [epoch ms], ``None`` if there is none; LoadGen writes it in UTC."""
    try:
        begin_ms, end_ms = (moment_ms(str(said.get(key)), UTC, _STAMP) for key in ("power_begin", "power_end"))
    except MomentError:
        return None
    return (begin_ms, end_ms) if begin_ms < end_ms else None


def _read_power(log: LogFile) -> Generator[Item, None, _Power]:
    power = _Power()
    minutes: dict[str, int] = {}
    for row, line in enumerate(log.lines(), 1):
        if not line.startswith("Time,"):
            if line.strip():
                yield _refused(log, TORN_ROW, "is no reading", row, line)
            continue
        cells = line.split(",")
        fields = dict(zip(cells[:10:2], cells[1:10:2], strict=False))
        if "Watts" not in fields:
            yield _refused(log, TORN_ROW, "is cut off", row, line)
            continue
        try:
            ts_ms = _moment(fields["Time"], minutes)
            watts = float(fields["Watts"])
            power_mw = round(watts * MW_PER_W)
        except MomentError as error:
            yield _refused(log, error.reason, str(error), row, line)
            continue
        except (ValueError, OverflowError):
            yield _refused(log, UNPARSEABLE_NUMBER, f"{fields['Watts']!r} is no power", row, line)
            continue
        power.has_factor |= 0 < _factor(fields.get("PF", "")) < 1
        power.mark = fields.get("Mark", power.mark)
        if not MIN_TIME_MS <= ts_ms <= MAX_TIME_MS:
            yield _refused(log, UNPARSEABLE_TIME, f"{fields['Time']!r} is not between 2000 and 2100", row, line)
        elif power_mw <= 0:
            yield _refused(log, NON_POSITIVE_POWER, f"{watts:g} W; a running node draws more", row, line)
        elif power_mw > MAX_POWER_MW:
            yield _refused(log, OUT_OF_RANGE, f"{watts:g} W is more than any device draws", row, line)
        else:
            power.readings.append(Reading(row, ts_ms, power_mw))
            power.watts.append(watts)
    return power


def _refused(log: LogFile, reason: str, detail: str, row: int, line: str) -> Item:
    return rejected("power_sample", reason, detail, log.shown, row, {"line": line[:200]})


def _moment(text: str, minutes: dict[str, int]) -> int:
    """Return a stamp [epoch ms]; reading each minute once keeps long logs fast."""
    minute, second = text[:16], text[16:]
    if not re.fullmatch(r":[0-5]\d\.\d{3}", second):
        return moment_ms(text, UTC, _STAMP)
    if minute not in minutes:
        minutes[minute] = moment_ms(minute + ":00.000", UTC, _STAMP)
    return minutes[minute] + int(second[1:3]) * MS_PER_S + int(second[4:])


def _factor(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


def _clock(names: Names, server: Mapping[str, Any], window: tuple[int, int]) -> Iterator[Item]:
    """Say where the window lies outside what the measuring side noted in epoch seconds."""
    phases = server.get("phases")
    noted = phases.get("ranging" if names.run == "ranging" else "testing") if isinstance(phases, dict) else None
    try:
        first_ms, last_ms = (float(noted[at][0]) * MS_PER_S for at in (1, 2)) if noted else window
    except (TypeError, ValueError, IndexError, KeyError):
        return
    off_ms = min(window[0] - first_ms, 0) or max(window[1] - last_ms, 0)
    if abs(off_ms) > _TOLERANCE_MS:
        yield Finding(
            f"{names.job_id}: its window lies {off_ms / MS_PER_S:.0f} s outside of what server.json notes; its stamps "
            "are taken as UTC"
        )


def _labels(names: Names, said: Mapping[str, Any]) -> dict[str, object]:
    return {
        "submitter": names.submitter,
        "system": names.system,
        "benchmark": names.benchmark,
        "scenario": said.get("effective_scenario") or names.scenario,
        "mode": names.run,
        "sut": said.get("sut_name"),
        "loadgen": said.get("loadgen_version"),
    }


def _job_items(job: Job, host: str, window: tuple[int, int], said: Mapping[str, Any]) -> Iterator[Item]:
    begin_ms, end_ms = window
    state = _STATES.get(str(said.get("result_validity")))
    events = [job.event_row(begin_ms, "started"), job.event_row(end_ms, "ended", state=state)]
    yield Rows("job_event", events, read=len(events))
    yield Rows("job_device", [job.device_row(host, begin_ms, end_ms, device="node")])


def _work(job: Job, window: tuple[int, int], said: Mapping[str, Any], summary: LogFile | None) -> Iterator[Item]:
    queries = number(said.get("result_query_count"))
    length_s = _completion_s(said)
    samples = _samples(said, queries, length_s)
    tokens_per_s = _tokens_per_s(said, summary)
    tokens = None if tokens_per_s is None or length_s is None else round(tokens_per_s * length_s)
    if queries is None and samples is None and tokens is None:
        return
    if tokens is not None:
        yield Assumption("output tokens are LoadGen's tokens per second times the time over which it takes that rate")
    work = {
        "requests_n": None if queries is None else int(queries),
        "output_tokens_n": tokens,
        "other_unit": None if samples is None else "sample",
        "other_n": samples,
    }
    yield Rows("work_counter", [job.work_row(*window, work)], read=1)


def _completion_s(said: Mapping[str, Any]) -> float | None:
    """Return the time by which LoadGen divides samples and tokens [s], ``None`` where it cannot be found.

    Reference: mlcommons/inference, loadgen/results.cc: Offline divides by the longest latency, Server by the time when
    the last query was done, which its own rate of (queries - 1) gives back.
    """
    queries, per_s = number(said.get("result_query_count")), number(said.get("result_completed_samples_per_sec"))
    longest_ns = number(said.get("result_max_latency_ns"))
    if said.get("effective_scenario") == "Offline" and longest_ns:
        return longest_ns / _NS_PER_S
    return (queries - 1) / per_s if queries and per_s else None


def _samples(said: Mapping[str, Any], queries: float | None, length_s: float | None) -> float | None:
    """Return the samples that were done; the number asked for, which Offline logs as well, differs up to 43-fold."""
    per_query, per_s = number(said.get("effective_samples_per_query")), number(said.get("result_samples_per_second"))
    if said.get("effective_scenario") == "Offline":
        return float(round(per_s * length_s)) if per_s and length_s else None
    return float(queries * per_query) if queries and per_query else None


def _tokens_per_s(said: Mapping[str, Any], summary: LogFile | None) -> float | None:
    """Return the stated rate of output tokens; not the inferred one, which takes each sample for the same length."""
    rate = number(said.get("result_completed_tokens_per_second")) or number(said.get("result_tokens_per_second"))
    finer = _TOKENS_PER_S.search(summary.text()) if summary and rate else None  # the summary prints more digits
    return float(finer[1]) if finer else rate


def _figures(
    job: Job, window: tuple[int, int], said: Mapping[str, Any], power: _Power, series: Series
) -> Iterator[Item]:
    begin_ms, end_ms = window
    length_s = (end_ms - begin_ms) / MS_PER_S
    # Reference: mlcommons/power-dev, compliance/check.py: readings above 0 W strictly inside the window.
    inside = [
        watts for reading, watts in zip(power.readings, power.watts, strict=True) if begin_ms < reading.ts_ms < end_ms
    ]
    if not inside:
        yield Finding(f"{job.job_id}: no reading lies inside its window, so there is no energy of the run")
        return
    mean_w = sum(inside) / len(inside)
    figures = [("mean_power", mean_w, "W"), ("energy", mean_w * length_s, "J")]
    queries = number(said.get("result_query_count"))
    if said.get("effective_scenario") in _PER_QUERY and queries:
        figures.append(("energy_per_query", mean_w * length_s * _MJ_PER_J / queries, "mJ"))
    version = str(said.get("loadgen_version") or UNKNOWN)
    labels = {"readings": len(inside), "scenario": said.get("effective_scenario")}
    yield from figure_items(job, begin_ms, end_ms, figures, version, labels)
    integral = integrate(series, begin_ms, end_ms)
    yield Figure(job.job_id, "integral", integral.energy_j, "J")
    yield Figure(job.job_id, "integral_coverage", integral.covered_ms / (end_ms - begin_ms), "fraction")

"""What training and inference submissions of MLPerf share: names, options, and the figures of the official method.

What belongs here: where names come from, and the rows that both kinds make alike. What must not be here: the contents
of either kind's logs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import NamedTuple

from ....contract import PHASES, POINTS
from ....jobs.job import Job
from ...errors import SourceError
from ...format import Item, Option, Options, Rows
from ...staging import Figure
from ..shared.stated import Statement

METHOD = "mlperf_average"
"""Name of the official method; its two formulas stand in ``training`` and ``inference``."""
FORMAT_NAME = "mlperf-power"
MS_PER_S = 1_000
MW_PER_W = 1_000
_FIELDS = ("submitter", "system", "benchmark", "run", "number", "channel")
_SOURCES = ("meter", "ipmi", "redfish")

OPTIONS = (
    Option("point", "Where node power was measured; needed where the logs do not say.", choices=("ac", "dc")),
    Option("phase", "Phase of all runs; by default from the benchmark's name.", choices=PHASES),
    Option("system", "Name of the system; needed where no folder `results/SYSTEM/BENCHMARK` tells it."),
    Option("benchmark", "Name of the benchmark; needed where neither folders nor logs tell it."),
    Option(
        "host",
        "Host name, a pattern of {submitter} {system} {benchmark} {run} {number} {channel}; {number} is the first one "
        "in the run's name. By default {system}-{channel}, for inference {system}.",
    ),
    Option("source", "Interface that gave the readings.", choices=_SOURCES, default="meter"),
    Option("shift", "Seconds to add to the stamps of a power log with a wrong clock, for example sw_*=18000."),
    Option("org", "Organisation that answers for the runs."),
    Option("team", "Team of the runs."),
    Option("project", "Project of the runs."),
)


class Names(NamedTuple):
    """What a run is called.

    Attributes:
        submitter: who submitted it, or an empty text.
        system: system under test.
        benchmark: benchmark.
        scenario: scenario of an inference run, an empty text for training.
        run: the run among those of the same kind.
    """

    submitter: str
    system: str
    benchmark: str
    scenario: str
    run: str

    @property
    def job_id(self) -> str:
        """Identifier of the run, with the parts of its published path."""
        return "/".join(part for part in (self.system, self.benchmark, self.scenario, self.run) if part)


class Place(NamedTuple):
    """Parts of a published path ``SUBMITTER/results/SYSTEM/BENCHMARK[/SCENARIO]``; empty texts where it tells none."""

    submitter: str
    system: str
    benchmark: str
    scenario: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of one import.

    Attributes:
        options: options as given.
        shifts: pattern of channels -> what to add to their stamps [ms].
    """

    options: Options
    shifts: Mapping[str, int]

    @classmethod
    def of(cls, options: Options) -> Settings:
        """Return the settings.

        Raises:
            SourceError: if an option cannot be used.
        """
        shifts = {}
        for part in filter(None, options.get("shift", "").split(",")):
            pattern, _, seconds = part.partition("=")
            if not re.fullmatch(r"-?\d+(\.\d{1,3})?", seconds):
                msg = f"--shift {part!r} is not of the form PATTERN=SECONDS, for example sw_*=18000"
                raise SourceError(None, msg)
            shifts[pattern.strip()] = round(float(seconds) * MS_PER_S)
        return cls(options, shifts)

    def shift_ms(self, channel: str) -> int:
        """Return what to add to the stamps of a channel [ms]."""
        return next((shift for pattern, shift in self.shifts.items() if fnmatchcase(channel, pattern)), 0)

    def point(self, stated: str | None, log: str) -> str:
        """Return where power was measured.

        Args:
            stated: what the log says, or ``None``.
            log: name under which the log is told.

        Raises:
            SourceError: if neither the log nor the option says it, or they contradict.
        """
        given = self.options.get("point")
        if stated is None and given is None:
            msg = "does not say whether power was measured before (ac) or behind (dc) the power supply; give --point"
            raise SourceError(log, msg)
        if stated is not None and given is not None and stated != given:
            msg = f"says {stated}, and --point says {given}; leave --point out, or import the log alone"
            raise SourceError(log, msg)
        point = stated or given or ""
        if point not in POINTS:
            msg = f"names the measuring point {point!r}, which is none of ac, dc; give --point"
            raise SourceError(log, msg)
        return point

    def host(self, names: Names, channel: str, default: str) -> str:
        """Return the name of a host.

        Args:
            names: names of the run.
            channel: name of the power log, for example ``node_0``.
            default: pattern where none is given.

        Raises:
            SourceError: if the pattern cannot be used.
        """
        number = re.search(r"\d+", names.run)
        fields = {**names._asdict(), "number": number[0] if number else "", "channel": channel}
        pattern = self.options.get("host", default)
        if set(re.findall(r"{([^{}]*)}", pattern)) - set(_FIELDS):
            msg = f"--host {pattern!r} is no pattern of " + " ".join(f"{{{name}}}" for name in _FIELDS)
            raise SourceError(None, msg)
        return re.sub(r"{(\w+)}", lambda match: str(fields[match[1]]), pattern)

    def job(self, names: Names, phase: str, labels: Mapping[str, object]) -> Job:
        """Return the job of a run; labels without a value are left out."""
        given = self.options
        return Job(
            job_id=names.job_id,
            org=given.get("org"),
            team=given.get("team"),
            project=given.get("project"),
            model=names.benchmark,
            phase=given.get("phase", phase),
            labels={name: str(value) for name, value in labels.items() if value not in (None, "")},
        )


def place_of(path: PurePosixPath) -> Place:
    """Return what the path of a file says, counted from the last folder ``results`` in it."""
    parts = path.parts[:-1]
    if "results" not in parts:
        return Place("", "", "", "")
    at = len(parts) - 1 - parts[::-1].index("results")
    system, benchmark, scenario = (*parts[at + 1 : at + 4], "", "", "")[:3]
    return Place(parts[at - 1] if at else "", system, benchmark, scenario)


def need_name(settings: Settings, option: str, log: str, *found: str | None) -> str:
    """Return a name from an option or the first place that tells it.

    Args:
        settings: options of the import.
        option: option that wins, for example ``system``.
        log: name under which the log is told.
        *found: what path and log say; placeholders that a submitter left in its template count as nothing.

    Raises:
        SourceError: if nothing tells it.
    """
    for name in (settings.options.get(option), *found):
        if name and "PLACEHOLDER" not in name.upper():
            return name
    msg = f"is in no folder results/SYSTEM/BENCHMARK; import the folder that holds `results`, or give --{option}"
    raise SourceError(log, msg)


def figure_items(
    job: Job,
    start_ms: int,
    end_ms: int,
    figures: Sequence[tuple[str, float, str]],
    version: str,
    labels: Mapping[str, object],
) -> Iterator[Item]:
    """Yield the official figures of a run, to be shown and to land beside ours.

    Args:
        job: the run.
        start_ms: its start [epoch ms].
        end_ms: its end [epoch ms].
        figures: quantity, value and unit of each.
        version: version of LoadGen, or ``UNKNOWN``.
        labels: what else the method takes from the logs; without a value: left out.
    """
    texts = {name: str(text) for name, text in labels.items() if text not in (None, "")}
    statement = Statement("mlperf", METHOD, "job", job.job_id, start_ms, end_ms, version, job.job_id, labels=texts)
    for quantity, value, unit in figures:
        yield Figure(job.job_id, METHOD, value, unit)
        yield Rows("stated_figure", [statement.figure(quantity, value, unit)])

"""Logs of carbontracker: the standard log and the output log of each run.

What belongs here: which files make a run, options, the course of an import and what it tells. What must not be here:
the text of the logs (``log``), landing rows (``run``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from ....contract import MAX_TIME_MS, MIN_TIME_MS
from ...errors import OUT_OF_RANGE, TORN_ROW, RejectedRow, SourceError
from ...format import Assumption, Finding, Format, Item, LeftOut, Option, Options, Source, files_matching, rejected
from ...moments import MomentError, moment_ms, zone_of
from ..shared.runs import FACILITY, ORG, PHASE, PROJECT, TEAM, ZONE, Batches, run_job
from .log import Consumption, Epoch, Section, consumptions, sections
from .run import (
    MS_PER_S,
    TOOL,
    Interval,
    energy_kwh,
    intensity_rows,
    intervals,
    job_rows,
    names_of,
    powers_w,
    sample_rows,
    stated_rows,
)

_NAME = re.compile(r"(?P<run>.*?)_?carbontracker(?P<output>_output)?\.log(\.gz|\.bz2|\.xz)?")
_PATTERNS = tuple(
    f"*carbontracker{part}.log{packed}" for part in ("", "_output") for packed in ("", ".gz", ".bz2", ".xz")
)
_OFF = 0.02
"""Part by which the stated energy may differ from the sum over epochs: powers are printed with few digits."""


@dataclass(slots=True)
class _Files:
    """The two logs of a run."""

    standard: Path | None = None
    output: Path | None = None


def _find(path: Path) -> list[Path]:
    """Return the logs of a folder; of a standard log also the output log beside it, and the other way round."""
    if path.is_dir():
        return files_matching(path, *_PATTERNS)
    run = _run_of(path)
    beside = [other for pattern in _PATTERNS for other in path.parent.glob(pattern) if _run_of(other) == run]
    return sorted({path, *beside})


def _run_of(path: Path) -> str:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise SourceError(
            str(path), "is no log of carbontracker: it must be named ..._carbontracker.log or ..._output.log"
        )
    return match["run"]


def _read(source: Source, options: Options) -> Iterator[Item]:
    """Yield the items of all runs, one run at a time."""
    zone = zone_of(options.need("zone"))
    runs: dict[str, _Files] = {}
    for path in source.files:
        match = _NAME.fullmatch(path.name)
        files = runs.setdefault(match["run"] if match else path.name, _Files())
        name = "output" if match and match["output"] else "standard"
        if getattr(files, name) is not None:
            raise SourceError(
                source.shown(path), f"names the same run as {source.shown(getattr(files, name))}; rename one"
            )
        setattr(files, name, path)
    yield from _assumptions(options)
    batches = Batches()
    told = _Told()
    for run, files in runs.items():
        yield from _Run(run, files, source, options, zone, told).items(batches)
    yield from batches.rest()
    yield from told.findings()


def _assumptions(options: Options) -> Iterator[Assumption]:
    yield Assumption(f"times are local time in {options['zone']}; an epoch ends when the log reports it")
    yield Assumption("each run is a host of its own, named after its log: the log names no host")
    yield Assumption(
        "NVIDIA GPUs and RAPL domains were read; other processors and Apple's chips are estimates. Simulated hardware, "
        "which carbontracker can report under any name, would be taken for read"
    )
    yield Assumption("between two epochs carbontracker measures nothing; that time is a gap, not 0 J")


@dataclass(slots=True)
class _Told:
    """What looks wrong, by the runs of which it holds."""

    runs: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, text: str, run: str) -> None:
        self.runs.setdefault(text, {})[run] = None

    def findings(self) -> Iterator[Finding]:
        for text, runs in self.runs.items():
            names = list(runs)
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            yield Finding(f"{', '.join(names[:5])}{more}: {text}")


@dataclass(slots=True)
class _Run:
    """One run, or several that wrote into one file, on their way into landing."""

    name: str
    files: _Files
    source: Source
    options: Options
    zone: tzinfo
    told: _Told

    def items(self, batches: Batches) -> Iterator[Item]:
        """Yield the items of the run; its rows go through ``batches``."""
        found: list[tuple[str, Section, list[Interval]]] = []
        if self.files.standard is not None:
            for number, section in enumerate(sections(self.source.lines(self.files.standard)), 1):
                job_id = f"{TOOL}-{self.name}" + (f"#{number}" if number > 1 else "")
                epochs: list[Interval] = []
                yield from self._epochs(section, epochs)
                if epochs:
                    found.append((job_id, section, epochs))
                    yield from batches.add(self._rows(job_id, section, epochs), read=len(epochs))
            if not found:
                self.told.add("no epoch ended, so nothing is known of it", self.name)
        elif self.files.output is not None:
            self.told.add(
                "has no standard log beside its output log, so no energy lands, only what it states", self.name
            )
        if self.files.output is not None:
            yield from self._statements(self.files.output, found, batches)

    def _epochs(self, section: Section, good: list[Interval]) -> Iterator[RejectedRow]:
        """Put the epochs that can be read into a list; yield the others."""
        shown = self.source.shown(self.files.standard) if self.files.standard else self.name
        read: list[tuple[Epoch, float, int]] = []
        for epoch in section.epochs:
            reason, detail, end_ms = TORN_ROW, f"epoch {epoch.number} has no duration: the log is cut off", 0
            if epoch.duration_s is not None:
                try:
                    end_ms = moment_ms(epoch.stamp, self.zone)
                    reason, detail = (
                        OUT_OF_RANGE,
                        f"{epoch.stamp} is not between 2000 and 2100, or before the epoch before",
                    )
                except MomentError as error:
                    reason, detail = error.reason, str(error)
            least = read[-1][2] if read else MIN_TIME_MS
            if epoch.duration_s is not None and least <= end_ms <= MAX_TIME_MS:
                read.append((epoch, epoch.duration_s, end_ms))
            else:
                yield rejected("power_sample", reason, detail, shown, epoch.line, {"stamp": epoch.stamp})
        good += intervals(read)

    def _rows(self, job_id: str, section: Section, epochs: list[Interval]) -> dict[str, list[dict[str, object]]]:
        self._check_devices(section, epochs)
        labels = {"carbontracker_version": section.version} if section.version else {}
        labels |= {f"{component}_model": ", ".join(names) for component, names in section.devices.items()}
        job = run_job(self.options, job_id, model=self.options.get("model"), labels=labels)
        return {
            "power_sample": sample_rows(job_id, section, epochs),
            **job_rows(job, epochs),
            "stated_figure": intensity_rows(section, job_id, epochs[0].start_ms, epochs[-1].end_ms),
        }

    def _check_devices(self, section: Section, epochs: list[Interval]) -> None:
        for _, _, epoch in epochs:
            for component in {*section.devices, *epoch.power_w}:
                kinds = {"gpu"} if component == "gpu" else {"cpu", "dram"}
                if not any(device.kind in kinds for device in powers_w(section, epoch)):
                    text = f"some epochs have no power of the {component}, or 0 W; its energy in them is not known"
                    self.told.add(text, self.name)
            if any(len(names_of(section, name)) > 1 for name in epoch.is_mean_of_devices):
                self.told.add(
                    "the log has the mean power over several devices of a component; it lands for each of them, while "
                    "carbontracker's own total counts it once",
                    self.name,
                )

    def _statements(
        self, path: Path, found: list[tuple[str, Section, list[Interval]]], batches: Batches
    ) -> Iterator[Item]:
        """Yield what the output log states; a statement that is there twice counts once."""
        seen: set[tuple[bool, int | None, str]] = set()
        for said in consumptions(self.source.lines(path)):
            try:
                stamp_ms = moment_ms(said.stamp, self.zone)
            except MomentError as error:
                yield rejected(
                    "stated_figure", error.reason, str(error), self.source.shown(path), said.line, {"stamp": said.stamp}
                )
                continue
            key = (said.is_prediction, said.epochs_n, said.stamp)
            if key in seen:
                yield LeftOut(1)
                continue
            seen.add(key)
            yield from batches.add({"stated_figure": self._stated(said, stamp_ms, found)}, read=1)

    def _stated(
        self, said: Consumption, stamp_ms: int, found: list[tuple[str, Section, list[Interval]]]
    ) -> list[dict[str, object]]:
        length_ms = round(said.duration_s * MS_PER_S)
        begun = [run for run in found if run[2][0].end_ms <= stamp_ms]
        if not begun:
            start_ms = stamp_ms if said.is_prediction else stamp_ms - length_ms
            return stated_rows(said, None, f"{TOOL}-{self.name}", start_ms, start_ms + length_ms)
        job_id, section, epochs = begun[-1]
        start_ms = epochs[0].start_ms
        if said.is_prediction:
            return stated_rows(said, section, job_id, start_ms, start_ms + length_ms)
        self._check_total(said, section, [epoch for epoch in epochs if epoch.end_ms <= stamp_ms])
        return stated_rows(said, section, job_id, start_ms, max(stamp_ms, start_ms))

    def _check_total(self, said: Consumption, section: Section, epochs: list[Interval]) -> None:
        if section.pue is None:
            return
        expected_kwh = energy_kwh(section, epochs) * section.pue
        if abs(expected_kwh - said.energy_kwh) > _OFF * max(expected_kwh, said.energy_kwh):
            self.told.add(
                "the actual consumption that it states is not that of its epochs times its PUE "
                f"({said.energy_kwh:.6g} against {expected_kwh:.6g} kWh); the epochs are taken",
                self.name,
            )


FORMAT = Format(
    TOOL,
    "log files of carbontracker (..._carbontracker.log and ..._carbontracker_output.log): a file or a folder",
    _find,
    _read,
    (ZONE, PHASE, Option("model", "model that is trained; without it none"), ORG, TEAM, PROJECT, FACILITY),
)

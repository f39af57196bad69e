"""BoAmps reports: JSON in the data model of Boavizta, also as CodeCarbon writes them.

What belongs here: files, options, landing rows of a report, what is told of it. What must not be here: what the fields
of a report mean (``report``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....contract import PHASES
from ....jobs.job import Job
from ...energy import MJ_PER_KWH, counter_rows, session_of
from ...errors import CONFLICTING_ROW, MISSING_VALUE, TORN_ROW, RefusedError, SourceError
from ...format import Assumption, Finding, Format, Item, LeftOut, Option, Options, Source, files_matching, rejected
from ...moments import zone_of
from ..shared.runs import FACILITY, ORG, PROJECT, TEAM, ZONE, Batches, run_job
from ..shared.stated import UNKNOWN, Statement
from .report import CODECARBON, MOST_PARAMETERS, REPORT_END, Measure, Report

TOOL = "boamps"
MOST_NODE_W = 50_000.0
"""Power of a machine above which the ledger takes a rise for a reset, unless configured (docs/energy.md) [W]."""
_W_PER_KWH_PER_MS = 3.6e9
_SHOWN_TEXT = 2_000
_LABELS = {
    "task_stage": ("task", "taskStage"),
    "description": ("task", "taskDescription"),
    "country": ("environment", "country"),
    "location": ("environment", "location"),
    "infra_type": ("infrastructure", "infraType"),
    "cloud_instance": ("infrastructure", "cloudInstance"),
    "cloud_service": ("infrastructure", "cloudService"),
    "report_status": ("header", "reportStatus"),
    "confidentiality": ("header", "publisher", "confidentialityLevel"),
    "quality": ("quality",),
}


def _read(source: Source, options: Options) -> Iterator[Item]:
    """Yield the items of all reports."""
    zone = zone_of(options.need("zone"))
    yield from _assumptions(options)
    batches = Batches()
    seen: dict[str, Report] = {}
    reports_n = 0
    for path in source.files:
        shown = source.shown(path)
        for number, fields in enumerate(_objects(source, path), 1):
            if isinstance(fields, str):
                yield rejected("power_sample", TORN_ROW, "is no JSON", shown, number, {"text": fields[:_SHOWN_TEXT]})
                reports_n += 1
                continue
            if not isinstance(fields, dict) or not isinstance(fields.get("measures"), list):
                if len(source.files) == 1:
                    raise SourceError(shown, "is no BoAmps report: it has no measures")
                yield Finding(f"{shown}: is no BoAmps report, it has no measures; it is left out")
                yield LeftOut(1)
                continue
            reports_n += 1
            report = Report(fields)
            known = seen.setdefault(report.job_id, report)
            if known is report:
                measures = list(report.measures(zone, options["without_time"]))
                yield from _refused(report, measures, shown, number)
                yield from _landed(report, [item for item in measures if isinstance(item, Measure)], options, batches)
            elif known == report:
                yield LeftOut(1)
            else:
                detail = f"another report of this import has the same reportId {report.text('header', 'reportId')!r}"
                yield rejected("power_sample", CONFLICTING_ROW, detail, shown, number, dict(fields))
    if not reports_n:
        raise SourceError(str(source.root), "holds no BoAmps report: no JSON file has measures")
    yield from batches.rest()


def _objects(source: Source, path: Path) -> Iterator[object]:
    """Yield the object of a file, or those of a list; a file that is no JSON gives its text."""
    text = source.read_bytes(path).decode("utf-8-sig", "replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        yield text
        return
    if isinstance(found, list):
        yield from (item for item in found if not isinstance(item, str))
    elif not isinstance(found, str):
        yield found


def _assumptions(options: Options) -> Iterator[Assumption]:
    yield Assumption(f"times are local time in {options['zone']}")
    yield Assumption(
        "measurementDateTime is when a measure began, as the data model has it; where CodeCarbon wrote the report, "
        "with that time in reportDatetime too, it is when it ended"
    )
    yield Assumption(
        "the energy of a report is that of one machine: measured if by a wattmeter, else an estimate, as programs add "
        "up parts of a machine and model some; overhead that they may have added is in it"
    )
    yield Assumption("each report is a host of its own: it names none")
    yield Assumption("tokens of an inference are those of one request on average, as the data model has it")
    if options["without_time"] == REPORT_END:
        yield Assumption("measures that state no time ended at the date of their report")


def _refused(report: Report, measures: list[Measure | RefusedError], shown: str, number: int) -> Iterator[Item]:
    """Yield the measures that cannot be used; a report without any is one row."""
    for item in measures:
        if isinstance(item, RefusedError):
            yield rejected("power_sample", item.reason, str(item), shown, number, dict(report.fields))
    if not measures:
        yield rejected("power_sample", MISSING_VALUE, "has no measure", shown, number, dict(report.fields))


def _landed(report: Report, measures: list[Measure], options: Options, batches: Batches) -> Iterator[Item]:
    """Yield what a report is told for; its rows go through ``batches``."""
    if not measures:
        return
    taken = _taken(measures)
    job = _job(report, options)
    yield from _findings(report, measures, taken, job)
    rows: dict[str, list[dict[str, Any]]] = {
        "power_sample": [row for measure in taken if measure.energy_kwh for row in _samples(job.job_id, measure)],
        "job_event": [
            job.event_row(min(measure.start_ms for measure in taken), "started"),
            job.event_row(max(measure.end_ms for measure in taken), "ended", **_quality(report)),
        ],
        "job_device": [job.device_row(job.job_id, measure.start_ms, measure.end_ms) for measure in taken],
        "work_counter": _work(report, taken, job),
        "stated_figure": [row for measure in measures for row in _stated(report, measure, job)],
    }
    yield from batches.add(rows, read=len(measures))


def _taken(measures: list[Measure]) -> list[Measure]:
    """Return the measures whose energy counts: of those that overlap in time a wattmeter's, else the first."""
    taken: list[Measure] = []
    for measure in sorted(measures, key=lambda measure: not measure.is_meter):
        if not any(measure.overlaps(other) for other in taken):
            taken.append(measure)
    return sorted(taken, key=lambda measure: measure.start_ms)


def _job(report: Report, options: Options) -> Job:
    labels = {name: value for name, path in _LABELS.items() if (value := report.text(*path))}
    return run_job(
        options,
        report.job_id,
        org=options.get("org") or report.text("header", "publisher", "name"),
        team=options.get("team") or report.text("header", "publisher", "division"),
        project=options.get("project") or report.text("header", "publisher", "projectName"),
        model=report.model,
        task=report.text("task", "taskFamily"),
        phase=report.phase,
        provider=report.provider,
        parameters_n=report.parameters_n,
        labels=labels,
    )


def _quality(report: Report) -> dict[str, object]:
    accuracy = report.number("task", "measuredAccuracy")
    return {} if accuracy is None else {"quality_metric": "accuracy", "quality_value": accuracy}


def _samples(host: str, measure: Measure) -> list[dict[str, Any]]:
    return counter_rows(
        host=host,
        device="node",
        kind="node",
        point="ac" if measure.is_meter else "dc",
        source="meter" if measure.is_meter else "model",
        start_ms=measure.start_ms,
        end_ms=measure.end_ms,
        energy_mj=round(measure.energy_kwh * MJ_PER_KWH),
        session=session_of(TOOL, host, str(measure.start_ms)),
        is_estimate=not measure.is_meter,
    )


def _work(report: Report, taken: list[Measure], job: Job) -> list[dict[str, Any]]:
    """Return the work of an inference; with several measures it is not known how they share it."""
    requests = report.number("task", "nbRequest")
    if report.phase != "inference" or not requests or requests < 0 or len(taken) != 1:
        return []
    work = {
        "requests_n": round(requests),
        "input_tokens_n": report.tokens_n("input"),
        "output_tokens_n": report.tokens_n("output"),
    }
    return [job.work_row(taken[0].start_ms, taken[0].end_ms, work)]


def _stated(report: Report, measure: Measure, job: Job) -> list[dict[str, Any]]:
    """Return what a measure states, with the error that the report gives its figures."""
    says = Statement(
        source=TOOL,
        method=measure.method,
        version=measure.version or UNKNOWN,
        subject_kind="job",
        subject=job.job_id,
        start_ms=measure.start_ms,
        end_ms=measure.end_ms,
        job_id=job.job_id,
        provider=job.provider,
        labels=measure.labels,
    )
    error = report.error_fraction
    bounds = (
        {} if error is None else {"low": measure.energy_kwh * (1 - error), "high": measure.energy_kwh * (1 + error)}
    )
    made = [says.figure("energy", measure.energy_kwh, "kWh", **bounds)]
    intensity = report.number("environment", "powerSourceCarbonIntensity")
    if intensity is not None:
        made.append(says.figure("intensity", intensity, "gCO2e/kWh"))
    return made


def _findings(report: Report, measures: list[Measure], taken: list[Measure], job: Job) -> Iterator[Finding]:
    if len(taken) < len(measures):
        yield Finding(
            f"{job.job_id}: {len(measures)} measures of the same time are alternatives, so only that of "
            f"{', '.join(measure.method for measure in taken)} counts; the others are stated figures"
        )
    for measure in taken:
        if not measure.energy_kwh:
            yield Finding(f"{job.job_id}: states 0 kWh, which no machine draws; its energy is not known")
        if measure.energy_kwh * _W_PER_KWH_PER_MS / (measure.end_ms - measure.start_ms) > MOST_NODE_W:
            yield Finding(
                f"{job.job_id}: draws more than {MOST_NODE_W:,.0f} W, which the ledger takes for a reset; is "
                "powerConsumption in kWh?"
            )
        if "powerCalibrationMeasurement" in measure.labels:
            yield Finding(f"{job.job_id}: states the energy of a calibration; it is not subtracted")
    stage = report.text("task", "taskStage")
    if stage and report.phase is None:
        yield Finding(f"{job.job_id}: taskStage {stage!r} is no single phase; the job is {job.phase}")
    billions = [item.get("parametersNumber") for item in report.items("task", "algorithms")]
    if len(billions) == 1 and billions[0] and job.parameters_n is None:
        yield Finding(
            f"{job.job_id}: parametersNumber {billions[0]} is not taken; it counts in billions, to {MOST_PARAMETERS:g}"
        )
    if report.text("header", "reportStatus") == "corrective":
        yield Finding(f"{job.job_id}: corrects an earlier report; if that is in the ledger, discard it, or it stays")
    if report.is_from_codecarbon:
        yield Finding(
            f"{job.job_id}: is the run of {CODECARBON} with that id; where its emissions.csv is imported too, those "
            "parts count, and this report only states"
        )


FORMAT = Format(
    TOOL,
    "BoAmps reports (JSON), also those that CodeCarbon writes: a file or a folder",
    lambda path: files_matching(path, "*.json", "*.json.gz", "*.json.bz2", "*.json.xz"),
    _read,
    (
        ZONE,
        Option(
            "without_time",
            "what becomes of a measure without measurementDateTime: refused, or ended at reportDatetime, as in reports "
            "made with BoAmps's form from CodeCarbon",
            choices=("refuse", REPORT_END),
            default="refuse",
        ),
        Option("phase", "phase of reports whose taskStage names none, or several", choices=PHASES, default="unknown"),
        ORG,
        TEAM,
        PROJECT,
        FACILITY,
    ),
)

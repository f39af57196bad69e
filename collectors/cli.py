"""``wattledger-collect``: say what can be measured here, measure one command, or sample this host.

What belongs here: flags, environment, output and exit codes. What must not be here: how anything is measured.

Exit codes: 0 success; 2 wrong use (flags, missing landing folder, bad attribute); 3 with ``--require`` when nothing
is measured here; 4 when rows could not be written anywhere (``agent``). ``exec`` passes the command's own exit code
through; 127 and 126 for a command that is not found or cannot be executed, 128 + N for one that signal N ended.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

# What only one command needs is imported there: the agent lives for months on somebody else's memory.
from . import __version__
from .agent.loop import LoopSettings, SamplingLoop
from .clock import Wake
from .closed_sets import JOB_STATES, PHASES, TOLD_EVENTS, WORK_KINDS
from .settings.configured import configure
from .sources import Discovery, discover
from .usage import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .jobs.job import Job
    from .work.meter import WorkMeter

EXIT_USAGE, EXIT_NOT_MEASURED, EXIT_LOST_ROWS = 2, 3, 4

_TEXT_FLAGS = {
    "job_id": "identifier of the job; by default a new one",
    "org": "organisation that answers for the job",
    "team": "team that ran the job",
    "project": "project the job belongs to",
    "user_ref": "pseudonym of the person who ran the job",
    "model": "model that is trained or served",
    "model_version": "version of that model",
    "task": "what the job does with the model",
    "provider": "cloud provider: aws, gcp, azure",
    "region": "cloud region of the provider",
    "facility": "facility id of the configuration",
    "attempt": "attempt of the job, counted from 1",
    "parameters_n": "number of model parameters",
    "tokens_n": "number of tokens processed",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program name; by default those of the process.

    Returns:
        The exit code; see the module's text.
    """
    arguments = _parser().parse_args(argv)
    try:
        if hasattr(arguments, "config"):
            configure(arguments)
        return int(arguments.run(arguments))
    except UsageError as error:
        print(f"wattledger-collect: {error}", file=sys.stderr)
        return EXIT_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wattledger-collect",
        description="Measure the energy of this host and of the jobs on it.",
        epilog="Exit codes: 0 success; 2 wrong use; 3 nothing is measured (--require); 4 rows were lost (agent); "
        "exec passes the command's exit code through (127 not found, 126 not executable, 128+N ended by signal N).",
    )
    parser.add_argument("--version", action="version", version=f"wattledger-collect {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    probe = commands.add_parser("probe", help="say what is measured on this host, what is not, and how to change that")
    probe.add_argument("--json", action="store_true", help="print JSON instead of a table")
    probe.add_argument("--provider", default=os.environ.get("WATTLEDGER_PROVIDER"), help=_TEXT_FLAGS["provider"])
    _add_config_flag(probe)
    _add_source_flags(probe)
    probe.set_defaults(run=_probe)

    execute = commands.add_parser("exec", help="run a command and measure it as a job", usage="%(prog)s [flags] -- CMD")
    _add_job_flags(execute)
    execute.add_argument(
        "--hold",
        choices=("host", "share"),
        default=os.environ.get("WATTLEDGER_HOLD", "host"),
        help="what it holds: all of the host, or processors and memory by the CPU time it uses (or WATTLEDGER_HOLD)",
    )
    execute.add_argument("--gpus", metavar="LIST", help="with --hold share: its GPUs; or CUDA_VISIBLE_DEVICES")
    execute.add_argument("--work-url", metavar="URL", help="it serves models: count what its metrics at URL say")
    execute.add_argument("--work-kind", choices=WORK_KINDS, help="what server it is, with --work-url")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help="the command, after --")
    _add_sampling_flags(execute)
    execute.set_defaults(run=_exec)

    attach = commands.add_parser("attach", help="measure the parent process as a job; what `track` in Python starts")
    _add_job_flags(attach)
    attach.add_argument("--report", required=True, metavar="FILE", help="file in which the parent reports about itself")
    attach.add_argument("--parent-pid", required=True, type=int, metavar="PID", help="process id of the parent")
    _add_sampling_flags(attach)
    attach.set_defaults(run=_attach)

    agent = commands.add_parser("agent", help="sample this host until it is told to stop (SIGTERM, Ctrl-C)")
    agent.add_argument("--provider", default=os.environ.get("WATTLEDGER_PROVIDER"), help=_TEXT_FLAGS["provider"])
    agent.add_argument("--facility", default=os.environ.get("WATTLEDGER_FACILITY"), help=_TEXT_FLAGS["facility"])
    _add_sampling_flags(agent)
    agent.add_argument(
        "--metrics",
        metavar="[HOST:]PORT",
        default=os.environ.get("WATTLEDGER_METRICS"),
        help="answer Prometheus at this port of this host, or at 0.0.0.0:PORT (or WATTLEDGER_METRICS)",
    )
    agent.set_defaults(run=_agent)

    event = commands.add_parser("event", help="tell an event of a job, for the prolog and epilog of a scheduler")
    event.add_argument("event", choices=TOLD_EVENTS)
    _add_job_flags(event)
    _add_place_flags(event)
    event.add_argument("--device", action="append", default=[], metavar="ID", help="device it holds; by default all")
    event.add_argument("--gpus", metavar="LIST", help="GPUs it was given, indices or UUIDs; empty for none")
    event.add_argument("--share", type=float, metavar="F", help="part of these devices that it holds, 0 to 1")
    event.add_argument("--state", choices=JOB_STATES)
    event.add_argument("--exit-code", type=int, metavar="N")
    event.add_argument("--ts-ms", type=int, metavar="MS", help="time of the event, epoch milliseconds; by default now")
    event.set_defaults(run=_event)

    land = commands.add_parser("land", help="turn journals that a collector left behind into landing files")
    _add_place_flags(land)
    land.add_argument("--spool", metavar="DIR", help="folder of the journals; by default that of the collectors here")
    land.add_argument("--every-host", action="store_true", help="land the journals of other hosts too")
    land.set_defaults(run=_land)
    return parser


def _add_job_flags(parser: argparse.ArgumentParser) -> None:
    for name, text in _TEXT_FLAGS.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, dest=name, metavar="X", help=f"{text} (or WATTLEDGER_{name.upper()})")
    parser.add_argument("--phase", choices=PHASES, help="life-cycle phase (or WATTLEDGER_PHASE)")
    parser.add_argument("--label", action="append", default=[], metavar="K=V", help="free label; may be repeated")


def _add_config_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="configuration file (or WATTLEDGER_COLLECT_CONFIG)")


def _add_place_flags(parser: argparse.ArgumentParser) -> None:
    _add_config_flag(parser)
    parser.add_argument(
        "--landing", metavar="DIR", help="landing folder, or s3://bucket/prefix (or WATTLEDGER_LANDING); required"
    )
    parser.add_argument("--state-dir", metavar="DIR", help="folder for locks and spool; by default beside --landing")
    parser.add_argument("--host", help="name of this host in the rows (or WATTLEDGER_HOST); by default its host name")


def _add_sampling_flags(parser: argparse.ArgumentParser) -> None:
    _add_place_flags(parser)
    parser.add_argument("--interval-s", type=_positive, metavar="S", help="time between samples (1)")
    parser.add_argument("--flush-s", type=_positive, metavar="S", help="time between landings (300)")
    parser.add_argument("--spool-mb", type=_positive, metavar="MB", help="largest spool size (256)")
    _add_source_flags(parser)


def _add_source_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--estimate-denied",
        action="store_true",
        help="model a device whose counter this user may not read, marked as an estimate",
    )
    parser.add_argument("--require", action="store_true", help="exit with 3 when nothing is measured here")


def _positive(text: str) -> float:
    value = float(text)
    if not 0.001 <= value <= 86_400:
        msg = f"{text} is not between 0.001 and 86400 seconds"
        raise argparse.ArgumentTypeError(msg)
    return value


def _host(arguments: argparse.Namespace) -> str:
    return getattr(arguments, "host", None) or os.environ.get("WATTLEDGER_HOST") or os.uname().nodename or "unknown"


def _landing(arguments: argparse.Namespace) -> str:
    place: str | None = arguments.landing or os.environ.get("WATTLEDGER_LANDING")
    if not place:
        msg = "no landing folder: give --landing DIR or set WATTLEDGER_LANDING (for example .wattledger/landing)"
        raise UsageError(msg)
    return place if "://" in place else str(Path(place).absolute())


def _state_dir(arguments: argparse.Namespace, landing: str) -> Path:
    if arguments.state_dir:
        return Path(arguments.state_dir).absolute()
    if "://" not in landing:
        return Path(landing).resolve().parent / "collector-state"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "wattledger"


def _settings(arguments: argparse.Namespace, facility: str | None) -> LoopSettings:
    landing = _landing(arguments)
    return LoopSettings(
        host=_host(arguments),
        landing=landing,
        state_dir=_state_dir(arguments, landing),
        version=__version__,
        interval_s=arguments.interval_s,
        flush_s=arguments.flush_s,
        facility=facility,
        max_spool_bytes=int(arguments.spool_mb * (1 << 20)),
    )


def _exec(arguments: argparse.Namespace) -> int:
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    if not command:
        msg = "no command: wattledger-collect exec [flags] -- CMD"
        raise UsageError(msg)
    from .jobs.execute import run_job

    job = _job(arguments)
    settings = _settings(arguments, job.facility)
    found = _discover(arguments, job.provider)
    try:
        if arguments.require and not _is_measured(found):
            return EXIT_NOT_MEASURED
        work = _work(arguments, settings, job)
        result = run_job(command, job, settings, found.sources, hold=arguments.hold, gpus=arguments.gpus, work=work)
        return result.exit_code or 0
    finally:
        _close(found)


def _attach(arguments: argparse.Namespace) -> int:
    from .jobs.attach import run_attached

    job = _job(arguments)
    settings = _settings(arguments, job.facility)
    found = _discover(arguments, job.provider)
    try:
        if arguments.require and not _is_measured(found):
            return EXIT_NOT_MEASURED
        run_attached(job, SamplingLoop(settings, found.sources), Path(arguments.report), arguments.parent_pid)
        return 0
    finally:
        _close(found)


def _job(arguments: argparse.Namespace) -> Job:
    import dataclasses

    from .jobs.carriers import job_from
    from .jobs.job import parse_labels

    flags = {name: getattr(arguments, name) for name in (*_TEXT_FLAGS, "phase")}
    job = job_from({**flags, "labels": parse_labels(arguments.label)}, os.environ)
    of_host = {name: text for name, text in getattr(arguments, "of_host", {}).items() if getattr(job, name) is None}
    return dataclasses.replace(job, **of_host) if of_host else job


def _agent(arguments: argparse.Namespace) -> int:
    from .agent.run import run_agent

    settings = _settings(arguments, arguments.facility or arguments.of_host["facility"])
    stop = Wake()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    found = _discover(arguments, arguments.provider or arguments.of_host["provider"])
    try:
        if arguments.require and not _is_measured(found):
            return EXIT_NOT_MEASURED
        loop = SamplingLoop(settings, [*found.sources, *found.awaited()], work=_work(arguments, settings))
        if arguments.metrics:
            _serve_metrics(arguments.metrics, loop)
        return EXIT_LOST_ROWS if run_agent(loop, stop).has_loss else 0
    finally:
        _close(found)


def _work(arguments: argparse.Namespace, settings: LoopSettings, job: Job | None = None) -> WorkMeter | None:
    """Return what counts the work of inference servers; nothing is loaded where there are none."""
    if not (arguments.work if job is None else arguments.work_url):
        return None
    from .work.flags import meter_of

    return meter_of(arguments, settings, job)


def _event(arguments: argparse.Namespace) -> int:
    from .jobs.carriers import is_stated
    from .jobs.events import devices_of, tell_event

    job = _job(arguments)
    if not is_stated(job):
        msg = "no job id: give --job-id, or run it where the scheduler tells one (SLURM_JOB_ID)"
        raise UsageError(msg)
    held = [(name, arguments.share) for name in arguments.device]
    if arguments.gpus is not None:
        found = discover(provider=job.provider)
        held += devices_of(
            arguments.gpus, [item for source in found.sources for item in source.devices()], arguments.share
        )
        _close(found)
    done = tell_event(
        job,
        arguments.event,
        host=_host(arguments),
        state_dir=_state_dir(arguments, _landing(arguments)),
        version=__version__,
        devices=held,
        share_fraction=arguments.share,
        state=arguments.state,
        exit_code=arguments.exit_code,
        ts_ms=arguments.ts_ms,
        tell=lambda text: print(f"wattledger-collect: {text}", file=sys.stderr),
    )
    return 0 if done else EXIT_LOST_ROWS


def _serve_metrics(address: str, loop: SamplingLoop) -> None:
    from .agent.exporter import MetricsServer, render

    host, _, port = address.rpartition(":")
    try:
        server = MetricsServer(
            (host.strip("[]") or "127.0.0.1", int(port)), lambda is_open: render(loop, is_open=is_open), loop.tell
        )
    except (ValueError, OverflowError, OSError) as error:
        msg = f"--metrics {address}: {error}; give a free port such as 9464, or 0.0.0.0:9464 for other hosts to scrape"
        raise UsageError(msg) from error
    server.start()


def _land(arguments: argparse.Namespace) -> int:
    from .spool.land import land

    landing = _landing(arguments)
    spool = Path(arguments.spool) if arguments.spool else _state_dir(arguments, landing) / "spool"
    report = land(spool, landing, host=None if arguments.every_host else _host(arguments))
    for problem in report.problems:
        print(f"wattledger-collect: {problem}", file=sys.stderr)
    print(f"{report.landed_n} files landed, {len(report.waiting)} journals wait in {spool}")
    return EXIT_LOST_ROWS if report.waiting else 0


def _probe(arguments: argparse.Namespace) -> int:
    from .probe import findings, is_measured, table

    found = _discover(arguments, arguments.provider or arguments.of_host["provider"], is_threaded=False)
    try:
        rows = findings(found)
    finally:
        _close(found)
    measured = is_measured(rows)
    if arguments.work:
        from .work.probe import work_findings

        rows += work_findings(arguments.work, host=_host(arguments))
    if arguments.json:
        report = {"host": _host(arguments), "version": __version__, "measured": measured, "findings": rows}
        print(json.dumps(report, indent=2))
    else:
        print(*table(rows), sep="\n")
        if not measured:
            print("\nNothing is measured here; values that are estimated are marked as estimates in every report.")
    return EXIT_NOT_MEASURED if arguments.require and not measured else 0


def _discover(arguments: argparse.Namespace, provider: str | None, *, is_threaded: bool = True) -> Discovery:
    return discover(provider=provider, options=arguments.sources, host=_host(arguments), is_threaded=is_threaded)


def _is_measured(found: Discovery) -> bool:
    from .probe import complaint, findings, is_measured

    rows = findings(found)
    if not is_measured(rows):
        print(*complaint(rows), sep="\n", file=sys.stderr)
    return is_measured(rows)


def _close(found: Discovery) -> None:
    for source in (*found.sources, *found.unavailable):
        source.close()

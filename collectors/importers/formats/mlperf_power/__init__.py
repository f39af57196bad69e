"""Power submissions of MLPerf Training and MLPerf Inference, as they are published.

What belongs here: which files make a run, and the format itself. What must not be here: the contents of the logs
(``training``, ``inference``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ...errors import SourceError
from ...format import Assumption, Finding, Format, Item, Options, Source, files_matching
from ..shared.logfiles import ARCHIVES, LogFile, log_files
from ..shared.meters import Meters
from .inference import RunFiles as InferenceFiles
from .inference import inference_items
from .submission import FORMAT_NAME, OPTIONS, Settings
from .training import RunFiles as TrainingFiles
from .training import training_items

_DETAIL, _SPL, _SUMMARY, _SERVER = "mlperf_log_detail", "spl.txt", "mlperf_log_summary.txt", "server.json"
_LOGS = ("node_*.txt", "sw_*.txt", "result*.txt", f"*{_DETAIL}*.txt", f"*{_SUMMARY}", f"*{_SPL}", f"*{_SERVER}")


class _Folder(NamedTuple):
    """A folder, and the archive in which it lies."""

    archive: str
    path: PurePosixPath


def _find(path: Path) -> list[Path]:
    """Return the logs and archives of a folder; of a training run's result log also its power logs."""
    if path.is_file():
        name = path.name.removesuffix(".gz")
        power = path.parent / "power" / name.removesuffix(".txt")
        return [path, *_found(power)] if name.endswith(".txt") and power.is_dir() else [path]
    return _found(path)


def _found(path: Path) -> list[Path]:
    return files_matching(path, *ARCHIVES, *_LOGS, *(f"{name}.gz" for name in _LOGS))


def _read(source: Source, options: Options) -> Iterator[Item]:
    """Yield the items of all runs, one run at a time."""
    settings = Settings.of(options)
    found: dict[_Folder, list[LogFile]] = defaultdict(list)
    for log in log_files(source):
        if any(log.path.match(pattern) for pattern in _LOGS):
            found[_Folder(log.archive, log.path.parent)].append(log)
    # In order of name, so that the same files give the same rows and sums whatever the order of an archive.
    folders = {folder: sorted(found[folder], key=lambda log: log.path) for folder in sorted(found)}
    training, inference = list(_training(folders)), list(_inference(folders))
    if not training and not inference:
        msg = "holds no run with power: neither node_N.txt logs nor spl.txt beside mlperf_log_detail.txt"
        raise SourceError(str(source.root), msg)
    if options["source"] == "meter" and training:
        yield Assumption("node power is taken as read by a meter (source meter); the logs do not name the instrument")
    if "host" not in options and len(training) > 1:
        yield Assumption("node_N of a system is taken as the same machine in all its runs; --host tells machines apart")
    meters = Meters()
    runs: set[str] = set()
    for files in training:
        yield from _once(training_items(files, meters, settings), runs)
    works: dict[tuple[str, int, int], str] = {}
    for run in inference:
        if isinstance(run, Finding):
            yield run
            continue
        yield from _once(inference_items(run, meters, settings, works), runs)


def _once(items: Generator[Item, None, str], runs: set[str]) -> Iterator[Item]:
    """Pass on the items of a run.

    Raises:
        SourceError: if a run of that name came before: the same files twice, or two systems under one name.
    """
    job_id = yield from items
    if job_id in runs:
        msg = f"{job_id} is there twice, for example as a folder and as its archive; import one of them"
        raise SourceError(None, msg)
    runs.add(job_id)


def _training(folders: dict[_Folder, list[LogFile]]) -> Iterator[TrainingFiles]:
    """Yield the training runs: each folder with node logs is one."""
    for folder, logs in folders.items():
        power = [log for log in logs if log.path.name.startswith(("node_", "sw_"))]
        if not any(log.path.name.startswith("node_") for log in power):
            continue
        name = folder.path.name
        if folder.path.parent.name == "power":
            beside = folders.get(_Folder(folder.archive, folder.path.parent.parent), [])
            results = [log for log in beside if log.path.name == f"{name}.txt"]
        else:
            results = [log for log in logs if log.path.name.startswith("result")]
            name = results[0].path.stem if len(results) == 1 else name
        if len(results) > 1:
            raise SourceError(power[0].shown, "lies beside several result logs; put each run into a folder of its own")
        yield TrainingFiles(name, results[0] if results else None, power)


def _inference(folders: dict[_Folder, list[LogFile]]) -> Iterator[InferenceFiles | Finding]:
    """Yield the inference runs: each ``spl.txt`` with a detail log beside it is one."""
    for folder, logs in folders.items():
        by_name = {log.path.name: log for log in logs}
        for name, spl in by_name.items():
            if not name.endswith(_SPL):
                continue
            prefix = name.removesuffix(_SPL)
            detail = next((log for other, log in by_name.items() if other.startswith(prefix + _DETAIL)), None)
            if detail is None:
                yield Finding(f"{spl.shown} is left out: it has no {prefix}{_DETAIL}.txt beside it")
                continue
            beside = folders.get(_Folder(folder.archive, folder.path.parent / "power"), [])
            common = next((log for log in beside if log.path.name == _SERVER), None)
            server = by_name.get(prefix + _SERVER, common)
            yield InferenceFiles(prefix, detail, spl, by_name.get(prefix + _SUMMARY), server)


FORMAT = Format(
    FORMAT_NAME,
    "power submissions of MLPerf Training and MLPerf Inference: a folder, or a tar archive of one",
    _find,
    _read,
    OPTIONS,
)

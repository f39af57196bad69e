"""What looks wrong in CodeCarbon's files although it is taken.

What belongs here: checks of runs, of tasks against their runs, and of runs against each other. What must not be here:
landing rows.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from ...energy import MJ_PER_J
from ...format import Finding
from .rows import MS_PER_S, TASK, Row
from .run import REACH_MS, Run, devices_mj, gpu_count, is_default_place

_SHOWN = 5
_OFF = 1e-3
"""Part of a sum by which its parts may miss it; what the tool prints has 16 digits, so more is a defect."""
_SLACK_MS = 2 * MS_PER_S
"""By how much two intervals may overlap because times are whole seconds [ms]."""
_PLAUSIBLE_W = {"gpu": 2_100.0, "cpu": 750.0, "dram": 1_000.0}
"""Largest power that the ledger believes of one device unless ``wattledger.toml`` says otherwise [W]: 1.5 times the
largest published limits (docs/energy.md). A counter that rises faster counts as reset."""


def run_findings(runs: Iterable[Run]) -> Iterator[Finding]:
    """Yield what is found in runs, one sentence for all runs of which it holds.

    Args:
        runs: all runs of the import.
    """
    held = list(runs)
    for holds_of, text in _CHECKS:
        found = [run.name for run in held if holds_of(run)]
        if found:
            yield Finding(f"{some(found)}: {text}")
    yield from _overlaps(held)


def some(names: list[str]) -> str:
    """Return the first names and how many there are more."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _rate_factor(row: Row) -> float | None:
    """Return the stated rate over emissions / duration; ``None`` where it cannot be formed."""
    rate = row.number_of("emissions_rate")
    if not rate or row.emissions_kg <= 0 or row.duration_s <= 0:
        return None
    return rate / (row.emissions_kg / row.duration_s)


def _between(low: float, high: float) -> Callable[[Run], bool]:
    return lambda run: any(low <= factor < high for row in run.rows if (factor := _rate_factor(row)) is not None)


def _rate_is_odd(run: Run) -> bool:
    factors = [factor for row in run.rows if (factor := _rate_factor(row)) is not None]
    return not all(0.5 <= factor < 2 or 500 <= factor < 2_000 for factor in factors)


def _parts_miss_the_sum(run: Run) -> bool:
    parts = sum(run.last.number_of(name) or 0 for name in ("cpu_energy", "gpu_energy", "ram_energy"))
    return not math.isclose(parts, run.last.energy_kwh, rel_tol=_OFF)


def _starts_again(run: Run) -> bool:
    return any(row.start_ms >= run.rows[0].end_ms for row in run.rows)


def _is_far_apart(run: Run) -> bool:
    stamps = [run.rows[0].start_ms, *(row.end_ms for row in run.rows)]
    return any(later - earlier > REACH_MS for earlier, later in itertools.pairwise(stamps))


def _is_implausible(run: Run) -> bool:
    row = run.last
    length_s = (row.end_ms - row.start_ms) / MS_PER_S
    return any(energy / MJ_PER_J / length_s > _PLAUSIBLE_W[device.kind] for device, energy in devices_mj(row).items())


_CHECKS: tuple[tuple[Callable[[Run], bool], str], ...] = (
    (
        lambda run: any(is_default_place(row) for row in run.rows),
        "the place is Canada (46.8, -71.2), which CodeCarbon takes where it cannot find out any; it is not taken here, "
        "but the stated emissions rest on it",
    ),
    (
        lambda run: any(row.is_stretched for row in run.rows),
        "the stated duration is that of the last task only; the start is worked out from energy and mean power",
    ),
    (
        _starts_again,
        "the duration starts again inside the run (tasks with flush); the run begins where its first line says",
    ),
    (_between(500, 2_000), "emissions_rate is in g/s, as before 2022-11-18; it is used for nothing"),
    (_rate_is_odd, "emissions_rate is not emissions over duration; it is used for nothing"),
    (_parts_miss_the_sum, "cpu, gpu and ram do not add up to energy_consumed; the parts are taken"),
    (
        lambda run: gpu_count(run.last) > 0 and not run.last.energy_mj.gpu,
        "GPUs are stated with an energy of 0, which no GPU draws; theirs is not known",
    ),
    (
        lambda run: bool(run.last.energy_mj.gpu) and not gpu_count(run.last),
        "the energy of GPUs is stated without their number; it lands as one GPU",
    ),
    (
        lambda run: not run.last.energy_mj.cpu or not run.last.energy_mj.dram,
        "the energy of processors or memory is 0, which no machine draws; theirs is not known",
    ),
    (
        _is_far_apart,
        "more than 24 h lie between two lines, so the energy is spread evenly over them; import all lines of such a "
        "run at once, when it has ended",
    ),
    (
        _is_implausible,
        "a device draws more than the ledger believes and would count as reset; raise max_power_w in [accounting], or "
        "check the number of GPUs",
    ),
)


def _overlaps(runs: list[Run]) -> Iterator[Finding]:
    """Yield a finding for machines that two runs measured as a whole at the same time."""
    machines: dict[tuple[str | float | None, ...], list[Run]] = defaultdict(list)
    for run in runs:
        row = run.last
        if row.text("tracking_mode") == "machine":
            machine = (row.text("cpu_model"), row.number_of("cpu_count"), row.number_of("ram_total_size"))
            machines[machine].append(run)
    names: dict[str, None] = {}
    for alike in machines.values():
        alike.sort(key=lambda run: run.rows[0].start_ms)
        longest = alike[0]
        for run in alike[1:]:
            if run.rows[0].start_ms < longest.last.end_ms - _SLACK_MS:
                names |= {longest.name: None, run.name: None}
            if run.last.end_ms > longest.last.end_ms:
                longest = run
    if names:
        yield Finding(
            f"{some(list(names))}: these runs overlap in time and measured whole machines with the same processor and "
            "memory; if it was one machine, its energy is counted more than once"
        )


def task_findings(tasks: Mapping[str, list[Row]], runs: Mapping[str, Run]) -> Iterator[Finding]:
    """Yield the runs that their tasks do not add up to, with the difference.

    Args:
        tasks: run id -> rows of its tasks.
        runs: run id -> run, as far as they are in the import.
    """
    for run_id, rows in tasks.items():
        run = runs.get(run_id)
        energy_kwh = math.fsum(row.energy_kwh for row in rows)
        if run is None:
            yield Finding(f"{run_id}: has {len(rows)} tasks here, but no line of the run to check their sum against")
        elif not math.isclose(energy_kwh, run.last.energy_kwh, rel_tol=_OFF):
            yield Finding(
                f"{run.name}: its {len(rows)} tasks ({TASK}) sum to {energy_kwh:.6g} kWh, the run states "
                f"{run.last.energy_kwh:.6g} kWh: {energy_kwh - run.last.energy_kwh:+.3g} kWh"
            )

"""Many hour files at a time: the same results, in order, and no process is left behind whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.fleets import Fleet, fleet, write_hours
from warehouse.kernel import HourTask, KernelError, pool, run_hours

ROOT = Path(__file__).resolve().parents[4]
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def world() -> Fleet:
    return fleet(12)


@pytest.fixture
def tasks(world: Fleet, tmp_path: Path) -> list[HourTask]:
    hours = write_hours(world.rows, tmp_path)
    found = [HourTask(hour.path, hour.series, hour.hour_ms, world.arrays(), str(hour.hour_ms)) for hour in hours]
    assert len(found) >= 3
    return found


def children_of(pid: int) -> set[int]:
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.add(int(stat.parent.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, f"still running: {[pid for pid in pids if is_running(pid)]}"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = children_of(os.getpid())
    yield
    assert children_of(os.getpid()) <= before


def test_workers_give_what_one_process_gives_in_the_order_of_the_tasks(world: Fleet, tasks: list[HourTask]) -> None:
    many = tasks * 3
    alone = list(run_hours(many, world.rules, processes=1))
    together = list(run_hours(many, world.rules, processes=2))
    assert [task for task, _ in together] == many
    assert all(left.equals(right) for (_, left), (_, right) in zip(alone, together, strict=True))
    assert all(table.num_rows for _, table in together)


def test_few_rows_are_not_worth_a_worker(world: Fleet, tasks: list[HourTask], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_Pool", None)
    assert len(list(run_hours(tasks, world.rules))) == len(tasks)
    assert list(run_hours([], world.rules, processes=2)) == []


def test_only_a_few_results_wait(world: Fleet, tasks: list[HourTask], monkeypatch: pytest.MonkeyPatch) -> None:
    submitted = []
    real = pool._Pool.submit
    monkeypatch.setattr(pool._Pool, "submit", lambda self, task: submitted.append(task) or real(self, task))
    results = run_hours(tasks * 10, world.rules, processes=2)
    for n, _ in enumerate(results, 1):
        assert len(submitted) <= n + 2 + pool.WAITING_N


@pytest.mark.parametrize("processes", [1, 2])
def test_a_damaged_file_is_named(world: Fleet, tasks: list[HourTask], processes: int) -> None:
    bad = tasks[1].path
    column = pq.ParquetFile(bad).metadata.row_group(0).column(0)
    content = bytearray(bad.read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 2] ^= 1
    bad.write_bytes(content)
    with pytest.raises(KernelError, match=rf"{bad.name}.*wattledger repair"):
        list(run_hours(tasks, world.rules, processes=processes))


@pytest.mark.parametrize("processes", [1, 2])
def test_an_unexpected_error_names_the_file(world: Fleet, tasks: list[HourTask], processes: int) -> None:
    broken = replace(tasks[0], series=tasks[0].series.drop_columns(["drops_n", "rows_n"]))
    with pytest.raises(KernelError, match=rf"{broken.path.name}.*rows_n"):
        list(run_hours([broken, broken], world.rules, processes=processes))


def test_giving_up_ends_the_workers(world: Fleet, tasks: list[HourTask]) -> None:
    results = run_hours(tasks * 10, world.rules, processes=2)
    next(results)
    workers = children_of(os.getpid())
    assert len(workers) >= 2
    results.close()
    assert not any(map(is_running, workers))


def test_a_worker_that_is_killed_is_an_error_and_no_hang(world: Fleet, tasks: list[HourTask]) -> None:
    before = children_of(os.getpid())
    results = run_hours(tasks * 50, world.rules, processes=2)
    next(results)
    for pid in children_of(os.getpid()) - before:
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(KernelError, match=r"code -9.*fewer processes"):
        list(results)


def test_a_worker_loads_neither_pandas_nor_the_warehouse() -> None:
    code = (
        "import sys, warehouse.kernel.worker, pyarrow.compute;"
        "print([name for name in ('pandas', 'duckdb', 'pydantic', 'pyarrow.dataset') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_integrating_loads_no_pandas(world: Fleet, tasks: list[HourTask], tmp_path: Path) -> None:
    with pa.ipc.new_stream(tmp_path / "ledger", tasks[0].series.schema) as writer:
        writer.write_table(tasks[0].series)
    code = (
        "import json, pathlib, sys, pyarrow as pa\n"
        "from warehouse.kernel import Rules, hour_segments\n"
        "series = pa.ipc.open_stream(sys.argv[1]).read_all()\n"
        "rules = Rules(**json.loads(sys.argv[4]))\n"
        "hour_segments(pathlib.Path(sys.argv[2]), series, int(sys.argv[3]), {}, rules)\n"
        "assert 'pandas' not in sys.modules\n"
    )
    values = [str(tmp_path / "ledger"), str(tasks[0].path), str(tasks[0].hour_ms), json.dumps(world.rules.to_dict())]
    subprocess.run([sys.executable, "-c", code, *values], cwd=ROOT, check=True, capture_output=True)


# --- the whole program is interrupted or killed ----------------------------------------------------------------------

PROGRAM = """
import sys, tempfile
from pathlib import Path
from tests.support.fleets import fleet, write_hours
from warehouse.kernel import HourTask, run_hours

world = fleet(12)
folder = tempfile.mkdtemp(dir=sys.argv[1])
hours = write_hours(world.rows, Path(folder))
tasks = [HourTask(hour.path, hour.series, hour.hour_ms, world.arrays()) for hour in hours] * 100_000
for _ in run_hours(tasks, world.rules, processes=2):
    print("going", flush=True)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        assert process.stdout is not None
        # Results come in the order of the tasks: after some of them both workers have answered.
        assert [process.stdout.readline() for _ in range(6)] == ["going\n"] * 6
        yield process
        process.kill()


@pytest.mark.faults
def test_ctrl_c_ends_the_program_and_its_workers_at_once(program: subprocess.Popen[str]) -> None:
    workers = children_of(program.pid)
    assert len(workers) == 2
    os.killpg(program.pid, signal.SIGINT)
    _, said = program.communicate(timeout=PATIENCE_S)
    assert program.returncode == -signal.SIGINT
    assert said.count("KeyboardInterrupt") == 1  # and nothing of the workers
    wait_until_gone(workers)


@pytest.mark.faults
def test_ctrl_c_at_the_terminal_is_not_for_the_workers(program: subprocess.Popen[str]) -> None:
    assert program.stdout is not None
    for worker in children_of(program.pid):
        assert os.getpgid(worker) != os.getpgid(program.pid)
        os.kill(worker, signal.SIGINT)
    assert [program.stdout.readline() for _ in range(20)] == ["going\n"] * 20
    assert program.poll() is None


@pytest.mark.faults
def test_workers_do_not_outlive_a_program_that_is_killed(program: subprocess.Popen[str]) -> None:
    workers = children_of(program.pid)
    assert len(workers) == 2
    program.kill()
    program.communicate(timeout=PATIENCE_S)
    wait_until_gone(workers)

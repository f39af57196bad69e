"""Looking at content and not only at names: every kept file hashed again, a day computed again, by two rules.

What belongs here: what `wattledger doctor --deep` does. What must not be here: the quick checks (``doctor``), mending
(``repair``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from warehouse import energy, files, temporaries, transform
from warehouse.config import Config
from warehouse.kernel.check import Difference, compare, sql_segments
from warehouse.lake import Lake, open_lake
from warehouse.registry import table
from warehouse.repair import REPAIR, Finding, archived_files, quarantined_files
from warehouse.samples import damaged_hours, view_readings

# About a gigabyte for the rule in SQL, which windows over readings.
ROWS_TO_CHECK = 20_000_000

_STORED = """
SELECT host, device, point, start_ms, end_ms, sum(energy_j) AS energy_j,
    CAST(round(sum(measured_s) * 1000) AS BIGINT) AS measured_ms, CAST(round(sum(gap_s) * 1000) AS BIGINT) AS gap_ms,
    CAST(round(sum(estimated_s) * 1000) AS BIGINT) AS estimated_ms, sum(estimated_j) AS estimated_j,
    sum(counter_j) AS counter_j, CAST(sum(samples_n) AS INTEGER) AS samples_n, CAST(bit_or(flags) AS SMALLINT) AS flags
FROM core.energy_segment SEMI JOIN chosen_host USING (host) WHERE day = $day GROUP BY ALL
"""


def recheck(config: Config) -> Iterator[Finding]:
    """Hash every kept file, integrate a day by SQL and compute it again; nothing is changed.

    Args:
        config: the configuration.

    Returns:
        One finding for everything that was looked at, also for what is in order.
    """
    yield from _hashes(config)
    with open_lake(config) as lake:
        run = transform.calculation(config)
        days = lake.rows(
            "SELECT partition_key FROM audit.materialisation WHERE table_name = 'core.emission' AND calc_run_id = $run "
            "AND partition_key NOT IN (SELECT partition_key FROM audit.pending) ORDER BY 1",
            {"run": run.calc_run_id},
        )
        if not days:
            yield Finding("ok", "computation", "no day was computed with this configuration yet")
            return
        day = random.choice(days)[0]  # noqa: S311 - a sample, not a secret
        yield _by_the_other_rule(lake, run, day)
        yield _once_more(lake, run, day)


def _hashes(config: Config) -> Iterator[Finding]:
    with Lake(config, read_only=True) as lake:
        hours = damaged_hours(lake, deep=True)
    if hours:
        yield Finding("error", "hour file content", f"{len(hours)} changed: {next(iter(hours.values()))}", REPAIR)
    else:
        yield Finding("ok", "hour file content", "every hour file has the content that its name says")
    wrong = [path for path in archived_files(config) if files.sha256_of(path) != path.stem]
    yield _of_content("archive content", wrong, config.archive_path)
    kept = [path for path in quarantined_files(config) if not path.is_symlink() and path.is_file()]
    wrong = [
        path for path in kept if path.parent.name != "unreadable" and not path.name.startswith(files.sha256_of(path))
    ]
    yield _of_content("quarantine content", wrong, config.quarantine_path)


def _of_content(what: str, wrong: list[Path], folder: Path) -> Finding:
    if not wrong:
        return Finding("ok", what, f"every file in {folder} has the content it had")
    return Finding("error", what, f"{len(wrong)} files changed, the first {wrong[0]}", "restore them from a backup")


class _EnoughError(Exception):
    """Takes a computation back that was only made to look at it."""


def differences_from_sql(
    lake: Lake, run: transform.Calculation, day: str, *, most_rows_n: int | None = None
) -> tuple[int, list[Difference]]:
    """Integrate the readings of a day by the rule in SQL and compare every segment with what is stored.

    Args:
        lake: an open, writable lake.
        run: the calculation.
        day: the day (ISO 8601).
        most_rows_n: take only as many hosts, by chance, as have so many readings; the rule in SQL needs some 50 bytes
            of memory a reading.

    Returns:
        How many segments were compared, and the differences.
    """
    start_ms, end_ms = energy.day_bounds_ms(day)
    rules = energy.rules_of(lake.config.accounting)
    temporaries.prepare(lake, day)
    hosts = _some_hosts(lake, day, most_rows_n)
    view_readings(lake, "every_reading", start_ms - rules.reach_ms, end_ms + rules.reach_ms)
    lake.connection.register("chosen_host", pa.table({"host": pa.array(hosts, pa.string())}))
    lake.connection.execute(
        "CREATE OR REPLACE TEMP VIEW reading AS FROM every_reading SEMI JOIN chosen_host USING (host)"
    )
    lake.connection.execute(
        "CREATE OR REPLACE TEMP TABLE job_cut AS "
        "SELECT DISTINCT host, unnest([start_ms, end_ms]) AS cut_ms FROM day_hold"
    )
    try:
        expected = sql_segments(lake.connection, rules, start_ms, end_ms)
        stored = lake.connection.execute(_STORED, {"day": date.fromisoformat(day)}).to_arrow_table()
    finally:
        lake.connection.unregister("chosen_host")
    return stored.num_rows, compare(stored, expected)


def _some_hosts(lake: Lake, day: str, most_rows_n: int | None) -> list[str]:
    near = [date.fromisoformat(day) + timedelta(days=step) for step in (-1, 1)]
    rows = lake.rows(
        "SELECT host, sum(rows_n) FROM raw.sample_series WHERE day BETWEEN $first AND $last GROUP BY 1 ORDER BY 1",
        dict(zip(("first", "last"), near, strict=True)),
    )
    random.shuffle(rows)
    chosen: list[str] = []
    total = 0
    for host, rows_n in rows:
        total += rows_n
        if chosen and most_rows_n is not None and total > most_rows_n:
            break
        chosen.append(host)
    return sorted(chosen)


def _by_the_other_rule(lake: Lake, run: transform.Calculation, day: str) -> Finding:
    compared, differing = differences_from_sql(lake, run, day, most_rows_n=ROWS_TO_CHECK)
    if not differing:
        return Finding("ok", "integration", f"{day}: {compared} segments agree with the rule in SQL to 1e-9")
    detail = f"{day}: of {compared} segments {len(differing)} values differ from the rule in SQL: {differing[0]}"
    return Finding("error", "integration", detail, f"{_again(day)}, and report how this came")


def _again(day: str) -> str:
    return f"compute it again: `wattledger run --from {day} --to {day} --force`"


def _once_more(lake: Lake, run: transform.Calculation, day: str) -> Finding:
    """Compute a day again, compare, and take it back."""
    differing: list[str] = []
    temporaries.prepare(lake, day)
    made = energy.make_segments(lake, day, force=True)

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        before = _prints(connection, day)
        temporaries.prepare(lake, day)
        transform.fill(connection, lake.config, run, transform.DAILY, day, made)
        after = _prints(connection, day)
        differing.extend(name for name in transform.DAILY if before[name] != after[name])
        raise _EnoughError

    try:
        lake.transaction(work)
    except _EnoughError:
        pass
    except transform.ConservationError as error:
        differing.append(str(error))
    if differing:
        detail = f"{day} comes out otherwise in {', '.join(differing)}"
        return Finding("error", "computation", detail, f"{_again(day)}, and report how this came")
    return Finding("ok", "computation", f"{day} was computed again, to the last digit")


def _prints(connection: duckdb.DuckDBPyConnection, day: str) -> dict[str, tuple[object, ...]]:
    """Return rows and a hash over the content of every table of a day."""
    return {name: _print(connection, name, day) for name in transform.DAILY}


def _print(connection: duckdb.DuckDBPyConnection, name: str, day: str) -> tuple[object, ...]:
    entry = table(name)
    fields = ", ".join(_field(column.name) for column in entry.columns if column.name not in entry.bookkeeping)
    chosen = f"WHERE {entry.partition} = $day" if entry.partition else ""
    values: dict[str, str] = {"day": day} if entry.partition else {}
    sql = (
        "SELECT count(*), sha256(coalesce(string_agg(md5(t), '' ORDER BY t), '')) "
        f"FROM (SELECT CAST(to_json(struct_pack({fields})) AS VARCHAR) AS t FROM lake.{name} {chosen})"
    )
    return tuple(connection.execute(sql, values).fetchall()[0])


def _field(name: str) -> str:
    return f'"{name}" := "{name}"'

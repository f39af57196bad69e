"""The lake: one DuckLake with its catalog, opened per use; the only place that retries a commit.

What belongs here: opening, creating and migrating the lake, transactions. What must not be here: what is written.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import duckdb
from filelock import FileLock, Timeout

from warehouse.config import Config
from warehouse.registry import ALL_TABLES, SCHEMAS, Table

T = TypeVar("T")

CATALOG = "lake"
EXTENSIONS = {"sqlite": ("ducklake", "sqlite_scanner"), "postgres": ("ducklake", "postgres_scanner")}
LOCK_TIMEOUT_S = 600.0
COMMIT_ATTEMPTS = 12
FIRST_BACKOFF_S = 0.02
LONGEST_BACKOFF_S = 2.0
# Words of the warehouse's SQL. A sum of integers does not depend on the order of its rows, so that the same facts give
# the same figures to the last digit; 18 digits after the point are far below every figure's meaning. As decimals the
# same sums cost twice as much (bench/exact_sum.py).
MACROS = (
    "CREATE OR REPLACE TEMP MACRO exact_sum(x) AS CAST(sum(CAST(x * 1e18 AS HUGEINT)) AS DOUBLE) / 1e18",
    # A part of such a sum, to be stored, and the sum of stored parts: together the same to the last digit.
    "CREATE OR REPLACE TEMP MACRO exact_part(x) AS CAST(sum(CAST(x * 1e18 AS HUGEINT)) AS DECIMAL(38, 0))",
    "CREATE OR REPLACE TEMP MACRO exact_whole(x) AS CAST(sum(CAST(x AS HUGEINT)) AS DOUBLE) / 1e18",
    """
    CREATE OR REPLACE TEMP MACRO phase_group(allocation, phase) AS CASE
        WHEN allocation <> 'job' THEN allocation
        WHEN phase IN ('data_processing', 'experimentation', 'training', 'fine_tuning', 'evaluation') THEN 'training'
        WHEN phase IN ('deployment', 'inference') THEN 'inference'
        WHEN phase = 'storage' THEN 'storage'
        ELSE 'unknown'
    END
    """,
)
# What DuckDB and the catalog say when another writer was faster or holds the catalog; anything else is not retried.
_INTERRUPTS = ("query interrupted", "interrupted!")
_CONFLICTS = ("database is locked", "transaction conflict", "could not serialize", "deadlock detected")


class LakeError(RuntimeError):
    """The lake cannot be opened or written; the message says why and what to do."""


class LakeBusyError(LakeError):
    """Another process holds the lake for longer than we may wait."""


def extension_path(name: str) -> Path:
    """Return the file of a DuckDB extension as its wheel installed it.

    Args:
        name: extension, for example ``ducklake``.

    Raises:
        LakeError: if the wheel is not installed or holds no extension for this machine.
    """
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        for file in sorted(Path(place).rglob(f"{name}.duckdb_extension")):
            return file
    wheel = f"duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
    msg = f"the DuckDB extension {name} is not installed; pip install {wheel}"
    raise LakeError(msg)


def is_interrupt(error: Exception) -> bool:
    """Tell whether an error is Ctrl-C that reached DuckDB in the middle of a statement, alone or inside another."""
    text = str(error).lower()
    return isinstance(error, duckdb.InterruptException) or any(phrase in text for phrase in _INTERRUPTS)


def is_conflict(error: Exception) -> bool:
    """Tell whether an error means that another writer was faster, so that the transaction may be tried again."""
    if not isinstance(error, duckdb.Error):
        return False
    text = str(error).lower()
    # Ctrl-C in the middle of a commit is told as a commit that failed; tried again, the program would not stop.
    if is_interrupt(error):
        return False
    if any(phrase in text for phrase in _CONFLICTS):
        return True
    # A statement that is wrong stays wrong, though it may quote the word.
    return "conflict" in text and not isinstance(error, duckdb.ProgrammingError | duckdb.IntegrityError)


class Lake:
    """An open lake. Use it as a context manager; it holds one DuckDB connection.

    Args:
        config: the configuration of the installation.
        read_only: open without the right to write; readers never wait for writers.
        threads: DuckDB threads; by default as many as there are processors.
    """

    def __init__(self, config: Config, *, read_only: bool = False, threads: int | None = None) -> None:
        """Attach the lake; a writer also makes the folders it needs."""
        self.config = config
        self.read_only = read_only
        kind = config.catalog_dsn.partition(":")[0]
        self._file_lock: FileLock | None = None
        if kind == "sqlite":
            self._prepare_sqlite(Path(config.catalog_dsn.partition(":")[2]))
        settings: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": True,
            # A name that is no table is an error and no Python variable, and Ctrl-C is not lost in the look for one.
            "python_enable_replacements": False,
        }
        if threads:
            settings["threads"] = threads
        self.connection = duckdb.connect(config=settings)
        try:
            self.connection.execute("SET TimeZone = 'UTC'")
            for extension in EXTENSIONS[kind]:
                self.connection.execute(f"LOAD '{extension_path(extension)}'")
            self._attach()
        except BaseException:
            self.connection.close()
            raise

    def _prepare_sqlite(self, catalog: Path) -> None:
        if self.read_only:
            if not catalog.exists():
                msg = f"no lake at {catalog}; run `wattledger run` first"
                raise LakeError(msg)
            return
        catalog.parent.mkdir(parents=True, exist_ok=True)
        Path(self.config.lake_data).mkdir(parents=True, exist_ok=True)
        self._file_lock = FileLock(f"{catalog}.lock")
        try:
            with self.locked(), contextlib.closing(sqlite3.connect(catalog)) as database:
                # Write-ahead logging lets readers go on while a writer commits.
                database.execute("PRAGMA journal_mode=WAL")
        except sqlite3.DatabaseError as error:
            msg = f"the catalog {catalog} is damaged ({error}); `wattledger repair` builds it anew from the archive"
            raise LakeError(msg) from error

    def _attach(self) -> None:
        # The catalog remembers where its data lay when it was made; the configuration knows where they lie now. So an
        # installation may be moved, or restored to another place.
        options = [f"DATA_PATH '{_quoted(self.config.lake_data)}/'", "OVERRIDE_DATA_PATH true"]
        if self.read_only:
            options.append("READ_ONLY")
        statement = f"ATTACH 'ducklake:{_quoted(self.config.catalog_dsn)}' AS {CATALOG} ({', '.join(options)})"

        def attach() -> None:
            self.connection.execute(statement)

        with self.locked() if not self.read_only else contextlib.nullcontext():
            _with_retry(attach)
        self.connection.execute(f"USE {CATALOG}")
        for macro in MACROS:
            self.connection.execute(macro)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of an embedded catalog: no other process writes to the lake meanwhile.

        Raises:
            LakeBusyError: if another process holds it for too long.
        """
        if self._file_lock is None:
            yield
            return
        try:
            with self._file_lock.acquire(timeout=LOCK_TIMEOUT_S):
                yield
        except Timeout:
            msg = (
                f"another process has held {self._file_lock.lock_file} for {LOCK_TIMEOUT_S:.0f} s; "
                "wait for it to end, or stop it (`fuser` names it), then run again"
            )
            raise LakeBusyError(msg) from None

    def __enter__(self) -> Lake:
        """Return the lake itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; open transactions are rolled back."""
        self.connection.close()

    def create(self) -> None:
        """Create schemas and tables that are missing, with comments and partitions. Safe to call at any time."""
        present = {f"{schema}.{name}" for schema, name in self.rows(_TABLES_SQL)}
        missing = [entry for entry in ALL_TABLES if entry.qualified not in present]
        if not missing:
            return

        def make(connection: duckdb.DuckDBPyConnection) -> None:
            for schema in SCHEMAS:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {CATALOG}.{schema}")
            for entry in missing:
                connection.execute(entry.ddl(CATALOG))
                connection.execute(f"COMMENT ON TABLE {entry.qualified} IS '{_quoted(entry.description)}'")
                for column in entry.columns:
                    unit = f" [{column.unit}]" if column.unit else ""
                    comment = _quoted(f"{column.description}{unit}")
                    connection.execute(f"COMMENT ON COLUMN {entry.qualified}.\"{column.name}\" IS '{comment}'")
                if entry.layout:
                    connection.execute(f"ALTER TABLE {entry.qualified} SET PARTITIONED BY ({entry.layout})")
                if entry.sorted_by:
                    connection.execute(f"ALTER TABLE {entry.qualified} SET SORTED BY ({', '.join(entry.sorted_by)})")

        self.transaction(make)
        self.transaction(lambda connection: _keep_out_of_the_catalog(connection, missing))

    def transaction(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run ``work`` in one transaction and commit it; try again from the start when another writer was faster.

        Args:
            work: what to do with the connection. It may run several times, so it must read what it decides on inside
                the transaction and must not have effects outside of it.

        Returns:
            What ``work`` returned in the attempt that was committed.

        Raises:
            LakeBusyError: if the lake stays locked, or other writers win every time.
        """

        def attempt() -> T:
            with self.locked():
                self.connection.execute("BEGIN")
                try:
                    result = work(self.connection)
                    self.connection.execute("COMMIT")
                except BaseException:
                    with contextlib.suppress(duckdb.Error):  # a failed commit has already rolled back
                        self.connection.execute("ROLLBACK")
                    raise
                return result

        return _with_retry(attempt)

    def rows(self, sql: str, parameters: dict[str, Any] | list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Return all rows of a query.

        Args:
            sql: one statement; values as ``$name`` or ``?``.
            parameters: the values.
        """
        return self.connection.execute(sql, parameters or {}).fetchall() if parameters else self._plain(sql)

    def _plain(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def value(self, sql: str, parameters: dict[str, Any] | list[Any] | None = None) -> Any:  # noqa: ANN401
        """Return the first column of the first row, or ``None`` when there is no row."""
        rows = self.rows(sql, parameters)
        return rows[0][0] if rows else None


@contextlib.contextmanager
def planned_lightly(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Leave out the planning that asks for statistics of columns, for statements that copy or look up by key.

    DuckLake d8a1881e does not remember that a table is empty: it asks its catalog once for each column and each such
    step of the optimiser, 0.25 s for the 42 columns of an empty mart.job, 0.016 s without them. Never around a
    statement that joins large tables: their order would stay as it is written.

    Args:
        connection: a connection to the lake.
    """
    connection.execute("SET disabled_optimizers = 'statistics_propagation,join_order'")
    try:
        yield
    finally:
        connection.execute("SET disabled_optimizers = ''")


_TABLES_SQL = f"SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = '{CATALOG}'"


def open_lake(config: Config, *, read_only: bool = False) -> Lake:
    """Open the lake of an installation; a writer also creates what is missing."""
    lake = Lake(config, read_only=read_only)
    if not read_only:
        try:
            lake.create()
        except BaseException:
            lake.close()
            raise
    return lake


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _keep_out_of_the_catalog(connection: duckdb.DuckDBPyConnection, tables: list[Table]) -> None:
    """Have files written also for a few rows, where they would hinder merging.

    DuckLake keeps a few rows in its catalog, in which SQLite holds a DOUBLE as text. DuckLake d8a1881e can then merge
    no file of the table any more: its commit asks for isnan of a text.
    """
    for entry in tables:
        if any(column.type == "DOUBLE" for column in entry.columns):
            place = f"schema => '{entry.schema}', table_name => '{entry.name}'"
            connection.execute(f"CALL ducklake_set_option('{CATALOG}', 'data_inlining_row_limit', 0, {place})")


def _with_retry(attempt: Callable[[], T]) -> T:
    for number in range(1, COMMIT_ATTEMPTS + 1):
        try:
            return attempt()
        except duckdb.Error as error:
            if not is_conflict(error):
                raise
            if number == COMMIT_ATTEMPTS:
                msg = f"the lake stayed busy over {COMMIT_ATTEMPTS} attempts (process {os.getpid()}): {error}"
                raise LakeBusyError(msg) from error
            longest = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**number)
            time.sleep(random.uniform(0, longest))  # noqa: S311 - jitter, not a secret
    raise AssertionError

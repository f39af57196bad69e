"""The SQL door: read-only SQL on the published database, in a process of its own that is killed when its time is up.

What belongs here: settings and limits under which other people's SQL runs. What must not be here: SQL of our own.

The query runs in a child process that opens the published file read-only, without access to files, network, extensions
or its own settings. Settings alone do not stop a scalar function that eats time or memory, hence the process, its
resource limits and the kill from outside. Python runs this file by its path in isolated mode, so the child knows DuckDB
and pyarrow and nothing of ours.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa

MEMORY_MB = 512
THREADS = 2
ROW_LIMIT = 1000
TIMEOUT_S = 30.0
# More than the longest start of the child on a loaded machine; CPU time bounds it even if this process dies first.
CPU_GRACE_S = 5
RESULT_BYTES = 64 << 20
BATCH_ROWS = 1024
BYTES_PER_MB = 1 << 20
# Address space beyond DuckDB's own limit: the interpreter, libraries and allocator arenas that are reserved, not used.
EXTRA_ADDRESS_MB = 8192
EXIT_REFUSED = 1
# The child gets no variable that could hold a secret; these find the interpreter's libraries and the text encoding.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class QueryError(RuntimeError):
    """The query was refused, failed or took too long; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows of a query.

    Attributes:
        table: the rows, at most as many as asked for.
        cut: whether there were more rows, or more bytes than the door lets through.
    """

    table: pa.Table
    cut: bool


def run_query(
    database: Path, sql: str, *, limit: int = ROW_LIMIT, timeout_s: float = TIMEOUT_S, memory_mb: int = MEMORY_MB
) -> QueryResult:
    """Run read-only SQL on a published database.

    Args:
        database: the published file.
        sql: the statement.
        limit: most rows to return.
        timeout_s: time after which the query is killed [s].
        memory_mb: memory that DuckDB may use [MiB].

    Raises:
        QueryError: if nothing is published, or the query is refused, fails or is killed.
    """
    if not database.is_file():
        msg = f"nothing is published at {database}; `wattledger run` publishes"
        raise QueryError(msg)
    request = {"database": str(database), "sql": sql, "limit": limit, "timeout_s": timeout_s, "memory_mb": memory_mb}
    command = [sys.executable, "-I", str(Path(__file__).resolve())]
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, cwd="/"
    ) as child:
        try:
            output, errors = child.communicate(json.dumps(request).encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            msg = f"the query was stopped after {timeout_s:g} s; ask for less (a WHERE on day), or raise --timeout"
            raise QueryError(msg) from None
        finally:
            child.kill()
    return _result(child.returncode, output, errors.decode("utf-8", "replace").strip(), memory_mb)


def _result(code: int, output: bytes, errors: str, memory_mb: int) -> QueryResult:
    if code == EXIT_REFUSED and errors and not errors.startswith("Out of Memory"):
        raise QueryError(errors)
    if code:
        msg = f"the query needs more than {memory_mb} MB (exit code {code}); ask for fewer rows or columns at a time"
        raise QueryError(msg)
    with pa.ipc.open_stream(output) as reader:
        table = reader.read_all()
    return QueryResult(table.replace_schema_metadata(None), (table.schema.metadata or {}).get(b"cut") == b"yes")


def _limit_resources(request: dict[str, Any]) -> None:
    """Bound what the process may take, before any SQL is seen: CPU time, address space, files, processes' cores."""
    seconds = int(request["timeout_s"] + CPU_GRACE_S) * THREADS
    address = (request["memory_mb"] + EXTRA_ADDRESS_MB) * BYTES_PER_MB
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, address),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # a lower limit that the caller set already stays
            resource.setrlimit(what, (most, most))


def _connect(request: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        request["database"],
        read_only=True,
        config={
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_unsigned_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "memory_limit": f"{request['memory_mb']}MiB",
            "max_temp_directory_size": "0MiB",
            "threads": THREADS,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection


def _answer(connection: duckdb.DuckDBPyConnection, sql: str, limit: int) -> pa.Table:
    """Return the first rows of the last statement; the schema's metadata say whether there were more."""
    reader = connection.execute(sql).to_arrow_reader(BATCH_ROWS)
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    cut = False
    for batch in reader:
        left = limit - rows
        cut = batch.num_rows > left or size + batch.nbytes > RESULT_BYTES
        if cut and size + batch.nbytes > RESULT_BYTES:
            break
        batches.append(batch.slice(0, left))
        rows, size = rows + batches[-1].num_rows, size + batch.nbytes
        if cut:
            break
    table = pa.Table.from_batches(batches, schema=reader.schema)
    return table.replace_schema_metadata({"cut": "yes" if cut else "no"})


def child_main() -> int:
    """Answer the request on standard input with an Arrow stream on standard output; errors are one text."""
    request = cast("dict[str, Any]", json.load(sys.stdin))
    _limit_resources(request)
    try:
        with _connect(request) as connection:
            table = _answer(connection, request["sql"], request["limit"])
        with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as writer:
            writer.write_table(table)
    except (duckdb.Error, pa.ArrowException, MemoryError) as error:
        sys.stderr.write(str(error) or type(error).__name__)
        return EXIT_REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(child_main())

"""A worker process of the kernel: reads tasks from its standard input, answers on its standard output.

What belongs here: the loop of the child, and the two messages. What must not be here: which tasks there are (``pool``).
It is started as a program of its own, so that it imports nothing but what the kernel needs.

A message is a line of JSON, then an Arrow stream: the ledger of a file with the other parts of the task, or the
segments with an error, if there was one. A worker ends when its input ends: it never outlives who started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from warehouse.hourfile import SEGMENT_SCHEMA
from warehouse.kernel.hour import hour_segments
from warehouse.kernel.rules import KernelError, Rules


def write_message(stream: IO[bytes], head: dict[str, Any], table: pa.Table) -> None:
    """Write a message: a head and a table."""
    stream.write(json.dumps(head).encode() + b"\n")
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], pa.Table] | None:
    """Return the next message, or None at the end of the stream.

    Raises:
        OSError: if the stream ends inside a message.
    """
    line = stream.readline()
    if not line:
        return None
    with pa.ipc.open_stream(stream) as reader:
        return json.loads(line), reader.read_all()


def integrate(path: Path, series: pa.Table, hour_ms: int, cuts: dict[str, Any], rules: Rules) -> pa.Table:
    """Return the segments of an hour file; whatever goes wrong, the error names the file.

    Raises:
        KernelError: if the file cannot be integrated.
    """
    try:
        return hour_segments(path, series, hour_ms, cuts, rules)
    except KernelError:
        raise
    except Exception as error:
        msg = f"hour file {path}: {type(error).__name__}: {error}"
        raise KernelError(msg) from error


def serve(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Answer tasks until there are no more.

    Args:
        requests: a line of JSON with the parameters of the rule, then tasks.
        replies: for each task its segments, or an error and no segments.
    """
    rules = Rules(**json.loads(requests.readline()))
    while (message := read_message(requests)) is not None:
        task, series = message
        cuts = {host: np.array(times, np.int64) for host, times in task["cuts"].items()}
        try:
            table = integrate(Path(task["path"]), series, task["hour_ms"], cuts, rules)
        except KernelError as error:
            write_message(replies, {"error": str(error)}, SEGMENT_SCHEMA.empty_table())
        else:
            write_message(replies, {}, table)


def main() -> None:
    """Run as the child: nothing but replies goes to where replies are expected, and Ctrl-C is for the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError), os.fdopen(0, "rb") as requests:
        serve(requests, replies)
    # No more to say, and nobody may listen any more: leave without the clean-up of a program.
    os._exit(0)

"""Landed files as bytes: good ones, and ones that no collector of ours would write."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from collectors import contract
from collectors.landing.writer import DIGEST_PLACEHOLDER, META_DIGEST, _encode

MS_PER_HOUR = 3_600_000


def sample(ts_ms: int, **changes: Any) -> dict[str, Any]:
    """Return a power sample of a GPU."""
    return {
        "ts_ms": ts_ms,
        "host": "host-0",
        "device": "GPU-0",
        "kind": "gpu",
        "parent": None,
        "point": "board",
        "power_mw": 300_000,
        "energy_mj": None,
        "session": 0,
        "util_percent": None,
        "source": "nvml_power",
        "is_estimate": False,
        "gap_reason": None,
    } | changes


def job_event(ts_ms: int, job_id: str, event: str, phase: str = "training", **changes: Any) -> dict[str, Any]:
    """Return a job event; what is not stated is not known."""
    names = (column.name for column in contract.JOB_EVENT.columns)
    values = {"ts_ms": ts_ms, "job_id": job_id, "attempt": 1, "event": event, "phase": phase, "model": "m"}
    return dict.fromkeys(names) | values | changes


def job_device(job_id: str, start_ms: int, **changes: Any) -> dict[str, Any]:
    """Return a reservation."""
    values = {"job_id": job_id, "attempt": 1, "host": "host-0", "device": "GPU-0", "start_ms": start_ms}
    return values | {"end_ms": None, "share_fraction": None} | changes


def landed_bytes(
    table: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    written_ms: int,
    sequence: int = 1,
    host: str = "host-0",
    schema: pa.Schema | None = None,
    metadata: Mapping[str, str | None] | None = None,
) -> bytes:
    """Return the bytes of a landed file; the rows are not checked, so it may break the contract.

    Args:
        table: landing table.
        rows: rows, all columns given.
        written_ms: when the file was written [epoch ms].
        sequence: number of the file at its writer.
        host: host of the collector.
        schema: another Arrow schema than the contract's.
        metadata: keys to set otherwise, or with ``None`` to leave out.
    """
    spec = contract.TABLES[table]
    loose = pa.schema([field.with_nullable(True) for field in spec.arrow_schema()])
    data = pa.Table.from_pylist([dict(row) for row in rows], schema=schema or loose)
    known = [row[spec.time_column] for row in rows if row.get(spec.time_column) is not None] or [0]
    stated: dict[str, str | None] = {
        contract.META_SCHEMA: contract.schema_tag(table),
        contract.META_COLLECTOR: "0.1.0",
        contract.META_HOST: host,
        contract.META_BOOT: "boot",
        contract.META_SEQUENCE: str(sequence),
        contract.META_ROWS: str(data.num_rows),
        contract.META_FIRST_MS: str(min(known)),
        contract.META_LAST_MS: str(max(known)),
        contract.META_WRITTEN_MS: str(written_ms),
        META_DIGEST: DIGEST_PLACEHOLDER,
        **(metadata or {}),
    }
    known_keys = {key: value for key, value in stated.items() if value is not None}
    if rows and META_DIGEST in known_keys:
        return _encode(data, known_keys)
    return _without_digest(data, {key: value for key, value in known_keys.items() if key != META_DIGEST})


def _without_digest(data: pa.Table, metadata: Mapping[str, str]) -> bytes:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, data.schema, write_page_checksum=True) as writer:
        if data.num_rows:
            writer.write_table(data)
        writer.add_key_value_metadata(dict(metadata))
    return bytes(sink.getvalue().to_pybytes())


def landed_name(table: str, ts_ms: int, name: str) -> str:
    """Return the path under landing of a file whose rows begin at a time."""
    moment = pa.scalar(ts_ms // 1000, pa.timestamp("s")).as_py()
    return f"{table}/date={moment:%Y-%m-%d}/hour={moment:%H}/{name}.parquet"


def put(landing: Path, relative: str, content: bytes) -> Path:
    """Put a file into landing as collectors do: it appears whole."""
    path = landing / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.{os.getpid()}.part")
    hidden.write_bytes(content)
    hidden.rename(path)
    return path

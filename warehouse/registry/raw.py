"""Tables of the raw layer: what has landed, and what was refused, with the reason."""

from __future__ import annotations

import pyarrow as pa

from collectors import contract
from warehouse import hourfile
from warehouse.registry.types import Column, Table

_DUCKDB_TYPE = {
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.uint8(): "UTINYINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.string(): "VARCHAR",
    contract.LABELS: "MAP(VARCHAR, VARCHAR)",
}

ORIGIN = (
    Column("day", "DATE", "UTC day of the row's time; the lake lays files apart by it."),
    Column("file_sha256", "VARCHAR", "Landed file that the row came from."),
    Column("row_number", "BIGINT", "Position of the row in that file, counted from 0.", minimum=0),
    Column("written_ms", "BIGINT", "When the collector wrote that file, epoch milliseconds UTC.", "ms"),
)

_DAY = Column("day", "DATE", "UTC day of the hour.")
_HOUR = Column("hour_start", "TIMESTAMPTZ", "Start of the UTC hour.")


def _landed(table: contract.LandingTable) -> Table:
    columns = tuple(
        Column(
            column.name,
            _DUCKDB_TYPE[column.type],
            column.description,
            column.unit,
            column.nullable,
            column.minimum,
            column.maximum,
        )
        for column in table.columns
    )
    return Table(
        "raw",
        table.name,
        table.description,
        grain=" x ".join(table.key),
        key=table.key,
        columns=columns + ORIGIN,
        partition="day",
    )


INGEST_FILE = Table(
    "raw",
    "ingest_file",
    "One landed file that was taken in; the ledger that makes ingest idempotent.",
    grain="file content",
    key=("file_sha256",),
    columns=(
        Column("file_sha256", "VARCHAR", "SHA-256 of the file's bytes."),
        Column("path", "VARCHAR", "Path under the landing root when it was first seen."),
        Column("table_name", "VARCHAR", "Landing table of the file."),
        Column("contract_version", "INTEGER", "Version of the landing contract that the file states."),
        Column("collector_version", "VARCHAR", "Collector that wrote the file."),
        Column("host", "VARCHAR", "Host on which the file was written."),
        Column("boot_id", "VARCHAR", "Boot of that host."),
        Column("sequence", "BIGINT", "Sequence number of the file at its writer."),
        Column("written_ms", "BIGINT", "When the file was written, epoch milliseconds UTC.", "ms"),
        Column("size_bytes", "BIGINT", "Size of the file.", "bytes", minimum=0),
        Column("rows_total", "BIGINT", "Rows in the file.", minimum=0),
        Column("rows_rejected", "BIGINT", "Rows that went to quarantine by a row rule.", minimum=0),
        Column("dropped_n", "BIGINT", "Samples that the collector had no room to keep before these rows.", minimum=0),
        Column("first_ms", "BIGINT", "Earliest time of a row.", "ms", nullable=True),
        Column("last_ms", "BIGINT", "Latest time of a row.", "ms", nullable=True),
        Column("ingested_at", "TIMESTAMPTZ", "When the file was taken in."),
    ),
    published=True,
    bookkeeping=("ingested_at", "path"),
)

QUARANTINE_FILE = Table(
    "raw",
    "quarantine_file",
    "One file that was refused as a whole, with the reason; the file itself is kept in the quarantine folder.",
    grain="file content",
    key=("file_sha256",),
    columns=(
        Column("file_sha256", "VARCHAR", "SHA-256 of the file's bytes."),
        Column("path", "VARCHAR", "Path under the landing root when it was first seen."),
        Column("size_bytes", "BIGINT", "Size of the file.", "bytes", minimum=0),
        Column("reason", "VARCHAR", "Reason code from the closed list in docs/quarantine.md."),
        Column("detail", "VARCHAR", "What exactly is wrong and what to do."),
        Column("state", "VARCHAR", "open, released or discarded."),
        Column("note", "VARCHAR", "Why it was discarded.", nullable=True),
        Column("first_seen", "TIMESTAMPTZ", "When it was refused first."),
        Column("decided_at", "TIMESTAMPTZ", "When it was released or discarded.", nullable=True),
    ),
    published=True,
    bookkeeping=("first_seen", "decided_at", "path"),
)

QUARANTINE_ROW = Table(
    "raw",
    "quarantine_row",
    "One row that was refused, with the reason and the row itself.",
    grain="file x row x reason",
    key=("file_sha256", "row_number", "reason"),
    columns=(
        Column("file_sha256", "VARCHAR", "Landed file that the row came from."),
        Column("row_number", "BIGINT", "Position of the row in that file, counted from 0.", minimum=0),
        Column("table_name", "VARCHAR", "Landing table of the row."),
        Column("written_ms", "BIGINT", "When that file was written, epoch milliseconds UTC.", "ms"),
        Column("time_ms", "BIGINT", "Time of the row, epoch milliseconds UTC.", "ms", nullable=True),
        Column("reason", "VARCHAR", "Reason code from the closed list in docs/quarantine.md."),
        Column("detail", "VARCHAR", "Which value is refused and what is allowed."),
        Column("row_json", "VARCHAR", "The row as JSON."),
        Column("state", "VARCHAR", "open or discarded."),
        Column("note", "VARCHAR", "Why it was discarded.", nullable=True),
        Column("first_seen", "TIMESTAMPTZ", "When it was refused first."),
    ),
    published=True,
    bookkeeping=("first_seen",),
)

SAMPLE_SOURCE = Table(
    "raw",
    "sample_source",
    "Which landed files hold readings of which hour.",
    grain="hour x landed file",
    key=("hour_start", "file_sha256"),
    columns=(
        _DAY,
        _HOUR,
        Column("file_sha256", "VARCHAR", "Landed file."),
        Column("written_ms", "BIGINT", "When the collector wrote that file, epoch milliseconds UTC.", "ms"),
        Column("path", "VARCHAR", "Path under the landing root when it was first seen."),
        Column("rows_n", "BIGINT", "Rows of the hour in that file that no row rule refused.", minimum=0),
        Column("refused_n", "BIGINT", "Rows of the whole file that a row rule refused.", minimum=0),
    ),
    partition="day",
    bookkeeping=("path",),
)

SAMPLE_HOUR = Table(
    "raw",
    "sample_hour",
    "One hour file: all readings of an hour (of some hosts, where there are very many), compacted from landed files.",
    grain="hour x shard",
    key=("hour_start", "shard"),
    columns=(
        _DAY,
        _HOUR,
        Column("shard", "INTEGER", "Number of the file among those of the hour, from 0.", minimum=0),
        Column("file_sha256", "VARCHAR", "SHA-256 of the hour file's bytes; it is also its name."),
        Column("sources_sha256", "VARCHAR", "Hash over the landed files of the hour and the rows refused in them."),
        Column("size_bytes", "BIGINT", "Size of the hour file.", "bytes", minimum=0),
        Column("rows_n", "BIGINT", "Rows in the hour file.", minimum=0),
        Column("series_n", "BIGINT", "Series in the hour file.", minimum=0),
        Column("first_ms", "BIGINT", "Earliest time of a row.", "ms"),
        Column("last_ms", "BIGINT", "Latest time of a row.", "ms"),
    ),
    partition="day",
)

_SERIES_TYPES = {pa.int64(): "BIGINT", pa.int32(): "INTEGER", pa.bool_(): "BOOLEAN", pa.string(): "VARCHAR"}
_SERIES_TEXTS = {
    "host": "Host of the device.",
    "device": "Stable device id.",
    "point": "Where the power is measured.",
    "kind": "Kind of device.",
    "parent": "Device that contains this one.",
    "source": "Interface that gave the readings.",
    "row_offset": "First row of the series in the hour file.",
    "rows_n": "Rows of the series.",
    "readings_n": "Rows with a power or a counter.",
    "power_n": "Readings with a power.",
    "counter_n": "Readings with a counter.",
    "estimated_n": "Readings that are modelled.",
    "sessions_n": "Counter sessions, one after another.",
    "drops_n": "Falls of the counter inside a session.",
    "is_mixed": "True where readings have more than one kind or source.",
}


def _series_column(name: str, kind: pa.DataType) -> Column:
    end, _, rest = name.partition("_")
    text = _SERIES_TEXTS.get(name) or f"{rest.rsplit('_', 1)[0].replace('_', ' ')} of the {end} reading.".capitalize()
    unit = {"ms": "ms", "mw": "mW", "mj": "mJ"}.get(name.rsplit("_", 1)[-1])
    required = name in _SERIES_TEXTS and name != "parent"
    return Column(name, _SERIES_TYPES[kind], text, unit, nullable=not required)


SAMPLE_SERIES = Table(
    "raw",
    "sample_series",
    "One series in an hour file: where it lies, its first and last reading, and what is peculiar about its counter.",
    grain="hour x host x device x measuring point",
    key=("hour_start", *hourfile.SERIES_KEY),
    columns=(
        _DAY,
        _HOUR,
        Column("shard", "INTEGER", "Hour file that holds it.", minimum=0),
        *(_series_column(field.name, field.type) for field in hourfile.SERIES_SCHEMA),
    ),
    partition="day",
)

TABLES = (
    *(_landed(table) for table in contract.TABLES.values() if table.name != "power_sample"),
    SAMPLE_SOURCE,
    SAMPLE_HOUR,
    SAMPLE_SERIES,
    INGEST_FILE,
    QUARANTINE_FILE,
    QUARANTINE_ROW,
)

"""Where hour files lie, and reading them by SQL.

What belongs here: paths and views. What must not be here: writing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from warehouse.config import Config
from warehouse.hourfile import HOUR_SCHEMA
from warehouse.lake import Lake

MS_PER_S = 1000


def hour_folder(config: Config, hour_ms: int) -> Path:
    """Return the folder of the hour files of an hour."""
    return config.samples_path / f"{datetime.fromtimestamp(hour_ms / MS_PER_S, UTC):date=%Y-%m-%d/hour=%H}"


def hour_file(config: Config, hour_ms: int, sha256: str) -> Path:
    """Return the path of an hour file."""
    return hour_folder(config, hour_ms) / f"{sha256}.parquet"


def hour_files(lake: Lake, start_ms: int, end_ms: int) -> list[Path]:
    """Return the hour files that hold the readings of an interval.

    Args:
        lake: an open lake.
        start_ms: start of the interval [epoch ms].
        end_ms: its end [epoch ms].
    """
    sql = (
        "SELECT epoch_ms(hour_start), file_sha256 FROM raw.sample_hour "
        "WHERE day BETWEEN $first AND $last AND last_ms >= $start AND first_ms < $end ORDER BY 1, shard"
    )
    first, last = (datetime.fromtimestamp(at / MS_PER_S, UTC).date() for at in (start_ms, end_ms))
    rows = lake.rows(sql, {"first": first, "last": last, "start": start_ms, "end": end_ms})
    return [hour_file(lake.config, hour_ms, sha256) for hour_ms, sha256 in rows]


def view_readings(lake: Lake, name: str, start_ms: int, end_ms: int) -> None:
    """Make a temporary view with the landed rows of an interval, for checks and for looking into something.

    Args:
        lake: an open lake.
        name: name of the view.
        start_ms: start of the interval [epoch ms].
        end_ms: its end [epoch ms].
    """
    paths = [str(path).replace("'", "''") for path in hour_files(lake, start_ms, end_ms)]
    columns = ", ".join(f'"{field.name}"' for field in HOUR_SCHEMA)
    if not paths:
        lake.connection.register("no_reading", HOUR_SCHEMA.empty_table())
        lake.connection.execute("CREATE OR REPLACE TEMP TABLE empty_reading AS FROM no_reading")
        lake.connection.unregister("no_reading")
        lake.connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS FROM empty_reading")
        return
    listed = ", ".join(f"'{path}'" for path in paths)
    lake.connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {columns} FROM read_parquet([{listed}]) "
        f"WHERE ts_ms >= {int(start_ms)} AND ts_ms < {int(end_ms)}"
    )

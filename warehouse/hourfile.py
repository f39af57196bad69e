"""The hour file: the readings of all devices in one hour, as compaction writes it and the kernel reads it.

What belongs here: the columns and order of an hour file, the ledger row of each of its series, the segments that are
made of it. What must not be here: making a file (``compaction``) or integrating it (``kernel``).

A series is what one measuring point of one device of one host says. An hour file holds whole series, one after
another, ordered by host, device and point, and within a series by time; no two rows of a series have the same time. It
holds every landed row of its hour once, also those that state only why there is no value.
"""

from __future__ import annotations

import pyarrow as pa

from collectors.contract import POWER_SAMPLE

MS_PER_HOUR = 3_600_000

SERIES_KEY = ("host", "device", "point")
# Where a row came from: index into the sorted sources of the hour (by time of writing, then content hash), and the row.
ORIGIN_FIELDS = (
    pa.field("source_file", pa.int32(), nullable=False),
    pa.field("source_row", pa.int32(), nullable=False),
)
HOUR_SCHEMA = pa.schema([*POWER_SAMPLE.arrow_schema().remove_metadata(), *ORIGIN_FIELDS])

_ENDS = (
    ("ts_ms", pa.int64()),
    ("power_mw", pa.int64()),
    ("energy_mj", pa.int64()),
    ("session", pa.int32()),
    ("is_estimate", pa.bool_()),
    ("kind", pa.string()),
    ("source", pa.string()),
)
# One row for each series of a file, in the order of the file. A reading is a row with a power or a counter; `first_`
# and `last_` are the first and last reading (NULL if there is none). With these the intervals between two hours are
# made without opening a file.
SERIES_SCHEMA = pa.schema(
    [
        pa.field("host", pa.string()),
        pa.field("device", pa.string()),
        pa.field("point", pa.string()),
        pa.field("kind", pa.string()),  # the greatest of its readings, as text; of its rows if it has no reading
        pa.field("parent", pa.string()),  # likewise
        pa.field("source", pa.string()),  # likewise
        pa.field("row_offset", pa.int64()),  # first row in the file
        pa.field("rows_n", pa.int64()),
        pa.field("readings_n", pa.int64()),
        pa.field("power_n", pa.int64()),  # readings with a power
        pa.field("counter_n", pa.int64()),  # readings with a counter
        pa.field("estimated_n", pa.int64()),  # readings that are modelled
        pa.field("sessions_n", pa.int32()),  # changes of session from reading to reading, plus one; 0 without readings
        pa.field("drops_n", pa.int32()),  # neighbouring readings of a session of which the later has the lower counter
        pa.field("is_mixed", pa.bool_()),  # its readings have more than one kind or source
        *(pa.field(f"{end}_{name}", kind) for end in ("first", "last") for name, kind in _ENDS),
    ]
)

# What the kernel makes of a series: energy between neighbouring cuts. Times in epoch milliseconds UTC, half open.
FLAG_RESET = 1  # a counter started anew inside: another session, or a drop that is no wrap
FLAG_WRAP = 2  # a counter wrapped at its known range
FLAG_IMPLAUSIBLE = 4  # a counter rose by more than the device can have drawn
SEGMENT_SCHEMA = pa.schema(
    [
        pa.field("host", pa.string()),
        pa.field("device", pa.string()),
        pa.field("point", pa.string()),
        pa.field("start_ms", pa.int64()),
        pa.field("end_ms", pa.int64()),
        pa.field("energy_j", pa.float64()),
        pa.field("measured_ms", pa.int64()),  # covered by counter or trapezoid
        pa.field("gap_ms", pa.int64()),  # between readings that are not bridged
        pa.field("estimated_ms", pa.int64()),  # part of measured_ms that rests on a modelled reading
        pa.field("estimated_j", pa.float64()),
        pa.field("counter_j", pa.float64()),  # part of energy_j that is a difference of counters
        pa.field("samples_n", pa.int32()),  # readings that end an interval inside (start, end]
        pa.field("flags", pa.int16()),
    ]
)

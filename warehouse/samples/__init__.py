"""The hour files of the lake: which landed files they are made of, making those that are to do, reading them by SQL.

What belongs here: the ledger of hour files and its transactions. What must not be here: how a file is made
(``compaction``), what is computed from it (``energy``).

Ingest notes an hour as to do in the transaction that takes a file in (``sources``); the hour file is made afterwards
(``making``), is named by its content (``places``) and can be made again at any time from the archive (``care``).
"""

from warehouse.samples.care import damaged_hours, make_again, unreferenced
from warehouse.samples.making import compact_pending
from warehouse.samples.places import hour_file, hour_files, view_readings
from warehouse.samples.sources import forget_source, note_sources

__all__ = [
    "compact_pending",
    "damaged_hours",
    "forget_source",
    "hour_file",
    "hour_files",
    "make_again",
    "note_sources",
    "unreferenced",
    "view_readings",
]

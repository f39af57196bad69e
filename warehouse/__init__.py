"""The lake: tables, ingest, computation in SQL, publishing and reports.

What belongs here: everything that reads or writes the warehouse. What must not be here: emission science (``models``)
and what sets the work going (``pipelines``).
"""

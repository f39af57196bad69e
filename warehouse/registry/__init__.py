"""The registry of tables: one description from which DDL, checks, Dagster metadata and the data dictionary are made.

What belongs here: table and column descriptions. What must not be here: SQL that fills a table (``warehouse/sql``).
"""

from warehouse.registry.build import ALL_TABLES, SCHEMAS, table, tables_in
from warehouse.registry.types import Column, Table

__all__ = ["ALL_TABLES", "SCHEMAS", "Column", "Table", "table", "tables_in"]

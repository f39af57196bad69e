"""Part 8, how to get at the figures: the text of every query behind the report."""

from __future__ import annotations

from warehouse.report.blocks import Block, Listing, Part
from warehouse.report.queries import ReportData
from warehouse.sqlfiles import sql_text


def part(data: ReportData) -> Part:
    """Return the part."""
    listings: list[Block] = [
        Listing(result.query_id, sql_text("report", result.name)) for result in data.results.values()
    ]
    lead = (
        "Every figure and table names its query. Each one runs as it stands on the published database (wattledger "
        "sql, or any "
        "DuckDB client on organisation.duckdb). The CSV files beside this page hold the rows in full precision."
    )
    files = {"calculation": data.results["calculation"], "publication": data.results["publication"]}
    return Part("queries", "Queries", listings, files, lead)

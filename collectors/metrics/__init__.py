"""Metrics of other exporters: their text format, and what the names of known ones mean."""

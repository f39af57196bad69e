"""Importers: files that other tools wrote become rows of the landing contract.

What belongs here: reading of other formats, and the mappings under ``maps`` that come with the program. What must not
be here: sampling of this host, or anything of the platform. ``table`` imports any CSV or Parquet file by a mapping.
"""

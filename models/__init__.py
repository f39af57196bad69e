"""Emission science: pure functions and dated, sourced factors.

What belongs here: what is small and is computed once (kilograms a device, grams a kWh), with low, central and high.
What must not be here: input and output other than our own data files (see ``factors``), a clock, DuckDB, Dagster.
"""

"""Runs against runs: what made the difference, which of them are worth their carbon.

What belongs here: the equations of docs/models/comparison.md, as pure functions. What must not be here: reading of
tables or files, and factors.
"""

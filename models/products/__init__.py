"""Figures per unit of what a model delivers: requests, tokens, SCI scores, training spread over use, break-even.

What belongs here: the equations of docs/models/products.md, as pure functions on quantities that the ledger holds.
What must not be here: reading of tables or files, dates of a calendar (days are counted from any origin), and factors.
"""

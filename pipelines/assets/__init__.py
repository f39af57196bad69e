"""The assets, one module a layer: feeds, what has landed, factors, tables of a day, marts, audit, what is published.

What belongs here: which function of the warehouse fills an asset and what is told about it. What must not be here: how.
"""

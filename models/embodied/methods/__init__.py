"""What other tools say about the embodied carbon of the same hardware: one file a tool, selectable by name.

Each method reproduces its tool as it is, with its constants, its boundary and its defects; that is its point. None of
them feeds the ledger: our own model is ``models.embodied``. Constants are rows of ``models/data/method_*.csv``, read by
``models.method_factors``; the registry is ``models.embodied.methods.registry``.

What belongs here: formulas of other tools. What must not be here: our own model, constants, reading of files.
"""

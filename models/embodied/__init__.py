"""Embodied (manufacturing) emissions of hardware: chip, server, building, and how they are spread over life.

What belongs here: the equations of docs/models/embodied.md and the catalogue that picks a factor for a hardware model.
What must not be here: constants (they are in models/data), reading of files (see ``models.factors``).
"""

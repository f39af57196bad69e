"""What a run will cost before it starts: parameters, operations, time, energy and carbon, each with its interval.

What belongs here: the equations of docs/models/prediction.md, training-flop.md and inference.md. What must not be here:
figures (they are in models/data), reading of files (see ``tables``), storing of forecasts.
"""

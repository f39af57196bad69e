"""What sets the work going: the Dagster graph of the warehouse and the ``wattledger`` command.

What belongs here: wiring (assets, partitions, sensors, schedules, checks, resources) and the command line. What must
not be here: how a file is taken in, how a table is filled, what a check looks for (``warehouse``), an equation
(``models``).
"""

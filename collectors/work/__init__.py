"""Work done by inference servers: their counters of requests and tokens, read by the agent.

What belongs here: which metrics count work (``known``), reading a server (``server``), what a counter says since its
last reading (``counters``), rows by the minute (``minutes``), whose model it is (``names``), and what outlives the
process (``meter``, ``state``). What must not be here: power, journals, landing files, or importers of saved logs.

Nothing of it is imported by an agent without ``[[work]]``, or by ``exec`` without ``--work-url``.
"""

from __future__ import annotations

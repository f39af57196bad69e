"""The error of somebody who must change something, as the command line and the library raise it.

What belongs here: that error. What must not be here: anything that must be imported first.
"""

from __future__ import annotations


class UsageError(ValueError):
    """Something that the user must change; the message names it, its value and what is expected."""

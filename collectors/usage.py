"""What the command line and the jobs share: the phases, and the error of somebody who must change something.

What belongs here: only what both need and what is light. What must not be here: anything that must be imported first.
"""

from __future__ import annotations

# The contract's phases; repeated because the contract loads pyarrow, which the sampling loop must not. A test holds the
# two equal.
PHASES = (
    "data_processing",
    "experimentation",
    "training",
    "fine_tuning",
    "evaluation",
    "deployment",
    "inference",
    "storage",
    "unknown",
)


class UsageError(ValueError):
    """Something that the user must change; the message names it, its value and what is expected."""

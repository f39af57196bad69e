"""Values as text that is safe to print.

What belongs here: what output and error messages both need. What must not be here: rich, or anything slow to import.
"""

from __future__ import annotations


def plain(value: object) -> str:
    """Return a value as text without control characters, so that data cannot steer a terminal.

    Args:
        value: any value; ``None`` gives an empty text.
    """
    if value is None:
        return ""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in str(value))


def plain_lines(text: str) -> str:
    """Return a text of several lines, each of them plain."""
    return "\n".join(plain(line) for line in text.split("\n"))

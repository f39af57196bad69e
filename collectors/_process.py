"""Starting another part of this package in an interpreter of its own.

What belongs here: the command. What must not be here: what is started, or what becomes of it.
"""

from __future__ import annotations

import sys
from pathlib import Path


def python_command(module: str) -> list[str]:
    """Return the command that runs the ``main`` of a module of this package, wherever the package lies.

    The working folder does not come into it (``-P``): it is somebody else's, and may hold anything.

    Args:
        module: name of the module inside this package.
    """
    root = str(Path(__file__).resolve().parent.parent)
    code = f"import sys; sys.path.append({root!r}); from {__package__}.{module} import main; sys.exit(main())"
    return [sys.executable, "-P", "-c", code]

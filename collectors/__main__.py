"""``python -m collectors`` (or ``python -m wattledger_collectors``): the ``wattledger-collect`` command."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())

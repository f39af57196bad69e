"""``python -m pipelines.cli``: the same as ``wattledger``."""

from pipelines.cli import main

main()

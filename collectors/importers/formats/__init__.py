"""Formats that ``wattledger import`` reads, one a folder, or one a module where that is enough.

What belongs here: the list of formats. What must not be here: what all formats share (see ``format`` and ``run``), what
several share (see ``shared``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..format import Format

# Name on the command line -> folder or module here; it holds the format as FORMAT.
MODULES: dict[str, str] = {
    "boamps": "boamps",
    "carbontracker": "carbontracker",
    "codecarbon": "codecarbon",
    "llmcarbon-csv": "llmcarbon_csv",
    "mlperf-power": "mlperf_power",
    "nvidia-smi": "nvidia_smi",
    "prometheus": "prometheus",
    "requests": "requests",
    "slurm": "slurm",
    "cloud-export": "cloud_export",
}


def load(name: str) -> Format:
    """Return a format; only its own module is imported.

    Args:
        name: one of ``MODULES``.
    """
    form: Format = import_module(f".{MODULES[name]}", __name__).FORMAT
    return form

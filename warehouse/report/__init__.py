"""The report of an organisation: one HTML page without scripts or remote assets, and a CSV of each figure beside it.

How it is laid out: ``queries`` reads the published database through ``warehouse/sql/report``; each module of ``parts``
turns rows into blocks (``blocks``); ``build`` renders the blocks with ``template.html.j2`` and writes the files. A new
part is one module and its SQL; the template knows blocks, not parts.
"""

from warehouse.report.build import write_report

__all__ = ["write_report"]

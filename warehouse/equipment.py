"""Sections of the configuration about hardware: what hosts are made of, and how long assets serve.

What belongs here: what an organisation states of its hardware. What must not be here: embodied factors (``models``).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from warehouse.electricity import Section

MOST_YEARS = 100
"""Longest service life taken [years]; buildings are written off over 20 to 60."""


class Hardware(Section):
    """Hardware of hosts that do not report it themselves.

    Attributes:
        hosts: shell-style patterns of host names.
        accelerator: accelerator model, as in docs/models/embodied.md.
        accelerators_n: accelerators in one host.
        server: server model or archetype.
        nameplate_kw: nameplate power of one host [kW].
    """

    hosts: Annotated[list[str], Field(min_length=1)]
    accelerator: str | None = None
    accelerators_n: Annotated[int, Field(ge=0)] | None = None
    server: str | None = None
    nameplate_kw: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _counted(self) -> Hardware:
        if (self.accelerator is None) != (self.accelerators_n is None):
            msg = "accelerator and accelerators_n go together"
            raise ValueError(msg)
        return self


class ServiceLife(Section):
    """How long assets of a kind or of a hardware model serve; a statement about a model outranks one about its kind.

    Attributes:
        kind: kind of asset, as in asset events.
        hardware_model: hardware model, as in asset events; unset: every model of the kind.
        years: service life [years of 365 days], from going into service.
        applies_from: from when it holds: what was accrued before stays, the rest is spread anew; unset: from the start.
    """

    kind: Literal["accelerator", "cpu", "server", "switch", "facility"]
    hardware_model: Annotated[str, Field(min_length=1)] | None = None
    years: Annotated[float, Field(gt=0, le=MOST_YEARS)]
    applies_from: date | None = None

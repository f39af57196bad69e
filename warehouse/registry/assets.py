"""Tables about assets: what is booked of each, how it accrues, and the ledger by month."""

from __future__ import annotations

from warehouse.registry.types import Column, Table

_KG = "kgCO2e"


def _known_or_not(name: str, unit: str, what: str) -> tuple[Column, Column, Column]:
    return (
        Column(f"low_{name}", "DOUBLE", f"Low end: {what}; NULL where not known.", unit, True, 0),
        Column(name, "DOUBLE", f"Central value: {what}; NULL where not known.", unit, True, 0),
        Column(f"high_{name}", "DOUBLE", f"High end: {what}; NULL where not known.", unit, True, 0),
    )


ASSET = Table(
    "core",
    "asset",
    "An asset as its events state it, with what is booked of it: embodied emissions and service life.",
    grain="asset",
    key=("asset_id",),
    columns=(
        Column("asset_id", "VARCHAR", "Identifier of the asset."),
        Column("kind", "VARCHAR", "accelerator, cpu, server, switch or facility."),
        Column("level", "VARCHAR", "chip, server or building."),
        Column("hardware_model", "VARCHAR", "Hardware model as its events state it."),
        Column("hardware_key", "VARCHAR", "Normalised hardware model."),
        Column("host", "VARCHAR", "Host in which it works, as stated last.", nullable=True),
        Column("device", "VARCHAR", "Device id under which it reports power.", nullable=True),
        Column("facility", "VARCHAR", "Facility in which it stands, as stated last.", nullable=True),
        Column("parent_asset", "VARCHAR", "Asset that contains it.", nullable=True),
        Column("quantity", "INTEGER", "Number of equal units.", minimum=1),
        Column("acquired_at", "TIMESTAMPTZ", "When it was purchased, else when it is first heard of."),
        Column("in_service_at", "TIMESTAMPTZ", "When it went into service; NULL while it did not.", nullable=True),
        Column("retired_at", "TIMESTAMPTZ", "When it was retired for good; NULL while it is not.", nullable=True),
        *_known_or_not("kgco2e", _KG, "embodied emissions of all its units"),
        *_known_or_not("life_h", "h", "service life"),
        Column("factor_id", "VARCHAR", "Embodied factor, or supplier_statement; NULL where none.", nullable=True),
        Column("quality_tier", "VARCHAR", "T1 to T5, or missing."),
    ),
    published=True,
)

ASSET_ACCRUAL = Table(
    "core",
    "asset_accrual",
    "Spans of time in which an asset accrues embodied emissions at one rate. "
    "Low, central and high have lives of their own.",
    grain="asset x span",
    key=("asset_id", "start_at"),
    columns=(
        Column("asset_id", "VARCHAR", "Identifier of the asset."),
        Column("start_at", "TIMESTAMPTZ", "Start of the span."),
        Column("end_at", "TIMESTAMPTZ", "End of the span (exclusive)."),
        Column("low_gco2e_per_s", "DOUBLE", "Low end of the rate.", "gCO2e/s", minimum=0),
        Column("gco2e_per_s", "DOUBLE", "Rate.", "gCO2e/s", minimum=0),
        Column("high_gco2e_per_s", "DOUBLE", "High end of the rate.", "gCO2e/s", minimum=0),
    ),
    published=True,
)

EMBODIED_LEDGER = Table(
    "mart",
    "embodied_ledger",
    "The two ledgers of an asset by month: acquired (scope 3 category 2, all in the month of purchase) and amortised "
    "(accrued, written off), with what remains at the end of the month. To date: acquired = accrued + written off + "
    "remaining.",
    grain="month x asset",
    key=("month", "asset_id"),
    columns=(
        Column("month", "DATE", "First day of the UTC month."),
        Column("asset_id", "VARCHAR", "Identifier of the asset."),
        Column("kind", "VARCHAR", "accelerator, cpu, server, switch or facility."),
        Column("level", "VARCHAR", "chip, server or building."),
        Column("hardware_model", "VARCHAR", "Hardware model as its events state it."),
        Column("host", "VARCHAR", "Host in which it works, as stated last.", nullable=True),
        Column("facility", "VARCHAR", "Facility in which it stands, as stated last.", nullable=True),
        *_known_or_not("acquired_kgco2e", _KG, "booked in this month because it was purchased in it"),
        *_known_or_not("accrued_kgco2e", _KG, "accrued in this month"),
        *_known_or_not("written_off_kgco2e", _KG, "written off in this month"),
        *_known_or_not("remaining_kgco2e", _KG, "not yet accrued at the end of this month"),
        Column("factor_id", "VARCHAR", "Embodied factor, or supplier_statement; NULL where none.", nullable=True),
        Column("quality_tier", "VARCHAR", "T1 to T5, or missing."),
    ),
    published=True,
)

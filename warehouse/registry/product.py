"""Tables about what one unit of a model's work took: SCI, and SCI for AI of its two personas."""

from __future__ import annotations

from warehouse.registry.types import Column, Table

_WHOSE = (
    Column("org", "VARCHAR", "Organisation."),
    Column("model", "VARCHAR", "Model; NULL where not stated.", nullable=True),
    Column("model_version", "VARCHAR", "Model version; NULL where not stated.", nullable=True),
)


def _three(name: str, unit: str, what: str) -> tuple[Column, Column, Column]:
    return (
        Column(f"low_{name}", "DOUBLE", f"Low end: {what}.", unit, True, 0),
        Column(name, "DOUBLE", f"Central value: {what}.", unit, True, 0),
        Column(f"high_{name}", "DOUBLE", f"High end: {what}.", unit, True, 0),
    )


SCI_MONTHLY = Table(
    "mart",
    "sci_monthly",
    "What serving and what making a model version took in a month, location-based, with the work. Consumer: inference "
    "and storage. Provider: data processing to deployment. Jobs of an unknown phase are in no score and are rows too.",
    grain="month x org x model x model_version x persona",
    key=("month", "org", "model", "model_version", "persona"),
    columns=(
        Column("month", "DATE", "First day of the UTC month."),
        *_WHOSE,
        Column("persona", "VARCHAR", "consumer, provider, or unknown where the phase of the jobs is."),
        *_three(
            "operational_gco2e",
            "gCO2e",
            "operational emissions of IT and overhead, location-based; NULL where not known of all energy",
        ),
        *_three("embodied_gco2e", "gCO2e", "embodied emissions, amortised; NULL where not known of all hardware"),
        Column("requests_n", "BIGINT", "Requests answered; NULL where not all are counted.", None, True, 0),
        Column("tokens_n", "BIGINT", "Input and output tokens; NULL where not all are counted.", None, True, 0),
        *_three("gco2e_per_request", "gCO2e", "operational and embodied per request; NULL without requests"),
        *_three("gco2e_per_1k_tokens", "gCO2e", "operational and embodied per 1,000 tokens; NULL without tokens"),
    ),
    partition="month",
    published=True,
)

SCI_AI = Table(
    "mart",
    "sci_ai",
    "SCI for AI of a model version to date, (O + M) / R: for consumers per inference and token, for its provider per "
    "training token and parameter. The two are never added. Location-based only.",
    grain="org x model x model_version x persona x unit",
    key=("org", "model", "model_version", "persona", "unit"),
    columns=(
        *_WHOSE,
        Column("persona", "VARCHAR", "consumer or provider."),
        Column("unit", "VARCHAR", "inference, token, training_token or parameter."),
        Column(
            "basis", "VARCHAR", "What a provider's units count: gross, all of them; NULL for a consumer.", nullable=True
        ),
        Column("first_month", "DATE", "First month with emissions."),
        Column("last_month", "DATE", "Last month with emissions."),
        Column("operational_gco2e", "DOUBLE", "O; NULL where not known of all energy.", "gCO2e", True, 0),
        Column("embodied_gco2e", "DOUBLE", "M; NULL where not known of all hardware.", "gCO2e", True, 0),
        Column("units_n", "BIGINT", "R; NULL where not all is counted.", None, True, 0),
        *_three("gco2e_per_unit", "gCO2e", "(O + M) / R; NULL where R is 0 or not known"),
        Column(
            "reason",
            "VARCHAR",
            "Why there is no score: not_known (emissions), not_counted (units), no_units (R is 0).",
            nullable=True,
        ),
    ),
    published=True,
)

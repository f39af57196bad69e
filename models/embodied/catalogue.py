"""Which embodied factor stands for a hardware model: all candidates side by side, one of them selected.

Published footprints of tiers T1 and T2 outrank the component model (T3), which outranks archetypes (T4).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from models.embodied.chip import DieGroup, FabNode, ModuleConstants, accelerator_kgco2e, processor_kgco2e
from models.estimate import Estimate
from models.table import Source

PRODUCT_FOOTPRINT, COMPONENT_MODEL, ARCHETYPE = "product_footprint", "component_model", "archetype"
METHOD_RANK = {COMPONENT_MODEL: 0, PRODUCT_FOOTPRINT: 1, ARCHETYPE: 2}
"""Order within one tier: our own model is the same for all cards, so it goes before another model's result."""
METHOD_CODE = {PRODUCT_FOOTPRINT: "pcf", COMPONENT_MODEL: "model", ARCHETYPE: "archetype"}
LEVEL = {"accelerator": "chip", "cpu": "chip", "server": "server", "building": "building"}
UNIT_BASIS = {"accelerator": "device", "cpu": "device", "server": "server", "building": "kw_it"}
GENERIC = {kind: f"*generic {kind}" for kind in LEVEL}
"""The archetype of each kind, for a model that is not known; asset kind ``facility`` uses ``building``."""
VENDOR_WORDS = (
    "nvidia",
    "tesla",
    "amd",
    "intel",
    "google",
    "aws",
    "amazon",
    "dell",
    "hp",
    "hpe",
    "lenovo",
    "supermicro",
)
DROPPED_WORDS = frozenset({*VENDOR_WORDS, "corporation", "corp", "inc", "cpu", "processor"})


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a row comes from: year of the source, how it was verified, source id, note."""

    year: int
    verified: str
    source_id: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Service life of a kind of asset: low, central, high [h]."""

    low_h: float
    life_h: float
    high_h: float


@dataclass(frozen=True, slots=True)
class AcceleratorSpec:
    """What the component model needs of an accelerator: dies, memory [GB], design power [W]."""

    model: str
    aliases: tuple[str, ...]
    groups: tuple[DieGroup, ...]
    memory_kind: str
    memory_gb: float
    tdp_w: float
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class ProcessorSpec:
    """What the component model needs of a processor: silicon of the socket [mm^2], dies, node of the compute dies."""

    model: str
    aliases: tuple[str, ...]
    silicon_area_mm2: float
    dies_n: int
    node: FabNode
    tier: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Footprint:
    """A published or archetypal total of one unit [kgCO2e per device, server or kW of IT]."""

    model: str
    kind: str
    aliases: tuple[str, ...]
    estimate: Estimate
    boundary: str
    provenance: Provenance
    nameplate_kw: float | None = None
    accelerators_n: int | None = None


@dataclass(frozen=True, slots=True)
class HardwareFactor:
    """Embodied emissions and life of one unit of a hardware model, by one method.

    Attributes:
        factor_id: stable name, such as ``hw.pcf.h100sxm580gb``.
        hardware_model: canonical name; begins with ``*`` for an archetype that SQL may fall back to.
        kind: ``accelerator``, ``cpu``, ``server`` or ``building``.
        level: ``chip``, ``server`` or ``building``.
        aliases: other names of the same model.
        model_keys: normalised keys of the name and its aliases.
        unit_basis: what one unit is: ``device``, ``server`` or ``kw_it``.
        low_kgco2e: lower end [kgCO2e per unit].
        kgco2e: central value [kgCO2e per unit].
        high_kgco2e: upper end [kgCO2e per unit].
        life_low_h: short service life [h].
        life_h: central service life [h].
        life_high_h: long service life [h].
        nameplate_kw: nameplate power of a server [kW], None where not known or not a server.
        accelerators_n: accelerators that a host carries (not included), None where not a host.
        tier: ``T1`` to ``T5``.
        method: ``product_footprint``, ``component_model`` or ``archetype``.
        boundary: life-cycle boundary of the figure.
        is_selected: True for the one candidate of this hardware model to use.
        source_id: key of ``source.csv``.
        source_title: title of the source.
        licence: licence of the source.
        published: year of the source's figure.
        verified: how the row was verified.
        note: what to know.
    """

    factor_id: str
    hardware_model: str
    kind: str
    level: str
    aliases: tuple[str, ...]
    model_keys: tuple[str, ...]
    unit_basis: str
    low_kgco2e: float
    kgco2e: float
    high_kgco2e: float
    life_low_h: float
    life_h: float
    life_high_h: float
    nameplate_kw: float | None
    accelerators_n: int | None
    tier: str
    method: str
    boundary: str
    is_selected: bool
    source_id: str
    source_title: str
    licence: str
    published: str
    verified: str
    note: str


@dataclass(frozen=True, slots=True)
class ResolvedHardwareFactor:
    """The factor that answers for a hardware model, and whether it is only the archetype of its kind."""

    factor: HardwareFactor
    is_fallback: bool


def normalise_model(name: str) -> str:
    """Give the key under which a hardware model is looked up.

    Lower case, letters and digits only; trademarks, clock rates (``@ 2.60GHz``), core counts (``64-Core``) and the
    ``DROPPED_WORDS`` (vendors, and ``tesla``, which NVIDIA dropped from its names) go; all else stays, in order.
    The names of archetypes (``*generic cpu``) keep all their words.

    Args:
        name: as a driver, a benchmark or a person writes it, such as ``NVIDIA H100 80GB HBM3``.

    Returns:
        The key, such as ``h10080gbhbm3``; empty if nothing is left.
    """
    text = re.sub(r"\((r|tm|c)\)|[®™©]", " ", name.lower())
    text = re.sub(r"@.*$|\b\d+-core\b", " ", text)
    dropped = frozenset[str]() if name.startswith("*") else DROPPED_WORDS
    return "".join(word for word in re.findall(r"[a-z0-9]+", text) if word not in dropped)


def component_model_footprints(
    accelerators: Iterable[AcceleratorSpec],
    processors: Iterable[ProcessorSpec],
    constants: ModuleConstants,
    components: Mapping[str, Estimate],
) -> list[Footprint]:
    """Give the component model's figure of every accelerator and processor.

    Args:
        accelerators: specifications.
        processors: specifications; those of tier T4 get the archetype band.
        constants: of the accelerator module.
        components: of ``component.csv``.

    Returns:
        One footprint a specification [kgCO2e per device].
    """
    found = []
    for spec in accelerators:
        estimate = accelerator_kgco2e(spec.groups, spec.memory_kind, spec.memory_gb, spec.tdp_w, constants)
        found.append(Footprint(spec.model, "accelerator", spec.aliases, estimate, "cradle_to_gate", spec.provenance))
    for chip in processors:
        estimate = processor_kgco2e(chip.silicon_area_mm2, chip.dies_n, chip.node, components)
        if chip.tier == "T4":
            estimate = estimate.banded(components["band_t4"].low, components["band_t4"].high, "T4")
        found.append(Footprint(chip.model, "cpu", chip.aliases, estimate, "cradle_to_gate", chip.provenance))
    return found


def catalogue(
    footprints: Sequence[tuple[str, Footprint]],
    lifetimes: Mapping[str, Lifetime],
    sources: Mapping[str, Source],
) -> list[HardwareFactor]:
    """Give all factors side by side with one selected for each hardware model.

    Args:
        footprints: method and footprint of every candidate.
        lifetimes: by kind [h].
        sources: by id.

    Returns:
        Factors sorted by id. The names and aliases of a model are those of all its candidates.

    Raises:
        ValueError: if two candidates would have the same id.

    Reference: docs/models/embodied.md, tiers.
    """
    aliases: dict[tuple[str, str], dict[str, None]] = {}
    for _, item in footprints:
        aliases.setdefault((item.kind, item.model), {}).update(dict.fromkeys(item.aliases))
    found = [
        _factor(
            method,
            item,
            tuple(aliases[item.kind, item.model]),
            lifetimes[item.kind],
            sources[item.provenance.source_id],
        )
        for method, item in footprints
    ]
    ids = sorted(factor.factor_id for factor in found)
    twice = {a for a, b in pairwise(ids) if a == b}
    if twice:
        msg = f"hardware factors with the same id: {', '.join(sorted(twice))}"
        raise ValueError(msg)
    return sorted(_selected(found), key=lambda f: f.factor_id)


def resolve(factors: Iterable[HardwareFactor], hardware_model: str, kind: str) -> ResolvedHardwareFactor | None:
    """Give the selected factor for a hardware model, else the archetype of its kind, visibly.

    Args:
        factors: the catalogue.
        hardware_model: any spelling of the model.
        kind: ``accelerator``, ``cpu``, ``server`` or ``building`` (``facility`` reads as ``building``).

    Returns:
        The factor and whether it is a fallback; None for a kind without an archetype, such as ``switch``.
    """
    asked = "building" if kind == "facility" else kind
    key = normalise_model(hardware_model)
    pool = [f for f in factors if f.is_selected and f.kind == asked]
    for factor in pool:
        if key and key in factor.model_keys:
            return ResolvedHardwareFactor(factor, is_fallback=False)
    for factor in pool:
        if factor.hardware_model == GENERIC[asked]:
            return ResolvedHardwareFactor(factor, is_fallback=True)
    return None


def _selected(candidates: Sequence[HardwareFactor]) -> list[HardwareFactor]:
    """Mark the best candidate of each model: the best tier, then the order of methods."""
    best: dict[tuple[str, str], HardwareFactor] = {}
    for factor in candidates:
        key = factor.kind, factor.hardware_model
        best[key] = min(best.get(key, factor), factor, key=lambda f: (f.tier, METHOD_RANK[f.method]))
    chosen = {factor.factor_id for factor in best.values()}
    return [replace(factor, is_selected=factor.factor_id in chosen) for factor in candidates]


def _factor(method: str, item: Footprint, aliases: tuple[str, ...], life: Lifetime, source: Source) -> HardwareFactor:
    """Give the flat factor of one candidate, not yet selected."""
    key = normalise_model(item.model)
    return HardwareFactor(
        factor_id=f"hw.{METHOD_CODE[method]}.{key}",
        hardware_model=item.model,
        kind=item.kind,
        level=LEVEL[item.kind],
        aliases=aliases,
        model_keys=tuple(dict.fromkeys(normalise_model(name) for name in (item.model, *aliases))),
        unit_basis=UNIT_BASIS[item.kind],
        low_kgco2e=item.estimate.low,
        kgco2e=item.estimate.central,
        high_kgco2e=item.estimate.high,
        life_low_h=life.low_h,
        life_h=life.life_h,
        life_high_h=life.high_h,
        nameplate_kw=item.nameplate_kw,
        accelerators_n=item.accelerators_n,
        tier=item.estimate.tier,
        method=method,
        boundary=item.boundary,
        is_selected=False,
        source_id=item.provenance.source_id,
        source_title=source.title,
        licence=source.licence,
        published=str(item.provenance.year),
        verified=item.provenance.verified,
        note=item.provenance.note,
    )

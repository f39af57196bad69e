"""Parameters of a transformer as a sum of its components, total and active.

What belongs here: shapes and counts. What must not be here: operations (see ``training``), any model's shape.

Flags cover what moves the count: gated feed-forward (three matrices), grouped and multi-query attention, a head size
that is not hidden / heads, tied embeddings, learned or relative positions, biases, norms, and mixture of experts.
Latent attention, convolution and cross-attention are not covered: state the parameter count instead of a shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.prediction.inputs import InputError

NORM_VECTORS = {"layernorm": 2, "rmsnorm": 1}
"""Vectors that one norm learns: a scale and a shift, or a scale alone."""
POSITIONS = frozenset({"none", "learned", "relative"})
"""``none`` holds rotary and fixed ones; ``relative`` has a projection a layer and two biases (Transformer-XL)."""


@dataclass(frozen=True, slots=True)
class Experts:
    """Mixture of experts in place of the feed-forward of some layers.

    Attributes:
        experts_n: routed experts of one such layer.
        active_n: routed experts that one token visits.
        layers_n: layers that have experts; the others keep the dense feed-forward.
        ff_size: inner size of one expert.
        shared_n: experts that every token visits, beside the routed ones.
        shared_ff_size: inner size of a shared expert; 0 for that of the routed ones.
    """

    experts_n: int
    active_n: int
    layers_n: int
    ff_size: int
    shared_n: int = 0
    shared_ff_size: int = 0


@dataclass(frozen=True, slots=True)
class Architecture:
    """Shape of a decoder, or of a stack of layers without cross-attention.

    Attributes:
        layers_n: layers.
        hidden_size: width of the residual stream.
        heads_n: query heads.
        kv_heads_n: key and value heads; as many as ``heads_n`` without grouping, 1 for multi-query.
        head_size: width of one head; not always hidden / heads.
        ff_size: inner width of the dense feed-forward.
        vocabulary_n: rows of the embedding.
        gated: whether the feed-forward has a third matrix (SwiGLU, GEGLU).
        tied: whether output and input share one embedding.
        norm: ``layernorm`` or ``rmsnorm``.
        norms_per_layer_n: norms of the hidden size in a layer.
        extra_norms_n: norms of the hidden size outside the layers.
        qk_norm_sizes: widths of norms inside attention, a layer (such as those of queries and keys).
        attention_bias: whether query, key, value and output projections have biases.
        qkv_bias: whether query, key and value alone have biases.
        ff_bias: whether the feed-forward has biases.
        positions: one of ``POSITIONS``.
        positions_n: learned positions, for ``learned``.
        experts: mixture of experts, or None for a dense model.
    """

    layers_n: int
    hidden_size: int
    heads_n: int
    kv_heads_n: int
    head_size: int
    ff_size: int
    vocabulary_n: int
    gated: bool
    tied: bool
    norm: str = "layernorm"
    norms_per_layer_n: int = 2
    extra_norms_n: int = 1
    qk_norm_sizes: tuple[int, ...] = ()
    attention_bias: bool = False
    qkv_bias: bool = False
    ff_bias: bool = False
    positions: str = "none"
    positions_n: int = 0
    experts: Experts | None = None

    def __post_init__(self) -> None:
        """Refuse a shape that cannot be."""
        for name in ("layers_n", "hidden_size", "heads_n", "kv_heads_n", "head_size", "ff_size", "vocabulary_n"):
            _at_least(name, getattr(self, name), 1)
        if self.heads_n % self.kv_heads_n:
            msg = f"heads_n = {self.heads_n} must be a multiple of kv_heads_n = {self.kv_heads_n}"
            raise InputError(msg)
        for name, allowed in (("norm", frozenset(NORM_VECTORS)), ("positions", POSITIONS)):
            if getattr(self, name) not in allowed:
                msg = f"{name} must be one of {', '.join(sorted(allowed))}, not {getattr(self, name)!r}"
                raise InputError(msg)
        if (self.positions == "learned") != (self.positions_n > 0):
            msg = f"positions_n = {self.positions_n} belongs to positions = learned and to no other ({self.positions})"
            raise InputError(msg)
        if self.experts is not None:
            _check_experts(self.experts, self.layers_n)


@dataclass(frozen=True, slots=True)
class ParameterCount:
    """Parameters by component, and how many of them one token uses.

    Attributes:
        embedding_n: input embedding, the output's too where tied.
        output_n: output projection of its own; 0 where tied.
        positions_n: position embeddings and projections.
        attention_n: query, key, value and output projections.
        feed_forward_n: dense feed-forward layers.
        experts_n: routed and shared experts.
        router_n: routers.
        norms_n: norms.
        inactive_n: parameters of experts that a token does not visit.
    """

    embedding_n: int
    output_n: int
    positions_n: int
    attention_n: int
    feed_forward_n: int
    experts_n: int
    router_n: int
    norms_n: int
    inactive_n: int

    @property
    def total_n(self) -> int:
        """All parameters."""
        layers = self.attention_n + self.feed_forward_n + self.experts_n + self.router_n
        return self.embedding_n + self.output_n + self.positions_n + layers + self.norms_n

    @property
    def active_n(self) -> int:
        """Parameters that one token uses; all of them in a dense model."""
        return self.total_n - self.inactive_n


def parameters(shape: Architecture) -> ParameterCount:
    """Count the parameters of a shape.

    Args:
        shape: the architecture.

    Returns:
        Parameters by component [1].

    Reference: docs/models/training-flop.md, parameters; Vaswani et al. 2017, Shazeer 2019 (multi-query) and 2020
        (gated feed-forward), Ainslie et al. 2023 (grouped queries), Dai et al. 2019 (relative positions).
    """
    experts, routers, inactive = _experts(shape)
    moe_layers = shape.experts.layers_n if shape.experts else 0
    embedding = shape.vocabulary_n * shape.hidden_size
    per_norm = NORM_VECTORS[shape.norm]
    norms = shape.hidden_size * (shape.layers_n * shape.norms_per_layer_n + shape.extra_norms_n)
    return ParameterCount(
        embedding_n=embedding,
        output_n=0 if shape.tied else embedding,
        positions_n=_positions(shape),
        attention_n=shape.layers_n * _attention(shape),
        feed_forward_n=(shape.layers_n - moe_layers) * _feed_forward(shape, shape.ff_size),
        experts_n=experts,
        router_n=routers,
        norms_n=per_norm * (norms + shape.layers_n * sum(shape.qk_norm_sizes)),
        inactive_n=inactive,
    )


def _attention(shape: Architecture) -> int:
    """Parameters of the four projections of one layer."""
    query, key_value = shape.heads_n * shape.head_size, 2 * shape.kv_heads_n * shape.head_size
    biases = (query + key_value) * (shape.attention_bias or shape.qkv_bias) + shape.hidden_size * shape.attention_bias
    return shape.hidden_size * (2 * query + key_value) + biases


def _feed_forward(shape: Architecture, ff_size: int) -> int:
    """Parameters of one feed-forward of an inner size."""
    matrices = 3 if shape.gated else 2
    return matrices * shape.hidden_size * ff_size + shape.ff_bias * ((matrices - 1) * ff_size + shape.hidden_size)


def _positions(shape: Architecture) -> int:
    """Parameters of positions: a table, or a projection and two biases a layer."""
    width = shape.heads_n * shape.head_size
    per_layer = shape.hidden_size * width + 2 * width if shape.positions == "relative" else 0
    return shape.positions_n * shape.hidden_size + shape.layers_n * per_layer


def _experts(shape: Architecture) -> tuple[int, int, int]:
    """Parameters of all experts, of all routers, and of the experts that a token leaves out."""
    moe = shape.experts
    if moe is None:
        return 0, 0, 0
    one, shared = _feed_forward(shape, moe.ff_size), _feed_forward(shape, moe.shared_ff_size or moe.ff_size)
    held = moe.layers_n * (moe.experts_n * one + moe.shared_n * shared)
    return held, moe.layers_n * shape.hidden_size * moe.experts_n, moe.layers_n * (moe.experts_n - moe.active_n) * one


def _check_experts(moe: Experts, layers_n: int) -> None:
    """Refuse experts that cannot be."""
    for name in ("experts_n", "active_n", "layers_n", "ff_size"):
        _at_least(f"experts.{name}", getattr(moe, name), 1)
    _at_least("experts.shared_n", moe.shared_n, 0)
    if moe.active_n > moe.experts_n or moe.layers_n > layers_n:
        msg = (
            f"experts: active_n = {moe.active_n} of experts_n = {moe.experts_n} in layers_n = {moe.layers_n} "
            f"of {layers_n} layers is not possible"
        )
        raise InputError(msg)


def _at_least(name: str, value: float, least: int) -> None:
    """Refuse a size that is not a whole number of at least ``least``."""
    if isinstance(value, bool) or not math.isfinite(value) or value != int(value) or value < least:
        msg = f"{name} must be a whole number of at least {least}, not {value!r}"
        raise InputError(msg)

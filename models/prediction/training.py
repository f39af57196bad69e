"""Operations of a training run: what the model needs, and what the hardware does for it.

What belongs here: FLOP. What must not be here: speed (see ``efficiency``), time and devices (see ``plan``).

Two figures are kept apart. Model FLOP are what the mathematics needs (their share of peak is MFU); hardware FLOP add
what is computed twice to save memory and what mixture-of-experts routing pads (their share of peak is HFU).
"""

from __future__ import annotations

from dataclasses import dataclass

from models.prediction.architecture import Architecture, parameters
from models.prediction.inputs import InputError, checked

FORWARD_FLOP_PER_PARAMETER = 2.0
"""One multiplication and one addition a parameter and token [FLOP]."""
BACKWARD_OVER_FORWARD = 2.0
"""The backward pass computes gradients of activations and of weights [1]: twice the forward pass."""
RECOMPUTE = {"none": 0.0, "selective": 0.0, "full": 1.0}
"""Forward passes of all layers that are done again [1]; ``selective`` redoes the attention scores alone, see below."""
ADAPTER_BACKWARD_OVER_FORWARD = 1.0
"""With frozen weights (adapters) only gradients of activations are computed [1]."""


@dataclass(frozen=True, slots=True)
class Work:
    """Operations of a run.

    Attributes:
        parameters_flop: model FLOP that follow from parameters [FLOP].
        attention_flop: model FLOP of attention scores and their use [FLOP].
        recomputed_flop: done again to save memory [FLOP].
        padding_flop: done for empty or dropped places of experts [FLOP].
    """

    parameters_flop: float
    attention_flop: float = 0.0
    recomputed_flop: float = 0.0
    padding_flop: float = 0.0

    @property
    def model_flop(self) -> float:
        """What the model needs [FLOP]; the numerator of MFU."""
        return self.parameters_flop + self.attention_flop

    @property
    def hardware_flop(self) -> float:
        """What the hardware does [FLOP]; the numerator of HFU."""
        return self.model_flop + self.recomputed_flop + self.padding_flop


def attention_flop_per_token(shape: Architecture, sequence_length_n: float, *, causal: bool = False) -> float:
    """Give the forward FLOP of attention scores and their use, for one token.

    Args:
        shape: the architecture.
        sequence_length_n: tokens that a token may look at.
        causal: count only the half that a causal mask leaves; published MFU counts all of it.

    Returns:
        4 * layers * heads * head_size * sequence [FLOP per token], or half of it.

    Reference: Chowdhery et al. 2022 (PaLM), appendix B: 12 L H Q T with the backward pass, 4 L H Q T without.
    """
    length = checked("sequence_length_n", sequence_length_n)
    whole = 4.0 * shape.layers_n * shape.heads_n * shape.head_size * length
    return whole / 2 if causal else whole


def training_work(
    active_parameters_n: float,
    tokens_n: float,
    *,
    shape: Architecture | None = None,
    sequence_length_n: float | None = None,
    recompute: str = "none",
    capacity_factor: float = 1.0,
    frozen: bool = False,
) -> Work:
    """Give the operations of training on some tokens.

    Args:
        active_parameters_n: parameters that one token uses.
        tokens_n: tokens trained on, repeated ones counted again.
        shape: the architecture, needed for the attention term, selective recompute and expert padding.
        sequence_length_n: tokens of one sequence; needed with a shape.
        recompute: ``none``, ``selective`` or ``full`` activation recompute.
        capacity_factor: places of experts over tokens routed to them [1], at least 1.
        frozen: only adapters learn; the weights of the model are not updated.

    Raises:
        InputError: if a value is out of range, or a term is asked for without the shape it needs.

    Reference: docs/models/training-flop.md; Kaplan et al. 2020 (6 N D); Narayanan et al. 2021, eq. 3 (recompute).
    """
    active = checked("active_parameters_n", active_parameters_n)
    tokens = checked("tokens_n", tokens_n)
    if recompute not in RECOMPUTE:
        msg = f"recompute must be one of {', '.join(RECOMPUTE)}, not {recompute!r}"
        raise InputError(msg)
    if not 1.0 <= capacity_factor <= 10.0:
        msg = f"capacity_factor must be within [1, 10], not {capacity_factor!r}"
        raise InputError(msg)
    if shape is None and (recompute == "selective" or capacity_factor > 1.0):
        msg = "selective recompute and a capacity factor need the model's shape, not only its parameter count"
        raise InputError(msg)
    passes = 1.0 + (ADAPTER_BACKWARD_OVER_FORWARD if frozen else BACKWARD_OVER_FORWARD)
    forward = FORWARD_FLOP_PER_PARAMETER * active * tokens
    scores = 0.0
    if shape is not None:
        if sequence_length_n is None:
            msg = "sequence_length_n is needed with a shape: attention grows with it"
            raise InputError(msg)
        scores = attention_flop_per_token(shape, sequence_length_n) * tokens
    again = RECOMPUTE[recompute] * (forward + scores) + (scores if recompute == "selective" else 0.0)
    padding = 0.0 if shape is None else (capacity_factor - 1.0) * passes * _routed_flop(shape, tokens)
    return Work(passes * forward, passes * scores, again, padding)


def _routed_flop(shape: Architecture, tokens_n: float) -> float:
    """Forward FLOP of the routed experts that tokens visit."""
    if shape.experts is None:
        return 0.0
    counted = parameters(shape)
    moe = shape.experts
    per_expert = counted.inactive_n / (moe.experts_n - moe.active_n) if moe.experts_n > moe.active_n else 0.0
    return FORWARD_FLOP_PER_PARAMETER * per_expert * moe.active_n * tokens_n

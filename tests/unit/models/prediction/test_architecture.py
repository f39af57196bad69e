"""Parameter counts: against exact published counts, by hand, and as properties."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.prediction.architecture import Architecture, Experts, parameters
from models.prediction.inputs import InputError
from tests.support.architectures import GPT_STYLE, LLAMA_STYLE, PUBLISHED

SMALL = Architecture(2, 4, 2, 1, 3, 8, 10, gated=True, tied=False, norm="rmsnorm")


def test_every_component_by_hand() -> None:
    # h 4, 2 heads of 3, 1 key-value head, ff 8, vocabulary 10, two layers, gated, untied, RMSNorm.
    # attention: 4 x (2 x 6 + 2 x 3) = 72 a layer; feed-forward 3 x 4 x 8 = 96; norms 4 x (2 x 2 + 1) = 20;
    # tables 40 + 40
    counted = parameters(SMALL)
    assert (counted.attention_n, counted.feed_forward_n, counted.norms_n) == (144, 192, 20)
    assert (counted.embedding_n, counted.output_n) == (40, 40)
    assert counted.total_n == counted.active_n == 436


def test_experts_by_hand() -> None:
    # 1 of 2 layers has 4 experts of size 8, 1 visited, and a shared one: 5 x 96 = 480, router 4 x 4 = 16; idle 3 x 96
    moe = parameters(replace(SMALL, experts=Experts(4, 1, 1, 8, shared_n=1)))
    assert (moe.feed_forward_n, moe.experts_n, moe.router_n, moe.inactive_n) == (96, 480, 16, 288)
    assert moe.total_n - moe.active_n == 288


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_exact_counts_are_met_to_the_last_parameter(name: str) -> None:
    shape, count = PUBLISHED[name]
    assert parameters(shape).total_n == count


def test_palm_and_lamda_which_a_fixed_formula_misses_by_10_and_62_percent() -> None:
    # Chowdhery et al. 2022, table 1: 118 layers, 18432, 48 heads of 256, multi-query, gated 4 h, 256k tied: 540.35 B.
    # Thoppilan et al. 2022: 64 layers, 8192, 128 heads of 128, gated 65536, 32k: 137 B without embedding.
    palm = Architecture(118, 18_432, 48, 1, 256, 4 * 18_432, 256_000, gated=True, tied=True)
    lamda = Architecture(64, 8_192, 128, 128, 128, 65_536, 32_000, gated=True, tied=True)
    assert parameters(palm).total_n == pytest.approx(540.35e9, rel=1e-4)
    assert parameters(lamda).total_n == pytest.approx(137e9, rel=0.01)


def test_mixtral_has_46_7_billion_of_which_12_9_work() -> None:
    # Jiang et al. 2024: 32 layers, 4096, 32 heads, 8 key-value heads, 8 experts of 14336, 2 visited, 32k
    shape = replace(LLAMA_STYLE, layers_n=32, hidden_size=4096, heads_n=32, kv_heads_n=8, head_size=128,
                    vocabulary_n=32_000, experts=Experts(8, 2, 32, 14_336))  # fmt: skip
    counted = parameters(shape)
    assert counted.total_n == 46_702_792_704
    assert counted.active_n == pytest.approx(12.9e9, rel=0.002)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
def test_more_key_value_heads_are_never_fewer_parameters(layers: int, groups: int, kv_heads: int) -> None:
    shape = replace(SMALL, layers_n=layers, heads_n=groups * kv_heads, kv_heads_n=kv_heads)
    assert parameters(replace(shape, kv_heads_n=1)).total_n <= parameters(shape).total_n


@given(st.integers(2, 64), st.data())
def test_active_is_all_only_when_every_expert_works(experts: int, data: st.DataObject) -> None:
    active = data.draw(st.integers(1, experts))
    counted = parameters(replace(SMALL, experts=Experts(experts, active, 2, 8)))
    assert (counted.active_n == counted.total_n) == (active == experts)
    assert 0 < counted.active_n <= counted.total_n


def test_biases_and_learned_positions_are_counted() -> None:
    # GPT-2: 12 layers of 768, 12 heads, 50257 tokens, 1024 positions: 124,439,808 (openai/gpt-2, 124M)
    gpt2 = replace(GPT_STYLE, layers_n=12, hidden_size=768, heads_n=12, kv_heads_n=12, head_size=64, ff_size=3072,
                   vocabulary_n=50_257, tied=True, positions="learned", positions_n=1024)  # fmt: skip
    assert parameters(gpt2).total_n == 124_439_808


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"layers_n": 0}, "layers_n must be a whole number of at least 1, not 0"),
        ({"hidden_size": float("nan")}, "hidden_size must be a whole number"),
        ({"ff_size": -8}, "ff_size"),
        ({"heads_n": 3, "kv_heads_n": 2}, "heads_n = 3 must be a multiple of kv_heads_n = 2"),
        ({"norm": "batchnorm"}, "norm must be one of layernorm, rmsnorm"),
        ({"positions": "learned"}, "positions_n = 0 belongs to positions = learned"),
        ({"experts": Experts(4, 5, 1, 8)}, "active_n = 5 of experts_n = 4"),
        ({"experts": Experts(4, 1, 3, 8)}, "layers_n = 3 of 2 layers"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(change: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        replace(SMALL, **change)  # type: ignore[arg-type]

"""Operations of training: by hand, and against published totals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.prediction.architecture import Architecture, Experts
from models.prediction.inputs import InputError
from models.prediction.training import attention_flop_per_token, training_work

GPT3 = Architecture(96, 12_288, 96, 96, 128, 49_152, 50_257, gated=False, tied=True)
PALM = Architecture(118, 18_432, 48, 1, 256, 73_728, 256_000, gated=True, tied=True)


def test_gpt3_takes_315_zettaflop() -> None:
    # 6 x 175e9 x 300e9 = 3.15e23; Brown et al. 2020, table D.1: 3.14e23
    work = training_work(175e9, 300e9)
    assert work.model_flop == work.hardware_flop == pytest.approx(3.15e23)
    assert work.model_flop == pytest.approx(3.14e23, rel=0.004)


def test_palm_with_its_attention_takes_2564_zettaflop() -> None:
    # Chowdhery et al. 2022, table 20: 2.56e24. A token: 6 x 540.35e9 + 12 x 118 x 48 x 256 x 2048
    # = 3.24210e12 + 3.5635e10 = 3.27774e12; x 780e9 = 2.5566e24
    work = training_work(540.35e9, 780e9, shape=PALM, sequence_length_n=2048)
    assert work.model_flop == pytest.approx(2.5566e24, rel=1e-4)
    assert work.model_flop == pytest.approx(2.56e24, rel=0.002)


def test_full_recompute_repeats_the_forward_pass() -> None:
    # forward 2, backward 4, forward again 2: hardware over model = 8 / 6. GLM-130B: HFU 43.3 %, MFU 32.5 %: 1.332
    work = training_work(130e9, 400e9, recompute="full")
    assert work.hardware_flop / work.model_flop == pytest.approx(8 / 6)
    assert work.hardware_flop / work.model_flop == pytest.approx(0.433 / 0.325, rel=0.002)


def test_selective_recompute_repeats_attention_scores_alone() -> None:
    work = training_work(175e9, 1e9, shape=GPT3, sequence_length_n=2048, recompute="selective")
    # 4 x 96 x 96 x 128 x 2048 x 1e9 = 9.6637e18
    assert work.recomputed_flop == pytest.approx(9.6637e18, rel=1e-4)


def test_adapters_skip_the_gradients_of_weights() -> None:
    assert training_work(7e9, 1e9, frozen=True).model_flop == pytest.approx(4 * 7e9 * 1e9)


def test_a_causal_mask_halves_the_attention_term() -> None:
    assert attention_flop_per_token(GPT3, 2048, causal=True) * 2 == attention_flop_per_token(GPT3, 2048)


def test_expert_padding_counts_for_hardware_alone() -> None:
    # 8 experts of 3 x 16 x 32 = 1,536 in 2 layers, 2 visited: 2 x 2 x 1,536 = 6,144 routed parameters a token;
    # a capacity factor of 1.25 pads a quarter of 6 x 6,144 x 1,000
    shape = Architecture(2, 16, 2, 2, 8, 32, 100, gated=True, tied=True, experts=Experts(8, 2, 2, 32))
    work = training_work(1e6, 1e3, shape=shape, sequence_length_n=8, capacity_factor=1.25)
    assert work.padding_flop == pytest.approx(0.25 * 6 * 6_144 * 1e3)
    assert work.model_flop == training_work(1e6, 1e3, shape=shape, sequence_length_n=8).model_flop


@given(st.floats(1e6, 1e12), st.floats(1e6, 1e13), st.floats(1, 100))
def test_work_is_proportional_to_tokens(active: float, tokens: float, factor: float) -> None:
    once, more = training_work(active, tokens), training_work(active, min(tokens * factor, 1e16))
    assert more.model_flop == pytest.approx(once.model_flop * min(tokens * factor, 1e16) / tokens)


@pytest.mark.parametrize(
    ("active", "tokens", "problem"),
    [
        (7, 1e12, r"active_parameters_n = 7 is outside .* write 7e9 or 7B for seven billion"),
        (7e9, 0, r"tokens_n = 0 is outside \[1000, 1e\+16\] tokens"),
        (7e9, -1e9, "tokens_n"),
        (7e9, float("nan"), "tokens_n must be a finite number of tokens, not nan"),
        (float("inf"), 1e9, "active_parameters_n must be a finite number"),
        (7e9, 300, "write 300e9 or 300B"),
    ],
)
def test_absurd_sizes_are_refused_with_field_value_and_range(active: float, tokens: float, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        training_work(active, tokens)


def test_terms_that_need_a_shape_or_a_length_say_so() -> None:
    with pytest.raises(InputError, match="need the model's shape"):
        training_work(7e9, 1e9, recompute="selective")
    with pytest.raises(InputError, match="sequence_length_n is needed"):
        training_work(7e9, 1e9, shape=GPT3)
    with pytest.raises(InputError, match="recompute must be one of none, selective, full"):
        training_work(7e9, 1e9, recompute="twice")
    with pytest.raises(InputError, match="capacity_factor must be within"):
        training_work(7e9, 1e9, shape=replace(GPT3), sequence_length_n=8, capacity_factor=0.5)

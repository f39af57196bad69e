"""Serving: FLOP, bytes, memory and load, with the arithmetic shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.prediction.architecture import Experts, parameters
from models.prediction.inference import (
    Request,
    Served,
    cache_bytes_per_token,
    replica_devices,
    request_cost,
    serving_devices,
    weight_bytes_per_step,
)
from models.prediction.inputs import InfeasibleError, InputError
from models.prediction.tables import find_device
from tests.support.architectures import PUBLISHED

H100 = find_device("H100")
LLAMA_70B = PUBLISHED["Llama 3.1 70B"][0]
SERVED = Served(70.55e9, 70.55e9, shape=LLAMA_70B)
BARE = Served(70.55e9, 70.55e9)


def test_the_cache_of_llama_70b_is_a_third_of_a_megabyte_a_token() -> None:
    # 2 x 80 layers x 8 key-value heads x 128 x 2 bytes = 327,680 B; without grouping (64 heads) eight times that
    assert cache_bytes_per_token(SERVED) == 327_680
    assert cache_bytes_per_token(replace(SERVED, shape=replace(LLAMA_70B, kv_heads_n=64))) == 8 * 327_680


def test_prefill_and_decode_by_hand_without_attention() -> None:
    # prefill 2 x 70.55e9 x 1000 = 1.411e14; decode 1.411e11 x 200 = 2.822e13
    cost = request_cost(BARE, Request(1_000, 200), H100)
    assert cost.prefill_flop == pytest.approx(1.411e14)
    assert cost.decode_flop == pytest.approx(2.822e13)


def test_decode_of_one_sequence_waits_for_memory() -> None:
    # 141.1 GB a token / (3,350 GB/s x 0.5) = 0.08424 s; compute 1.411e11 / (989.4e12 x 0.5) = 0.000285 s
    cost = request_cost(BARE, Request(1_000, 200), H100)
    assert cost.is_memory_bound
    assert cost.decode_device_s.central == pytest.approx(200 * 0.084239, rel=1e-4)
    assert cost.decode_device_s.low < cost.decode_device_s.central < cost.decode_device_s.high


def test_a_batch_shares_the_weights_but_not_its_cache() -> None:
    one, many = (request_cost(SERVED, Request(1_000, 200, batch), H100).decode_bytes for batch in (1, 32))
    cache = 327_680 * 1_100 * 200
    assert one == pytest.approx(141.1e9 * 200 + cache)
    assert many == pytest.approx(141.1e9 * 200 / 32 + cache)


def test_a_large_batch_is_bound_by_compute() -> None:
    # weights balance at 2 x 989.4e12 / 2 / 3.35e12 ... batch 295 without a cache
    assert not request_cost(BARE, Request(1_000, 200, 400), H100).is_memory_bound
    assert request_cost(BARE, Request(1_000, 200, 200), H100).is_memory_bound


def test_memory_holds_weights_and_cache() -> None:
    # 141.1 GB + 327,680 x 1,200 x 32 = 12.6 GB = 153.7 GB over 72 GB usable: 3 devices; weights alone: 2
    assert replica_devices(SERVED, Request(1_000, 200, 32), H100) == 3
    assert replica_devices(BARE, Request(1_000, 200, 32), H100) == 2


def test_a_batch_of_experts_reads_those_that_it_visits() -> None:
    shape = replace(LLAMA_70B, layers_n=32, hidden_size=4096, heads_n=32, vocabulary_n=32_000,
                    experts=Experts(8, 2, 32, 14_336))  # fmt: skip
    counted = parameters(shape)
    served = Served(counted.total_n, counted.active_n, shape=shape)
    routed = counted.inactive_n / (1 - 2 / 8)
    assert weight_bytes_per_step(served, 1) == pytest.approx(2 * counted.active_n)
    # 1 - 0.75^4 = 0.68359 of the experts
    assert weight_bytes_per_step(served, 4) == pytest.approx(2 * (counted.total_n - routed * 0.75**4))
    assert weight_bytes_per_step(served, 1_000) == pytest.approx(2 * counted.total_n)


@given(st.floats(1, 1e4), st.floats(1, 1e4), st.floats(1, 512))
def test_more_tokens_never_cost_less(tokens_in: float, tokens_out: float, batch: float) -> None:
    less = request_cost(SERVED, Request(tokens_in, tokens_out, batch), H100)
    more = request_cost(SERVED, Request(tokens_in + 1, tokens_out + 1, batch), H100)
    assert more.prefill_device_s.central >= less.prefill_device_s.central
    assert more.decode_device_s.central >= less.decode_device_s.central * (1 - 1e-12)


def test_a_load_needs_whole_replicas_and_too_few_are_refused_with_the_numbers() -> None:
    cost = request_cost(BARE, Request(1_000, 200), H100)
    # prefill 1.411e14 / 4.947e14 = 0.28522 s + decode 16.848 s = 17.133 s; x 20,000 / 86,400 = 3.97 -> 2 replicas of 2
    assert serving_devices(cost, 20_000, None) == 4
    assert serving_devices(cost, 20_000, 8) == 8
    with pytest.raises(
        InfeasibleError, match=r"serving_devices_n = 2 cannot serve 20000 .* 95.2 device-hours .* least 4"
    ):
        serving_devices(cost, 20_000, 2)


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (Request(-1, 10), "input_tokens_n = -1"),
        (Request(1, float("nan")), "output_tokens_n must be a finite"),
        (Request(1, 1, 0), "batch_n = 0"),
    ],
)
def test_an_impossible_request_is_refused(request_: Request, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        request_cost(BARE, request_, H100)

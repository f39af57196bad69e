"""Operations, bytes and time of serving a language model: prefill bound by compute, decode mostly by memory.

What belongs here: one request and one replica. What must not be here: energy and emissions (see ``forecast``), and how
requests arrive: a queue's waiting is not modelled, only the batch it leads to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.prediction.architecture import Architecture
from models.prediction.inputs import InfeasibleError, checked
from models.prediction.tables import Device, constant
from models.prediction.training import FORWARD_FLOP_PER_PARAMETER, attention_flop_per_token
from models.uncertain import Quantity, exactly

USABLE_MEMORY_FRACTION = 0.9
"""Share of device memory for weights and cache [1]; the rest is for activations and the runtime. Judgement."""
BYTES_PER_GB = 1e9
"""Bytes in a gigabyte as makers count memory and bandwidth [B/GB], exact."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model as it is served.

    Attributes:
        parameters_n: all parameters; they must fit into memory.
        active_parameters_n: parameters that one token uses.
        weight_bytes: bytes of one parameter.
        cache_bytes: bytes of one value of the cache of keys and values.
        shape: the architecture; without it neither cache nor attention are counted.
    """

    parameters_n: float
    active_parameters_n: float
    weight_bytes: float = 2.0
    cache_bytes: float = 2.0
    shape: Architecture | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request: tokens that come in, tokens that go out, and how many requests share a step."""

    input_tokens_n: float
    output_tokens_n: float
    batch_n: float = 1.0


@dataclass(frozen=True, slots=True)
class RequestCost:
    """What one request takes.

    Attributes:
        prefill_flop: FLOP for the tokens that come in.
        decode_flop: FLOP for the tokens that go out.
        decode_bytes: bytes read from memory for the tokens that go out, its share of the batch [B].
        replica_devices_n: devices that hold one copy of the model and the cache of a batch.
        prefill_device_s: device-seconds of prefill [s].
        decode_device_s: device-seconds of decode [s].
        is_memory_bound: whether decode waits for memory rather than for compute.
    """

    prefill_flop: float
    decode_flop: float
    decode_bytes: float
    replica_devices_n: int
    prefill_device_s: Quantity
    decode_device_s: Quantity
    is_memory_bound: bool


def cache_bytes_per_token(served: Served) -> float:
    """Give the bytes of keys and values that one token leaves [B]; 0 where the shape is not known.

    Reference: docs/models/inference.md, cache; 2 * layers * kv_heads * head_size * bytes.
    """
    if served.shape is None:
        return 0.0
    shape = served.shape
    return 2.0 * shape.layers_n * shape.kv_heads_n * shape.head_size * served.cache_bytes


def weight_bytes_per_step(served: Served, batch_n: float) -> float:
    """Give the bytes of weights that one decode step reads [B]: with experts, those that the batch should visit.

    Args:
        served: the model.
        batch_n: sequences in the step.

    Reference: docs/models/inference.md, bytes; with routing at random a batch visits E (1 - (1 - k/E)^B) experts.
    """
    read = served.active_parameters_n
    if served.shape is not None and served.shape.experts is not None:
        moe = served.shape.experts
        visited = 1.0 - (1.0 - moe.active_n / moe.experts_n) ** batch_n
        least = moe.active_n / moe.experts_n
        routed = (served.parameters_n - served.active_parameters_n) / (1.0 - least) if least < 1 else 0.0
        read = served.parameters_n - routed * (1.0 - visited)
    elif served.parameters_n > served.active_parameters_n:
        read = min(served.parameters_n, served.active_parameters_n * batch_n)
    return read * served.weight_bytes


def replica_devices(served: Served, request: Request, device: Device) -> int:
    """Give the least number of devices whose memory holds the weights and the cache of a batch.

    Reference: docs/models/inference.md, memory.
    """
    context = request.input_tokens_n + request.output_tokens_n
    held = served.parameters_n * served.weight_bytes + cache_bytes_per_token(served) * context * request.batch_n
    return math.ceil(held / (device.memory_gb * BYTES_PER_GB * USABLE_MEMORY_FRACTION))


def request_cost(served: Served, request: Request, device: Device) -> RequestCost:
    """Give what one request takes on a device.

    Args:
        served: the model.
        request: tokens and batch.
        device: where it runs.

    Returns:
        FLOP, bytes and device-seconds.

    Raises:
        InputError: if a value is out of range.

    Reference: docs/models/inference.md; Pope et al. 2022 (memory-bound decode); a step takes the longer of compute and
        memory.
    """
    tokens_in = checked("input_tokens_n", request.input_tokens_n)
    tokens_out = checked("output_tokens_n", request.output_tokens_n)
    batch = checked("batch_n", request.batch_n)
    peak = device.peak_flop_per_s("16bit")
    matrices = FORWARD_FLOP_PER_PARAMETER * served.active_parameters_n
    prefill = matrices * tokens_in + _attention(served, tokens_in / 2) * tokens_in
    context = tokens_in + tokens_out / 2
    decode = (matrices + _attention(served, context)) * tokens_out
    read = (weight_bytes_per_step(served, batch) / batch + cache_bytes_per_token(served) * context) * tokens_out
    compute_s = exactly(decode / peak, "s").over(constant("prefill_utilisation"), "s")
    memory_s = exactly(read / (device.bandwidth_gb_per_s * BYTES_PER_GB), "s")
    memory_s = memory_s.over(constant("decode_bandwidth_utilisation"), "s")
    bound_by_memory = memory_s.central >= compute_s.central
    return RequestCost(
        prefill_flop=prefill,
        decode_flop=decode,
        decode_bytes=read,
        replica_devices_n=replica_devices(served, request, device),
        prefill_device_s=exactly(prefill / peak, "s").over(constant("prefill_utilisation"), "s"),
        decode_device_s=memory_s if bound_by_memory else compute_s,
        is_memory_bound=bound_by_memory,
    )


def serving_devices(cost: RequestCost, requests_per_day_n: float, devices_n: float | None) -> int:
    """Give the devices that serve a load, in whole replicas; those stated must be enough.

    Args:
        cost: what one request takes.
        requests_per_day_n: load.
        devices_n: devices that the user states, or None for the least that can.

    Raises:
        InfeasibleError: if the stated devices hold no replica, or have less time a day than the load takes.
    """
    busy_s = (cost.prefill_device_s.central + cost.decode_device_s.central) * checked(
        "requests_per_day_n", requests_per_day_n
    )
    replica = cost.replica_devices_n
    needed = max(1, math.ceil(busy_s / 86_400 / replica)) * replica
    if devices_n is None:
        return needed
    stated = int(checked("devices_n", devices_n, "serving_devices_n"))
    if stated < needed:
        msg = (
            f"serving_devices_n = {stated} cannot serve {requests_per_day_n:g} requests a day: they take "
            f"{busy_s / 3600:,.1f} device-hours of the {stated * 24:,} a day, and one replica needs {replica} devices; "
            f"give at least {needed}"
        )
        raise InfeasibleError(msg)
    return stated


def _attention(served: Served, context_n: float) -> float:
    """Forward FLOP of attention for one token over a context; 0 where the shape is not known."""
    if served.shape is None or context_n < 1:
        return 0.0
    return attention_flop_per_token(served.shape, context_n)

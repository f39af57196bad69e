"""EcoLogits: a request's share of a server that is always busy with a full batch.

What belongs here: its formulas as they are. What must not be here: its constants, its energy model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models import bounds
from models.embodied.methods.base import Answer, Constants, Subject, nothing

BITS_PER_BYTE = 8.0
"""Bits in one byte [1], exact."""


@dataclass(frozen=True, slots=True)
class EcoLogits:
    """EcoLogits with the constants of one version."""

    constants: Constants

    def latency_s(self, *, active_b: float, output_tokens: float, batch: float, request_latency_s: float) -> float:
        """Give the time to generate an answer [s]: a fit, or what was measured where that is shorter.

        Args:
            active_b: active parameters [10^9].
            output_tokens: tokens of the answer [1].
            batch: requests served at once [1].
            request_latency_s: measured latency [s].

        Raises:
            ValueError: if a number is out of range.
        """
        k = self.constants
        bounds.positive("active_b", active_b, 1e6, "1e9 parameters")
        bounds.positive("batch", batch, bounds.MAX_COUNT, "1")
        bounds.number("output_tokens", output_tokens, 0.0, 1e12, "1")
        bounds.number("request_latency_s", request_latency_s, 0.0, 1e12, "s")
        per_token = k["latency_per_billion"] * active_b + k["latency_per_batch"] * batch + k["latency_fixed"]
        return min(output_tokens * per_token, request_latency_s)

    def gpus_required(self, *, total_b: float, bits: float, gpu_memory_gb: float) -> float:
        """Give the cards that hold a model, rounded up to a power of two [1].

        Args:
            total_b: all parameters [10^9].
            bits: of a weight [1].
            gpu_memory_gb: of one card [GB].

        Raises:
            ValueError: if a number is out of range.
        """
        bounds.positive("total_b", total_b, 1e6, "1e9 parameters")
        bounds.positive("bits", bits, 64.0, "1")
        bounds.positive("gpu_memory_gb", gpu_memory_gb, bounds.MAX_MEMORY_GB, "GB")
        cards = math.ceil(self.constants["memory_overhead"] * total_b * bits / BITS_PER_BYTE / gpu_memory_gb)
        return float(2 ** math.ceil(math.log2(cards)))

    def request(
        self,
        *,
        latency_s: float,
        gpus_n: float,
        server_gpus_n: float,
        server_kg: float,
        gpu_kg: float,
        life_s: float,
        batch: float,
    ) -> float:
        """Give a request's embodied share [kgCO2e]: ``latency * (g/G * server + g * gpu) / (life * batch)``.

        Args:
            latency_s: time that the request holds its cards [s].
            gpus_n: cards [1].
            server_gpus_n: cards of a server [1].
            server_kg: server without cards [kgCO2e].
            gpu_kg: one card [kgCO2e].
            life_s: service life [s].
            batch: requests served at once [1]; the server is taken as never idle.

        Raises:
            ValueError: if a number is out of range.
        """
        for field, value in (("server_gpus_n", server_gpus_n), ("batch", batch)):
            bounds.positive(field, value, bounds.MAX_COUNT, "1")
        for field, value in (("server_kg", server_kg), ("gpu_kg", gpu_kg)):
            bounds.number(field, value, 0.0, bounds.MAX_TOTAL_KGCO2E, "kg")
        bounds.positive("life_s", life_s, 1e10, "s")
        bounds.number("gpus_n", gpus_n, 0.0, bounds.MAX_COUNT, "1")
        bounds.number("latency_s", latency_s, 0.0, 1e12, "s")
        return latency_s * (gpus_n / server_gpus_n * server_kg + gpus_n * gpu_kg) / (life_s * batch)

    def llm_request(
        self,
        *,
        active_b: float,
        total_b: float,
        bits: float,
        output_tokens: float,
        batch: float,
        request_latency_s: float,
        gpu_memory_gb: float,
        gpu_kg: float,
        server_kg: float,
        server_gpus_n: float,
        life_s: float,
    ) -> float:
        """Give a language model's request from its parameters and tokens [kgCO2e]; arguments as in the other formulas.

        Raises:
            ValueError: if a number is out of range.
        """
        held_s = self.latency_s(
            active_b=active_b, output_tokens=output_tokens, batch=batch, request_latency_s=request_latency_s
        )
        cards = self.gpus_required(total_b=total_b, bits=bits, gpu_memory_gb=gpu_memory_gb)
        return self.request(
            latency_s=held_s,
            gpus_n=cards,
            server_gpus_n=server_gpus_n,
            server_kg=server_kg,
            gpu_kg=gpu_kg,
            life_s=life_s,
            batch=batch,
        )

    def answer(self, subject: Subject) -> Answer:
        """Give its one card, or its one server."""
        if subject.kind == "accelerator":
            return Answer(
                self.constants["gpu"], "one card", "one figure for every card; it changed from 164 to 273 in 2026"
            )
        if subject.kind == "server" and "8-accelerator" in subject.model:
            return Answer(self.constants["server_without_gpus"], "8-GPU server without cards", "a run of BoaviztAPI")
        return nothing("it knows one card and one 8-GPU server")

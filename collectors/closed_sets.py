"""The closed sets of the landing contract: what a phase, a kind of device, a reason may be.

What belongs here: the values, and nothing that must be imported for them: the process that samples a host knows them
without the contract, which loads pyarrow. What must not be here: columns and tables (``contract``).
"""

from __future__ import annotations

PHASES = (
    "data_processing",
    "experimentation",
    "training",
    "fine_tuning",
    "evaluation",
    "deployment",
    "inference",
    "storage",
    "unknown",
)
DEVICE_KINDS = ("gpu", "cpu", "dram", "accelerator", "node", "switch", "facility")
POINTS = ("board", "package", "dc", "ac", "pdu", "meter")
SOURCES = (
    "nvml_energy",
    "nvml_power",
    "nvml_power_average",
    "nvml_power_instant",
    "rapl",
    "amdsmi",
    "redfish",
    "ipmi",
    "dcgm",
    "prometheus",
    "meter",
    "model",
)
GAP_REASONS = (
    "permission_denied",
    "driver_lost",
    "counter_reset",
    "not_supported",
    "clock_step",
    "dropped",
    "read_failed",
)
JOB_EVENTS = ("submitted", "started", "heartbeat", "phase_changed", "ended")
TOLD_EVENTS = tuple(event for event in JOB_EVENTS if event != "heartbeat")
"""Events that somebody else than a sampler can tell."""
JOB_STATES = ("completed", "failed", "cancelled", "interrupted", "timeout")
WORK_KINDS = ("vllm", "tgi", "triton", "sglang", "otel")
"""Inference servers whose counters are known."""
ASSET_KINDS = ("accelerator", "cpu", "server", "switch", "facility")
ASSET_EVENTS = ("purchased", "in_service", "moved", "repaired", "retired")

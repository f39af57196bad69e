"""What the agent sees, as metrics that Prometheus can scrape: ``GET /metrics``.

What belongs here: the text and the small server for it. What must not be here: sampling, or anything that waits for a
client: a scrape reads the newest readings, it causes none.

Names follow OpenTelemetry's semantic conventions for hardware, as its Prometheus exporter writes them: a dashboard for
those works with this agent. The server is made of a socket and a thread, because ``http.server`` would hold as much
memory as the rest of the agent.

Reference: OpenTelemetry, Semantic conventions for hardware metrics; Prometheus, Exposition formats; RFC 9112.
"""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..sources.common import Device, Reading
    from .loop import SamplingLoop

DEFAULT_PORT = 9464
"""The port that OpenTelemetry's Prometheus exporters listen on."""
CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_TIMEOUT_S = 5.0
_MAX_REQUEST_BYTES = 16_384
# Kind of device -> hw.type; a node is the host itself and has metrics of its own.
_HW_TYPES = {"gpu": "gpu", "accelerator": "gpu", "cpu": "cpu", "dram": "memory", "switch": "network"}
# What a meter measures -> its metrics. The conventions know no facility: no host's sum may hold a building.
_SCOPES = (
    ("part", "hw", "the component"),
    ("node", "hw_host", "the whole host"),
    ("facility", "wattledger_facility", "the facility"),
)
_Labels = dict[str, str]


class _Metric:
    """One metric family on its way to text."""

    def __init__(self, name: str, kind: str, help_text: str, unit: str = "") -> None:
        self.name, self.kind, self.help_text, self.unit = name, kind, help_text, unit
        self.values: list[tuple[_Labels, float | int]] = []

    def lines(self, *, is_open: bool) -> Iterator[str]:
        if not self.values:
            return
        # In OpenMetrics a counter's family has no suffix and its samples have; in the older text both have.
        family = self.name.removesuffix("_total") if is_open and self.kind == "counter" else self.name
        yield f"# HELP {family} {self.help_text}"
        yield f"# TYPE {family} {self.kind}"
        if is_open and self.unit:
            yield f"# UNIT {family} {self.unit}"
        for labels, value in self.values:
            told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{self.name}{{{told}}} {value}" if told else f"{self.name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def render(loop: SamplingLoop, *, is_open: bool) -> str:
    """Return the metrics as text.

    Args:
        loop: the sampling loop.
        is_open: OpenMetrics in place of the older text format.
    """
    lines = [line for metric in _metrics(loop) for line in metric.lines(is_open=is_open)]
    return "\n".join([*lines, *(["# EOF"] if is_open else []), ""])


def _metrics(loop: SamplingLoop) -> Iterable[_Metric]:
    host = loop.settings.host
    meters = {scope: _meters(prefix, what) for scope, prefix, what in _SCOPES}
    busy = _Metric("hw_gpu_utilization_ratio", "gauge", "Share of time in which the GPU was busy.", "ratio")
    gap = _Metric("wattledger_gap", "gauge", "1 where the last reading of a device states why a value is missing.")
    for name, (_, reading) in dict(loop.sampler.latest).items():
        device = loop.sampler.devices[name]
        labels = _labels(host, device, reading)
        energy, power = meters[device.kind if device.kind in meters else "part"]
        if reading.energy_mj is not None:
            energy.values.append((labels, reading.energy_mj / 1000))
        if reading.power_mw is not None:
            power.values.append((labels, reading.power_mw / 1000))
        if reading.util_percent is not None and device.kind == "gpu":
            busy.values.append((labels, reading.util_percent / 100))
        if reading.gap_reason is not None:
            gap.values.append(({"host_name": host, "hw_id": name, "reason": reading.gap_reason}, 1))
    yield from (metric for pair in meters.values() for metric in pair)
    yield from (busy, gap)
    yield from _own(loop)


def _meters(prefix: str, what: str) -> tuple[_Metric, _Metric]:
    """Return the metrics of energy and power of parts, of hosts or of facilities."""
    return (
        _Metric(f"{prefix}_energy_joules_total", "counter", f"Energy used by {what}.", "joules"),
        _Metric(f"{prefix}_power_watts", "gauge", f"Power drawn by {what} at the last reading.", "watts"),
    )


def _labels(host: str, device: Device, reading: Reading) -> _Labels:
    labels = {"host_name": host, "hw_id": device.id}
    if device.kind in _HW_TYPES:
        labels["hw_type"] = _HW_TYPES[device.kind]
    if device.hardware_model:
        labels["hw_name"] = device.hardware_model
    if device.parent:
        labels["hw_parent"] = device.parent
    labels |= {"point": device.point, "source": reading.source or device.source}
    if device.is_estimate:
        labels["is_estimate"] = "true"
    return labels


def _own(loop: SamplingLoop) -> Iterator[_Metric]:
    """Yield what the agent says about itself."""
    state = loop.state()
    for name, kind, text, value in (
        ("wattledger_samples_total", "counter", "Samples taken since the start.", state["samples_n"]),
        ("wattledger_dropped_samples_total", "counter", "Samples dropped since the start.", state["dropped_n"]),
        ("wattledger_spool_failing", "gauge", "1 while the spool cannot be written.", int(state["spool_failing"])),
        ("wattledger_landing_failing", "gauge", "1 while landing fails.", int(state["landing_failing"])),
        (
            "wattledger_clock_offset_seconds",
            "gauge",
            "Stamps ahead of the wall clock.",
            state["clock_offset_ms"] / 1000,
        ),
        (
            "wattledger_work_failing",
            "gauge",
            "Inference servers that are not read.",
            state["work_failing_n"],
        ),
        ("wattledger_work_resets_total", "counter", "Restarts of their counters seen.", state["work_resets_n"]),
    ):
        if value is None:
            continue
        metric = _Metric(name, kind, text)
        metric.values.append(({"host_name": loop.settings.host}, value))
        yield metric
    info = _Metric("wattledger_collector_info", "gauge", "Version of the collector.")
    info.values.append(({"host_name": loop.settings.host, "version": loop.settings.version}, 1))
    yield info


class MetricsServer:
    """Answers scrapes in a thread of its own, one after another."""

    def __init__(self, address: tuple[str, int], text: Callable[[bool], str], tell: Callable[[str], None]) -> None:
        """Listen; the thread starts with ``start``.

        Args:
            address: interface and port; port 0 for any free one.
            text: gives the metrics, in OpenMetrics if its argument is true.
            tell: where trouble is told.

        Raises:
            OSError: if the port cannot be had.
        """
        self._text, self._tell = text, tell
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.create_server(address, family=family, backlog=16)
        self.port: int = self._socket.getsockname()[1]

    def start(self) -> None:
        """Answer from now on, until the process ends or ``close``."""
        threading.Thread(target=self._run, name="wattledger-metrics", daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            # A client that says nothing, or reads or writes drop by drop, keeps the next one no longer than this.
            deadline_s = time.monotonic() + _TIMEOUT_S
            try:
                with client:
                    request = _request(client, deadline_s)
                    client.settimeout(_left_s(deadline_s))
                    client.sendall(self._answer(request))
            except OSError:
                continue
            except Exception as error:  # noqa: BLE001 - a scrape must not end the agent
                self._tell(f"a scrape failed: {type(error).__name__}: {error}")

    def _answer(self, request: bytes) -> bytes:
        method, path, accept = _parsed(request)
        is_open = "application/openmetrics-text" in accept
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", "text/plain", "GET /metrics\n", method)
        if path == "/metrics":
            return _response("200 OK", CONTENT_TYPE if is_open else PLAIN_CONTENT_TYPE, self._text(is_open), method)
        if path == "/healthz":
            return _response("200 OK", "text/plain", "ok\n", method)
        return _response("404 Not Found", "text/plain", "GET /metrics\n", method)


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _request(client: socket.socket, deadline_s: float) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data and len(data) < _MAX_REQUEST_BYTES:
        client.settimeout(_left_s(deadline_s))
        part = client.recv(4096)
        if not part:
            break
        data += part
    return data


def _parsed(request: bytes) -> tuple[str, str, str]:
    """Return method, path without its query, and what the client accepts."""
    first, *rest = request.decode("latin-1").split("\r\n")
    method, _, target = first.partition(" ")
    accept = next((line.partition(":")[2] for line in rest if line.lower().startswith("accept:")), "")
    return method, target.partition(" ")[0].partition("?")[0], accept


def _response(status: str, kind: str, text: str, method: str) -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (b"" if method == "HEAD" else body)

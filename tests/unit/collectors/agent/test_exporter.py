"""A scrape of the agent: names and values that others understand, whatever the client does."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from typing import Any

import pytest

from collectors.agent.exporter import MetricsServer, render
from collectors.agent.loop import SamplingLoop
from collectors.metrics.known import BY_NAME
from collectors.metrics.text import Sample, parse_metrics_text
from collectors.sources import Device, PowerSource, Reading
from tests.support.measuring import LandHere, settings_of


class _Host(PowerSource):
    def devices(self) -> list[Device]:
        return [
            Device("GPU-a", "gpu", "board", "nvml_energy", hardware_model='NVIDIA "H100"\\\n80GB', parent="module-0"),
            Device("dram-0", "dram", "package", "model", is_estimate=True),
            Device("node", "node", "ac", "redfish"),
            Device("cpu-package-0", "cpu", "package", "rapl"),
            Device("hall-meter", "facility", "ac", "prometheus"),
        ]

    def read(self) -> list[Reading]:
        return [
            Reading("GPU-a", 312_500, 1_234_567, 0, 87),
            Reading("dram-0", power_mw=9_000),
            Reading("node", power_mw=2_487_000),
            Reading("cpu-package-0", gap_reason="permission_denied"),
            Reading("hall-meter", power_mw=90_000_000),
        ]


@pytest.fixture
def loop(tmp_path: Any, clock: Any) -> SamplingLoop:
    settings = settings_of(tmp_path)
    made = SamplingLoop(settings, [_Host()], clock=clock, child=LandHere(settings))
    made.sample()
    return made


def _parsed(loop: SamplingLoop, *, is_open: bool) -> list[Sample]:
    return list(parse_metrics_text(render(loop, is_open=is_open), openmetrics=is_open))


@pytest.fixture
def server(loop: SamplingLoop) -> Any:
    made = MetricsServer(("127.0.0.1", 0), lambda is_open: render(loop, is_open=is_open), print)
    made.start()
    yield made
    made.close()


def _get(server: MetricsServer, path: str = "/metrics", method: str = "GET", **headers: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


@pytest.mark.parametrize("is_open", [True, False])
def test_our_own_reader_of_other_exporters_understands_every_line(loop: SamplingLoop, is_open: bool) -> None:
    found = {(item.name, item.labels.get("hw_id")): item for item in _parsed(loop, is_open=is_open)}
    assert found["hw_energy_joules_total", "GPU-a"].value == 1234.567
    assert found["hw_power_watts", "GPU-a"].value == 312.5
    assert found["hw_gpu_utilization_ratio", "GPU-a"].value == 0.87
    assert found["hw_host_power_watts", "node"].value == 2487
    assert found["wattledger_facility_power_watts", "hall-meter"].value == 90_000
    assert found["hw_power_watts", "dram-0"].labels["is_estimate"] == "true"
    labels = found["hw_power_watts", "GPU-a"].labels
    assert (labels["hw_name"], labels["hw_parent"], labels["hw_type"]) == ('NVIDIA "H100"\\\n80GB', "module-0", "gpu")
    assert found["wattledger_gap", "cpu-package-0"].labels["reason"] == "permission_denied"
    assert found["wattledger_samples_total", None].value == 5


def test_the_names_are_those_that_our_table_of_known_metrics_has(loop: SamplingLoop) -> None:
    names = {item.name for item in _parsed(loop, is_open=True) if item.name.startswith("hw_")}
    assert names - set(BY_NAME) == {"hw_gpu_utilization_ratio"}


def test_a_scrape_is_answered_in_the_format_that_it_asks_for(server: MetricsServer) -> None:
    answer, body = _get(server)
    assert (answer.status, answer.getheader("Content-Type")) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"# TYPE hw_energy_joules_total counter" in body
    answer, body = _get(server, "/metrics?x=1", Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert answer.getheader("Content-Type").startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert b"# TYPE hw_energy_joules counter" in body


def test_other_paths_and_methods_are_refused_politely(server: MetricsServer) -> None:
    assert _get(server, "/")[0].status == 404
    assert _get(server, "/healthz")[1] == b"ok\n"
    assert _get(server, method="POST")[0].status == 405
    answer, body = _get(server, method="HEAD")
    assert (answer.status, body) == (200, b"")


def test_clients_that_misbehave_keep_nobody_from_the_metrics(server: MetricsServer) -> None:
    for data in (b"", b"\0\xff" * 10_000, b"GET\r\n\r\n", b"GET /metrics HTTP/1.1\r\n" + b"x: y\r\n" * 5_000):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(data)
            with contextlib.suppress(OSError):  # it may have answered and hung up by now
                client.shutdown(socket.SHUT_WR)
    assert _get(server)[0].status == 200


def test_a_client_that_writes_drop_by_drop_is_hung_up_on(server: MetricsServer, monkeypatch: Any) -> None:
    monkeypatch.setattr("collectors.agent.exporter._TIMEOUT_S", 0.3)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        started_s = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < started_s + 5:
                client.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() - started_s < 3
    assert _get(server)[0].status == 200


def test_a_port_that_is_taken_is_an_error(server: MetricsServer) -> None:
    with pytest.raises(OSError, match="in use"):
        MetricsServer(("127.0.0.1", server.port), lambda _: "", print)

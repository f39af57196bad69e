"""A local server that answers as the providers' services do; every figure comes from a formula that tests know too.

``serving_feeds`` starts it; ``fault`` replaces its answers by broken ones. A new source is a function from a request
to a ``Reply``, registered in ``SERVICES`` under the source's name, which is also the first part of its path.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.stub_http import Reply, Request, Stub, as_json, serving

TOKEN, USER, PASSWORD = "token-1", "somebody", "pass-word-1"
FIVE_MINUTES_MS = 300_000
HALF_HOUR_MS, HOUR_MS = 1_800_000, 3_600_000
Service = Callable[[Request, str, dict[str, str]], Reply]
Fault = Callable[[Request, Reply], Reply]


def figure(start_ms: int, series: int = 0) -> int:
    """Return the figure of an interval: 100 to 496, and no two of 397 neighbours are equal (397 is a prime).

    Args:
        start_ms: start of the interval [epoch ms UTC].
        series: a number for each signal of a source.
    """
    return 100 + (start_ms // FIVE_MINUTES_MS * 7919 + series * 101) % 397


def millis(text: str) -> int:
    return round(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def iso(time_ms: int, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime(form)


def neso(_: Request, path: str, __: dict[str, str]) -> Reply:
    start_ms, end_ms = (millis(part) for part in path.split("/")[2:4])
    # As the real service: the half hour that ends at the start is given too.
    starts = range(start_ms - HALF_HOUR_MS, end_ms, HALF_HOUR_MS)
    return as_json({"data": [neso_point(at_ms) for at_ms in starts]})


def neso_point(start_ms: int) -> dict[str, Any]:
    form = "%Y-%m-%dT%H:%MZ"
    intensity = {"forecast": figure(start_ms) + 9, "actual": figure(start_ms), "index": "moderate"}
    return {"from": iso(start_ms, form), "to": iso(start_ms + HALF_HOUR_MS, form), "intensity": intensity}


def electricity_maps(request: Request, path: str, query: dict[str, str]) -> Reply:
    if request.headers.get("auth-token") != TOKEN:
        return as_json({"error": "Invalid auth-token"}, status=401)
    if query.get("disableCallerLookup") != "true" or query.get("shouldUseFallbackCallerLookup") != "false":
        query["zone"] = "US-CAR-DUK"  # the caller's own zone, as the real service does
    factor_type = query["emissionFactorType"]
    if path.endswith("/history"):
        start_ms, end_ms, name = HISTORY_MS[0], HISTORY_MS[1], "history"
    else:
        start_ms, end_ms, name = millis(query["start"]), millis(query["end"]), "data"
    points = [em_point(query["zone"], at_ms, factor_type) for at_ms in range(start_ms, end_ms, HOUR_MS)]
    return as_json({"zone": query["zone"], name: points, "temporalGranularity": "hourly"})


HISTORY_MS = (millis("2024-03-05T00:00:00Z"), millis("2024-03-06T00:00:00Z"))
"""What ``history`` answers for: 24 hours, whatever is asked."""


def em_point(zone: str, start_ms: int, factor_type: str) -> dict[str, Any]:
    return {
        "zone": zone,
        "carbonIntensity": figure(start_ms, series=int(factor_type == "direct")),
        "datetime": iso(start_ms, "%Y-%m-%dT%H:%M:%S.000Z"),
        "updatedAt": iso(start_ms + HOUR_MS, "%Y-%m-%dT%H:%M:%S.012Z"),
        "createdAt": iso(start_ms - 72 * HOUR_MS, "%Y-%m-%dT%H:%M:%S.345Z"),
        "emissionFactorType": factor_type,
        "isEstimated": start_ms // HOUR_MS % 3 == 0,
        "estimationMethod": "TIME_SLICER_AVERAGE" if start_ms // HOUR_MS % 3 == 0 else None,
    }


def watttime(request: Request, path: str, query: dict[str, str]) -> Reply:
    sent = request.headers.get("authorization", "")
    if path == "/login":
        is_known = sent == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return as_json({"token": TOKEN}) if is_known else Reply(b"<html>401</html>", 401)
    if sent != f"Bearer {TOKEN}":
        return Reply(b"<html><center><h1>401</h1></center></html>", 401)
    # Both ends are inclusive.
    starts = range(millis(query["start"]), millis(query["end"]) + 1, FIVE_MINUTES_MS)
    series = int(query["signal_type"] == "co2_aoer")
    meta = {
        "data_point_period_seconds": 300,
        "region": query["region"],
        "warnings": [{"type": "EXAMPLE_WARNING", "message": "only an example"}],
        "signal_type": query["signal_type"],
        "model": {"type": "binned_regression", "date": "2023-03-01"},
        "units": "lbs_co2_per_mwh",
    }
    return as_json({"data": [watttime_point(at_ms, series) for at_ms in starts], "meta": meta})


def watttime_point(start_ms: int, series: int) -> dict[str, Any]:
    form = "%Y-%m-%dT%H:%M:%S+00:00"
    updated = iso(start_ms + HOUR_MS, form)
    return {
        "point_time": iso(start_ms, form),
        "value": figure(start_ms, series),
        "last_updated": updated,
        "imputed_data_used": False,
    }


SERVICES: dict[str, Service] = {"neso": neso, "electricity_maps": electricity_maps, "watttime": watttime}
"""How each source answers: from the request, the path below the source's own, and the query."""


class Feeds:
    """The running server; ``seen`` are the requests, ``fault`` makes answers bad."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self.fault: Fault | None = None
        stub.answer = self._answer  # type: ignore[method-assign]

    @property
    def seen(self) -> list[Request]:
        return self._stub.seen

    def url(self, source: str) -> str:
        return f"{self._stub.url}/{source}"

    def _answer(self, request: Request) -> Reply:
        self._stub.seen.append(request)
        parts = urlsplit(request.path)
        source, _, path = unquote(parts.path).lstrip("/").partition("/")
        query = {name: texts[0] for name, texts in parse_qs(parts.query).items()}
        from tests.support.generation_services import GENERATION_SERVICES

        services = SERVICES | GENERATION_SERVICES
        if source not in services:
            return Reply(json.dumps({"error": "no such path"}).encode(), 404)
        reply = services[source](request, f"/{path}", query)
        return self.fault(request, reply) if self.fault else reply


@contextmanager
def serving_feeds() -> Iterator[Feeds]:
    """Serve all sources on a free port of this machine until the end of the block."""
    with serving() as stub:
        yield Feeds(stub)

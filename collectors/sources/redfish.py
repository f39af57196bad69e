"""Power of the node by Redfish: the management controller is asked over HTTPS.

What belongs here: finding the one reading that is the whole node's, and signing in. What must not be here: HTTP
(``http_client``), the pace (``polled``), passwords from anywhere but the environment.

Entries of ``PowerControl`` may overlap (the server, its processors, its memory), so they are never added up: one is
named in the configuration, or is the only one, or is the only one that says it is the chassis or the system. The newer
``EnvironmentMetrics`` comes first; its energy counter is used once it is seen to move finely.

What a reading means: the schemas call it the power that the chassis consumes and do not say on which side of its power
supplies. It is taken for the input (``ac``); where a rack feeds direct current, the configuration says ``dc``.

Reference: DMTF, Redfish schemas Power (PowerControl), EnvironmentMetrics and Sensor; DSP0266, "Session login".
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import threading
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from ..clock import NS_PER_S
from .common import Device, MonotoneCounter, PowerSource, Reading
from .http_client import HttpClient, HttpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .common import CounterStep
    from .options import RedfishOptions

ROOT = "/redfish/v1"
MAX_BYTES = 1 << 20
"""Largest answer of a controller [bytes]; a chassis with everything in it has some ten thousand."""
AUTH_PAUSE_S = 600
"""Time without a further attempt after the controller refused the password [s]: accounts lock after a few."""
_STILL_S = 30.0
"""A counter that stands still for longer while the node draws power is too coarse to be used [s]."""
_FINE_STEPS = 2
_MJ_PER_KWH = 3_600_000_000
_MAX_POWER_W = 10_000_000
_SYSTEM = re.compile(rf"{ROOT}/Systems/[^/]+")


class _Place(NamedTuple):
    """Where the controller keeps the power of the node: paths, ``None`` for what it has not."""

    chassis: str
    environment: str | None
    power: str | None


class FineCounter:
    """An energy counter that is used only while it moves finely.

    Some controllers count whole kilowatt-hours: the counter stands still for hours and then jumps, which would be hours
    of 0 J. It is believed after it moved twice within ``still_s`` each, and no longer once it stands still.
    """

    def __init__(self, still_s: float = _STILL_S, *, first_session: int = 0) -> None:
        """Make a counter that has not been read yet.

        Args:
            still_s: longest time between two steps of a fine counter [s].
            first_session: number of the first session.
        """
        self.counter = MonotoneCounter(None, None, first_session=first_session)
        self._still_ns = int(still_s * NS_PER_S)
        self._last: int | None = None
        self._moved_ns = 0
        self._steps = 0

    def update(self, energy_mj: int, now_ns: int) -> CounterStep | None:
        """Take a value; return the step of the counter, ``None`` as long as it is not believed.

        Args:
            energy_mj: value as read [mJ].
            now_ns: when it was read [ns, monotonic clock].
        """
        is_quick = now_ns - self._moved_ns <= self._still_ns
        if self._last is None or energy_mj < self._last:
            self._steps, self._moved_ns = 0, now_ns
        elif energy_mj > self._last:
            self._steps, self._moved_ns = (self._steps + 1 if is_quick else 0), now_ns
        elif not is_quick:
            self._steps = 0
        self._last = energy_mj
        return self.counter.update(energy_mj, now_ns) if self._steps >= _FINE_STEPS else None


class RedfishSource(PowerSource):
    """The power of one node, as its management controller states it."""

    name = "redfish"
    kinds = "node"

    def __init__(
        self,
        options: RedfishOptions,
        *,
        monotonic_ns: Callable[[], int],
        first_session: int = 0,
        environ: Mapping[str, str] | None = None,
        client: HttpClient | None = None,
    ) -> None:
        """Name the controller; nothing is asked yet.

        Args:
            options: which controller, and how it is asked.
            monotonic_ns: the monotonic clock [ns].
            first_session: number of the first counter session.
            environ: environment that holds the password; by default this process's.
            client: what asks; by default an HTTP client of its own.
        """
        self._options, self._monotonic_ns = options, monotonic_ns
        self._environ = os.environ if environ is None else environ
        self._client = client or HttpClient(
            options.url,
            timeout_s=options.timeout_s,
            max_bytes=MAX_BYTES,
            ca_file=options.ca_file,
            is_verified=options.is_verified,
        )
        self._device = Device(options.device, "node", options.point, "redfish")
        self._counter = FineCounter(max(_STILL_S, 2.5 * options.every_s), first_session=first_session)
        self._place: _Place | None = None
        self._token: str | None = None
        self._session_path: str | None = None
        self._refused_ns: int | None = None
        self._trouble: str | None = None
        self._in_use = threading.Lock()

    def devices(self) -> list[Device]:
        """Return the node."""
        return [self._device]

    def counters(self) -> dict[str, MonotoneCounter]:
        """Return the counter by device id."""
        return {self._device.id: self._counter.counter}

    def trouble(self) -> str | None:
        """Return why the last reading failed, in words."""
        return self._trouble

    def read(self) -> list[Reading]:
        """Return power [mW] and, if it has a fine counter, cumulative energy [mJ] of the node, or why there is none."""
        with self._in_use:
            try:
                self._trouble = None
                self._client.begin()
                return [self._read()]
            except HttpError as error:
                self._trouble, reason = f"{self._options.url}: {error}", error.gap_reason
                if error.status == 404:
                    self._place = None  # a firmware update may have moved it
            except Exception as error:  # noqa: BLE001 - a source never raises out of read()
                self._trouble, reason = f"{self._options.url}: {type(error).__name__} {error}", "read_failed"
        return [Reading(self._device.id, session=self._counter.counter.session, gap_reason=reason)]

    def close(self) -> None:
        """End the session at the controller, which has room for few."""
        if self._in_use.acquire(blocking=False):
            try:
                if self._session_path and self._token:
                    self._client.begin()
                    self._client.send("DELETE", self._session_path, {"X-Auth-Token": self._token})
            except HttpError:
                pass
            finally:
                self._token = self._session_path = None
                self._client.close()
                self._in_use.release()

    def _read(self) -> Reading:
        if self._place is None:
            self._place = self._located()
        power_w = energy_kwh = None
        if self._place.environment is not None:
            metrics = self._get(self._place.environment)
            power_w = _reading(metrics.get("PowerWatts"))
            energy_kwh = _reading(metrics.get("EnergykWh"))
        if power_w is None and energy_kwh is None and self._place.power is not None:
            power_w = self._power_control(self._place, self._get(self._place.power))
        now_ns = self._monotonic_ns()
        step = None
        if energy_kwh is not None and 0 <= energy_kwh < 1e9:
            step = self._counter.update(round(energy_kwh * _MJ_PER_KWH), now_ns)
        power_mw = round(power_w * 1000) if power_w is not None and 0 < power_w <= _MAX_POWER_W else None
        session = self._counter.counter.session
        if step is None and power_mw is None:
            stated = "no power" if power_w is None else f"{power_w:g} W, which no running node draws"
            message = f"it states {stated}" + ("" if energy_kwh is None else ", and its energy counter is too coarse")
            raise HttpError(message, "not_supported")
        if step is None:
            return Reading(self._device.id, power_mw, None, session)
        return Reading(self._device.id, power_mw, step.energy_mj, step.session, None, step.gap_reason)

    # ---- which reading is the node's ----

    def _located(self) -> _Place:
        """Return where the power of the chassis is kept.

        Raises:
            HttpError: if there is none, or several and nobody said which.
        """
        path = f"{ROOT}/Chassis/{quote(self._options.chassis)}" if self._options.chassis else self._only_chassis()
        chassis = self._get(path)
        environment, power = _link(chassis.get("EnvironmentMetrics")), _link(chassis.get("Power"))
        if environment is None and power is None:
            message = f"chassis {path} has neither Power nor EnvironmentMetrics"
            raise HttpError(message, "not_supported")
        return _Place(path, environment, power)

    def _only_chassis(self) -> str:
        members = _links(self._get(f"{ROOT}/Chassis").get("Members"))
        if len(members) > 1:
            systems = _links(self._get(f"{ROOT}/Systems").get("Members"))
            links = self._get(systems[0]).get("Links") if len(systems) == 1 else None
            named = _links(links.get("Chassis") if isinstance(links, dict) else ())
            housing = [path for path in members if _bare(path) in map(_bare, named)]
            members = housing if len(housing) == 1 else members
        if len(members) != 1:
            names = ", ".join(_bare(path).rsplit("/", 1)[-1] for path in members) or "none"
            message = f'it does not say which chassis is the node ({names}): set chassis = "..." in [[redfish]]'
            raise HttpError(message, "not_supported")
        return members[0]

    def _power_control(self, place: _Place, power: dict[str, Any]) -> float | None:
        """Return the power of the one entry that is the node [W].

        Raises:
            HttpError: if there is none, or several and nobody said which.
        """
        listed = power.get("PowerControl")
        entries = [entry for entry in (listed if isinstance(listed, list) else ()) if isinstance(entry, dict)]
        wanted = self._options.power_control
        if wanted is not None:
            chosen = [entry for entry in entries if wanted in (entry.get("Name"), entry.get("MemberId"))]
        elif len(entries) == 1:
            chosen = entries
        else:
            chosen = [entry for entry in entries if _is_whole(entry, place.chassis)]
        if len(chosen) != 1:
            names = ", ".join(str(entry.get("Name") or entry.get("MemberId")) for entry in entries) or "none"
            which = f"no single one is called {wanted!r}" if wanted else "it does not say which of them is the node"
            message = f'PowerControl has {names}, and {which}: set power_control = "..." in [[redfish]]'
            raise HttpError(message, "not_supported")
        return _number(chosen[0].get("PowerConsumedWatts"))

    # ---- asking, signed in ----

    def _get(self, path: str) -> dict[str, Any]:
        try:
            answer = self._client.get(path, self._headers())
        except HttpError as error:
            if error.status != 401:
                raise
            if self._options.auth != "session" or self._token is None:
                self._refused_ns = self._monotonic_ns()
                raise
            self._token = None  # a session that the controller has forgotten; sign in again, once
            answer = self._client.get(path, self._headers())
        return _object(answer.body)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "OData-Version": "4.0"}
        user, variable = self._options.user, self._options.password_env
        if user is None:
            return headers
        password = self._environ.get(variable or "")
        if not password:
            message = f"the environment variable {variable}, which should hold the password, is not set"
            raise HttpError(message, "permission_denied")
        if self._refused_ns is not None:
            if self._monotonic_ns() - self._refused_ns < AUTH_PAUSE_S * NS_PER_S:
                message = f"it refused user {user}; it is not asked again for {AUTH_PAUSE_S // 60} minutes"
                raise HttpError(message, "permission_denied")
            self._refused_ns = None
        if self._options.auth == "basic":
            secret = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
            return {**headers, "Authorization": f"Basic {secret}"}
        if self._token is None:
            self._sign_in(user, password)
        return {**headers, "X-Auth-Token": self._token or ""}

    def _sign_in(self, user: str, password: str) -> None:
        body = json.dumps({"UserName": user, "Password": password}).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json", "OData-Version": "4.0"}
        try:
            answer = self._client.send("POST", f"{ROOT}/SessionService/Sessions", headers, body)
        except HttpError as error:
            if error.status in (400, 401, 403):
                self._refused_ns = self._monotonic_ns()
                message = f"it refused user {user}"
                raise HttpError(message, "permission_denied", error.status) from error
            raise
        self._token = answer.headers.get("x-auth-token")
        if not self._token:
            message = 'it gives no session token: set auth = "basic" in [[redfish]]'
            raise HttpError(message, "permission_denied")
        location = answer.headers.get("location", "")
        self._session_path = location[location.find("/", 8) :] if "://" in location else location or None


def _is_whole(entry: dict[str, Any], chassis: str) -> bool:
    """Return whether an entry says that it is the chassis or a system, and not a part of one."""
    related = [_bare(path) for path in _links(entry.get("RelatedItem"))]
    return _bare(chassis) in related or any(_SYSTEM.fullmatch(path) for path in related)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        message = "its answer is no JSON"
        raise HttpError(message) from error
    if not isinstance(found, dict):
        message = "its answer is no JSON object"
        raise HttpError(message)
    return found


def _link(reference: object) -> str | None:
    """Return the path of a reference, ``None`` if it is none of this host."""
    path = reference.get("@odata.id") if isinstance(reference, dict) else None
    return path if isinstance(path, str) and path.startswith("/") and not path.startswith("//") else None


def _bare(path: str) -> str:
    """Return a path without the slash that some controllers put at its end, for comparisons."""
    return path.rstrip("/")


def _links(references: object) -> list[str]:
    items: Iterable[object] = references if isinstance(references, list) else ()
    return [path for item in items if (path := _link(item))]


def _reading(sensor: object) -> float | None:
    return _number(sensor.get("Reading")) if isinstance(sensor, dict) else None


def _number(value: object) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None  # type: ignore[arg-type]

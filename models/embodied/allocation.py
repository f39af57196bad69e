"""Whose embodied emissions: the accrual of a fleet in a window, shared out to jobs, idle time and unused capacity.

For each asset, and for low, central and high, jobs + idle + facility_unallocated = accrual. Reserved time is the key:
what a job holds is charged to it whether it uses it or not.

What belongs here: the shares. What must not be here: what an asset accrues when (``models.embodied.accrual``), reading
holds of jobs or assets from tables (SQL).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from models import bounds
from models.embodied.accrual import COLUMNS, Asset, Span, Triple, accrual_spans, write_offs

Level: TypeAlias = Literal["chip", "server", "building"]
Bucket: TypeAlias = Literal["job", "idle", "facility_unallocated", "write_off"]

SHARE_TOLERANCE = 1e-9
"""By so much shares of one thing may add up to more than it, relative: they are sums of decimal fractions."""
_G_MS_PER_KG_S = 1e6
_NOTHING: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Owned:
    """An asset with its name.

    Attributes:
        asset_id: unique in a fleet.
        asset: what it is booked with and when.
    """

    asset_id: str
    asset: Asset


@dataclass(frozen=True, slots=True)
class Facility:
    """A building with what belongs to it, or an on-premise room.

    Attributes:
        facility_id: unique in a fleet.
        it_capacity_kw: electrical power of IT that it was built for [kW].
        parts: its assets, for example shell and plant, which have lives of their own.
    """

    facility_id: str
    it_capacity_kw: float
    parts: tuple[Owned, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """A host with its devices.

    Attributes:
        server_id: unique in a fleet.
        facility_id: where it stands, None where no facility is known: then it carries no building.
        nameplate_kw: what it takes of the facility's capacity while in service [kW].
        host: the asset of the host without its devices; its service is when the server is in service.
        devices: assets of its accelerators by index, empty for a server of processors only.
    """

    server_id: str
    facility_id: str | None
    nameplate_kw: float
    host: Owned
    devices: tuple[Owned, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """A share of a server that a job has reserved for a time.

    Attributes:
        job_id: the job.
        server_id: the server.
        start_ms: start [epoch ms].
        end_ms: end [epoch ms], not in it.
        fraction: share of the device [1]: its slices, or its memory, over all; or share of the whole server.
        device: index of the device, None for a share of the whole server (the larger of its cores and its memory).
    """

    job_id: str
    server_id: str
    start_ms: int
    end_ms: int
    fraction: float
    device: int | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """A part of what one asset accrued in the window.

    Attributes:
        asset_id: the asset.
        level: chip, server or building.
        bucket: whose it is.
        server_id: the server through which it is charged, None for capacity without a server.
        job_id: the job, None in every other bucket.
        kgco2e: low, central and high [kgCO2e].
    """

    asset_id: str
    level: Level
    bucket: Bucket
    server_id: str | None
    job_id: str | None
    kgco2e: Triple


def allocate(
    facilities: Sequence[Facility], servers: Sequence[Server], holds: Sequence[Hold], start_ms: int, end_ms: int
) -> list[Charge]:
    """Share out what a fleet accrues in a window.

    A job gets of a device its fraction, of a host and of the building behind it its fraction over the number of
    devices. A server takes of its building nameplate over capacity while it is in service. What is left of a device, a
    host or a server's part of a building is idle; what is left of a building is unallocated. Write-offs in the window
    stand apart and belong to no job.

    Args:
        facilities: of the fleet.
        servers: of the fleet.
        holds: of the jobs; what lies outside the window is cut off.
        start_ms: start of the window [epoch ms].
        end_ms: end of the window [epoch ms], not in it.

    Raises:
        ValueError: if a hold names a server or a device that the fleet does not have, if shares of a device or a server
            add up to more than 1 at a time, or servers in service to more than the capacity of their facility.

    Reference: docs/models/embodied.md, allocation.
    """
    if end_ms <= start_ms:
        msg = f"end_ms ({end_ms}) must be after start_ms ({start_ms})"
        raise ValueError(msg)
    places = {place.facility_id: place for place in facilities}
    _check_names(facilities, servers)
    inside = _inside(holds, {server.server_id: server for server in servers}, start_ms, end_ms)
    _check_capacity(places, servers, start_ms, end_ms)
    found: list[Charge] = []
    taken: dict[str, Triple] = defaultdict(lambda: _NOTHING)
    for server in servers:
        mine = inside[server.server_id]
        _check_shares(server, mine)
        found += _of_devices(server, mine, start_ms, end_ms)
        whole = [(hold, _of_server(server, hold)) for hold in mine]
        found += _shared(server.host, "server", server, whole, start_ms, end_ms, 1.0)
        if server.facility_id is None:
            continue
        begin_ms, stop_ms = _in_service(server, start_ms, end_ms)
        for part in places[server.facility_id].parts:
            share = server.nameplate_kw / places[server.facility_id].it_capacity_kw
            charges = _shared(part, "building", server, whole, begin_ms, stop_ms, share)
            taken[part.asset_id] = _sum(taken[part.asset_id], *(charge.kgco2e for charge in charges))
            found += charges
    for place in facilities:
        for part in place.parts:
            left = _less(_accrued(accrual_spans(part.asset), start_ms, end_ms), taken[part.asset_id])
            found.append(Charge(part.asset_id, "building", "facility_unallocated", None, None, left))
    return [*found, *_written_off(facilities, servers, start_ms, end_ms)]


def absorbed(charges: Iterable[Charge]) -> list[Charge]:
    """Spread the idle time of each server over its jobs of the window, for each level pro rata of their own amounts.

    A view for charging costs back: reserved amounts are what is reported. Idle time of a server without a job in the
    window stays, and so do unallocated capacity and write-offs.

    Args:
        charges: as ``allocate`` gives them.
    """
    charges = list(charges)
    jobs: dict[tuple[str | None, str], Triple] = defaultdict(lambda: _NOTHING)
    idle: dict[tuple[str | None, str], Triple] = defaultdict(lambda: _NOTHING)
    for charge in charges:
        for bucket, sums in (("job", jobs), ("idle", idle)):
            if charge.bucket == bucket:
                key = (charge.server_id, charge.level)
                sums[key] = _sum(sums[key], charge.kgco2e)
    found = []
    for charge in charges:
        key = (charge.server_id, charge.level)
        held, waiting = jobs[key], idle[key]
        if charge.bucket == "job":
            factors = [1 + more / own if own else 1.0 for own, more in zip(held, waiting, strict=True)]
        elif charge.bucket == "idle":
            factors = [0.0 if own else 1.0 for own in held]
        else:
            factors = [1.0, 1.0, 1.0]
        amounts = [kg * factor for kg, factor in zip(charge.kgco2e, factors, strict=True)]
        found.append(replace(charge, kgco2e=(amounts[0], amounts[1], amounts[2])))
    return found


def _of_server(server: Server, hold: Hold) -> float:
    """Give the share of a server that a hold is: the devices of a server have equal parts of it."""
    return hold.fraction if hold.device is None else hold.fraction / len(server.devices)


def _of_devices(server: Server, holds: Sequence[Hold], start_ms: int, end_ms: int) -> list[Charge]:
    found: list[Charge] = []
    for index, device in enumerate(server.devices):
        held = [(hold, hold.fraction) for hold in holds if hold.device in (None, index)]
        found += _shared(device, "chip", server, held, start_ms, end_ms, 1.0)
    return found


def _shared(
    owned: Owned,
    level: Level,
    server: Server,
    held: Iterable[tuple[Hold, float]],
    start_ms: int,
    end_ms: int,
    part: float,
) -> list[Charge]:
    """Share out a part of an asset over the holds of one server; the rest is idle."""
    spans = accrual_spans(owned.asset)
    found = []
    for hold, share in held:
        amount = _accrued(spans, max(hold.start_ms, start_ms), min(hold.end_ms, end_ms), part * share)
        found.append(Charge(owned.asset_id, level, "job", server.server_id, hold.job_id, amount))
    left = _less(_accrued(spans, start_ms, end_ms, part), _sum(*(charge.kgco2e for charge in found)))
    return [*found, Charge(owned.asset_id, level, "idle", server.server_id, None, left)]


def _written_off(
    facilities: Sequence[Facility], servers: Sequence[Server], start_ms: int, end_ms: int
) -> Iterable[Charge]:
    levels: list[tuple[Level, str | None, Owned]] = [
        ("building", None, part) for place in facilities for part in place.parts
    ]
    for server in servers:
        levels.append(("server", server.server_id, server.host))
        levels += [("chip", server.server_id, device) for device in server.devices]
    for level, server_id, owned in levels:
        for at_ms, amounts in write_offs(owned.asset):
            if start_ms <= at_ms < end_ms:
                yield Charge(owned.asset_id, level, "write_off", server_id, None, amounts)


def _check_names(facilities: Sequence[Facility], servers: Sequence[Server]) -> None:
    assets = [part.asset_id for place in facilities for part in place.parts]
    assets += [owned.asset_id for server in servers for owned in (server.host, *server.devices)]
    places, hosts = [place.facility_id for place in facilities], [server.server_id for server in servers]
    for what, names in (("asset", assets), ("facility", places), ("server", hosts)):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"{what} {twice[0]!r} stands in the fleet {names.count(twice[0])} times; each stands in it once"
            raise ValueError(msg)


def _inside(holds: Iterable[Hold], servers: dict[str, Server], start_ms: int, end_ms: int) -> dict[str, list[Hold]]:
    """Check the holds and give by server those that reach into the window."""
    found: dict[str, list[Hold]] = defaultdict(list)
    for hold in holds:
        who = f"hold of job {hold.job_id!r}"
        server = servers.get(hold.server_id)
        if server is None:
            msg = f"{who}: the fleet has no server {hold.server_id!r}; it has {', '.join(sorted(servers)) or 'none'}"
            raise ValueError(msg)
        if hold.device is not None and not 0 <= hold.device < len(server.devices):
            msg = f"{who}: device {hold.device} is not one of the {len(server.devices)} of server {hold.server_id!r}"
            raise ValueError(msg)
        if hold.end_ms < hold.start_ms:
            msg = f"{who}: end_ms ({hold.end_ms}) must not be before start_ms ({hold.start_ms})"
            raise ValueError(msg)
        bounds.number(f"{who}: fraction", hold.fraction, 0, 1, "1")
        if hold.start_ms < end_ms and hold.end_ms > start_ms:
            found[hold.server_id].append(hold)
    return found


def _check_shares(server: Server, holds: Sequence[Hold]) -> None:
    for device in range(len(server.devices) or 1):
        held = [hold for hold in holds if hold.device in (None, device)]
        for at_ms in sorted({hold.start_ms for hold in held}):
            total = sum(hold.fraction for hold in held if hold.start_ms <= at_ms < hold.end_ms)
            if total > 1 + SHARE_TOLERANCE:
                what = (
                    f"device {device} of server {server.server_id!r}"
                    if server.devices
                    else f"server {server.server_id!r}"
                )
                msg = f"{what}: jobs hold {total:g} of it at {at_ms} ms, at most 1 is possible"
                raise ValueError(msg)


def _check_capacity(places: dict[str, Facility], servers: Sequence[Server], start_ms: int, end_ms: int) -> None:
    inside: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
    for server in servers:
        if server.facility_id is None:
            continue
        if server.facility_id not in places:
            msg = f"server {server.server_id!r}: the fleet has no facility {server.facility_id!r}"
            raise ValueError(msg)
        name = f"server {server.server_id!r}: nameplate_kw"
        bounds.number(name, server.nameplate_kw, 0, bounds.MAX_FACILITY_POWER_KW, "kW")
        inside[server.facility_id].append((*_in_service(server, start_ms, end_ms), server.nameplate_kw))
    for place in places.values():
        name = f"facility {place.facility_id!r}: it_capacity_kw"
        bounds.positive(name, place.it_capacity_kw, bounds.MAX_FACILITY_POWER_KW, "kW")
        for at_ms in sorted({begin_ms for begin_ms, _, _ in inside[place.facility_id]}):
            total = sum(kw for begin_ms, stop_ms, kw in inside[place.facility_id] if begin_ms <= at_ms < stop_ms)
            if total > place.it_capacity_kw * (1 + SHARE_TOLERANCE):
                msg = f"{name} is {place.it_capacity_kw:g} kW, but servers of {total:g} kW are in service at {at_ms} ms"
                raise ValueError(msg)


def _in_service(server: Server, start_ms: int, end_ms: int) -> tuple[int, int]:
    """Give the part of the window in which a server is in service, an empty one at its start where it never is."""
    host = server.host.asset
    if host.in_service_ms is None:
        return start_ms, start_ms
    begin_ms = min(max(host.in_service_ms, start_ms), end_ms)
    stop_ms = end_ms if host.retired_ms is None else min(max(host.retired_ms, begin_ms), end_ms)
    return begin_ms, stop_ms


def _accrued(spans: Iterable[Span], start_ms: int, end_ms: int, part: float = 1.0) -> Triple:
    """Give what spans accrue within a time [kgCO2e]."""
    sums = [0.0, 0.0, 0.0]
    for span in spans:
        length_ms = min(span.end_ms, end_ms) - max(span.start_ms, start_ms)
        if length_ms > 0:
            for column in range(len(COLUMNS)):
                sums[column] += part * span.gco2e_per_s[column] * length_ms / _G_MS_PER_KG_S
    return (sums[0], sums[1], sums[2])


def _sum(*triples: Triple) -> Triple:
    return (sum(one[0] for one in triples), sum(one[1] for one in triples), sum(one[2] for one in triples))


def _less(whole: Triple, part: Triple) -> Triple:
    """Give what is left of a whole; a rounding error below nothing is nothing."""
    return (max(whole[0] - part[0], 0.0), max(whole[1] - part[1], 0.0), max(whole[2] - part[2], 0.0))

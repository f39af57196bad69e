"""The rules of attribution once more, written another way: exact fractions, one segment at a time, plain loops.

It is slow and has no tables: an independent reference for the SQL from segments on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from tests.support.attribution import MS_PER_HOUR, SLOT_MS

Row = dict[str, Any]
MEASURES = ("energy_j", "measured_s", "gap_s", "estimated_j", "counter_j")
OUTER = {"meter": 5, "pdu": 4, "ac": 3, "dc": 2}
LEAST_COVERAGE = Fraction(9, 10)
SAME = Fraction(1, 10**9)


# ---- devices and what they contain ----


class Hosts:
    """Kinds and containers of the devices of all hosts, as the segments of a day state them."""

    def __init__(self, segments: Iterable[Row]) -> None:
        """Read them off."""
        self.kind: dict[tuple[str, str], str] = {}
        self.parent: dict[tuple[str, str], str] = {}
        for row in segments:
            key = row["host"], row["device"]
            self.kind[key] = max(self.kind.get(key, ""), row["kind"])
            if row["parent"]:
                self.parent[key] = max(self.parent.get(key, ""), row["parent"])

    def devices(self, host: str) -> list[str]:
        """Return the devices of a host."""
        return sorted(device for place, device in self.kind if place == host)

    def containers(self, host: str, device: str) -> list[str]:
        """Return what a device lies in, from the inside out; meters of a node or a building contain nothing."""
        found: list[str] = []
        at = self.parent.get((host, device))
        while at is not None and at not in found:
            found.append(at)
            at = self.parent.get((host, at))
        return [name for name in found if self._contains(host, device, name)]

    def _contains(self, host: str, device: str, name: str) -> bool:
        own, outer = self.kind[host, device], self.kind.get((host, name), "")
        if name == device or own in {"switch", "facility"} or outer in {"switch", "facility"}:
            return False
        return own == "node" or (outer != "node" and name != "node")

    def leaders(self, host: str) -> set[str]:
        """Return the devices that lead a host, the outermost of each."""
        rank = {"gpu": 2, "accelerator": 2, "cpu": 1}
        ranks = {device: rank.get(self.kind[host, device], 0) for device in self.devices(host)}
        best = max(ranks.values())
        return {[device, *self.containers(host, device)][-1] for device in ranks if ranks[device] == best > 0}


# ---- what counts ----


def _added(segments: Iterable[Row]) -> list[Row]:
    found: dict[tuple[Any, ...], Row] = {}
    for row in segments:
        key = row["host"], row["device"], row["point"], row["start_ms"]
        exact = {name: Fraction(row[name]) for name in (*MEASURES, "estimated_s")}
        if key in found:
            exact = {name: found[key][name] + value for name, value in exact.items()}
        found[key] = {**row, **exact, "slot": row["start_ms"] // SLOT_MS}
    return [row | {"metered_s": row["measured_s"] - row["estimated_s"]} for row in found.values()]


def _total(rows: Iterable[Row], name: str) -> Fraction:
    return sum((row[name] for row in rows), Fraction(0))


def counted_rows(segments: list[Row]) -> list[Row]:
    """Return the rows that count, each with ``counted_j``."""
    hosts = Hosts(segments)
    by_slot: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in _added(segments):
        by_slot[row["host"], row["slot"]].append(row)
    return [row for rows in by_slot.values() for row in _counted_in_slot(hosts, rows)]


def _counted_in_slot(hosts: Hosts, rows: list[Row]) -> list[Row]:
    host = rows[0]["host"]
    chosen = {
        device: _outermost([row for row in rows if row["device"] == device]) for device in {r["device"] for r in rows}
    }
    read = {device for device, own in chosen.items() if _total(own, "measured_s") > 0}
    standing = {
        d: own
        for d, own in chosen.items()
        if hosts.kind[host, d] != "facility" and _stands(hosts, host, d, chosen, read)
    }
    metered = {d: _total(own, "metered_s") for d, own in standing.items()}
    kinds = {d: hosts.kind[host, d] for d in standing}
    parts = {d for d in standing if kinds[d] not in {"node", "switch"}}
    nodes = {d for d in standing if kinds[d] == "node" and metered[d] > 0}
    a_part_is_read = bool(parts & read)
    units = {d: [row | {"counted_j": row["energy_j"]} for row in own] for d, own in standing.items()}
    for parent in {hosts.parent.get((host, d)) for d in parts} - {None}:
        _once(hosts, host, str(parent), parts & read, units, kinds, metered)
    parts = {d for d in units if kinds[d] not in {"node", "switch"}}
    metered_parts = {d for d in parts if metered[d] > 0}
    found = [row for d in units if kinds[d] == "switch" for row in units[d]]
    if not nodes:
        unmetered = [d for d in units if kinds[d] == "node" and not a_part_is_read]
        return found + [row for d in [*parts, *unmetered] for row in units[d]]
    if not metered_parts:
        quiet = {d for d in parts if d in standing and d not in read}
        return found + [row for d in nodes | quiet for row in units[d]]
    if min(metered[d] for d in nodes) < LEAST_COVERAGE * max(metered[d] for d in metered_parts):
        return found + [row for d in parts for row in units[d]]
    quiet = {d for d in parts if d in standing and d not in read}
    return found + [row for d in quiet for row in units[d]] + _apportioned(nodes, metered_parts, units)


def _outermost(rows: list[Row]) -> list[Row]:
    points: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        points[row["point"]].append(row)
    best = max(points, key=lambda point: (_total(points[point], "measured_s") > 0, OUTER.get(point, 1), point))
    return points[best]


def _stands(hosts: Hosts, host: str, device: str, chosen: dict[str, list[Row]], read: set[str]) -> bool:
    above = [name for name in hosts.containers(host, device) if name in chosen]
    if any(name in read for name in above):
        return False
    if device in read:
        return True

    def has_read_part(name: str) -> bool:
        return any(name in hosts.containers(host, other) for other in read)

    return not has_read_part(device) and all(has_read_part(name) for name in above)


def _once(
    hosts: Hosts,
    host: str,
    parent: str,
    candidates: set[str],
    units: dict[str, list[Row]],
    kinds: dict[str, str],
    metered: dict[str, Fraction],
) -> None:
    """Put one row of the container in the place of children that repeat its counter."""
    children = sorted(
        d
        for d in candidates
        if hosts.parent.get((host, d)) == parent
        and parent in hosts.containers(host, d)
        and kinds[d] in {"gpu", "accelerator"}
    )
    sums = [_total(units[d], "energy_j") for d in children]
    if len(children) < 2 or min(sums) <= 0 or max(sums) - min(sums) > SAME * max(sums):
        return
    rows = [row for d in children for row in units[d]]
    point = max(row["point"] for row in rows)
    kept: dict[int, Row] = {}
    for row in sorted(rows, key=lambda row: (-row["measured_s"], row["device"])):
        kept.setdefault(row["start_ms"], row | {"device": parent, "point": point})
    kinds[parent] = kinds[children[0]]
    metered[parent] = max(metered[d] for d in children)
    for device in children:
        del units[device]
    units[parent] = [kept[at] for at in sorted(kept)]


def _apportioned(nodes: set[str], parts: set[str], units: dict[str, list[Row]]) -> list[Row]:
    found: list[Row] = []
    node_rows = [row for d in sorted(nodes) for row in units[d]]
    part_rows = [row for d in sorted(parts) for row in units[d]]
    for at in {row["start_ms"] for row in [*node_rows, *part_rows]}:
        mine = [row for row in node_rows if row["start_ms"] == at]
        others = [row for row in part_rows if row["start_ms"] == at]
        node_j, parts_j = _total(mine, "energy_j"), _total(others, "energy_j")
        is_read = any(row["measured_s"] > 0 for row in mine)
        scale = node_j / parts_j if is_read and parts_j > node_j else Fraction(1)
        found += [row | {"counted_j": row["energy_j"] * scale} for row in others]
        if mine:
            rest = max(node_j - parts_j, Fraction(0)) if is_read else Fraction(0)
            found.append(_host_other(mine, rest, node_j))
    return found


def _host_other(rows: list[Row], rest_j: Fraction, node_j: Fraction) -> Row:
    fraction = rest_j / node_j if node_j else Fraction(1)
    return rows[0] | {
        "device": "host_other",
        "point": max(row["point"] for row in rows),
        "parent": None,
        "energy_j": rest_j,
        "counted_j": rest_j,
        "measured_s": max(row["measured_s"] for row in rows),
        "gap_s": min(row["gap_s"] for row in rows),
        "estimated_j": fraction * _total(rows, "estimated_j"),
        "counter_j": fraction * _total(rows, "counter_j"),
    }


# ---- who gets it ----


def phases_of(job: Row) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and phase of each phase of a job."""
    marks = sorted({job["start"]: job["phase"], **{at: p for at, p in job["changes"] if at >= job["start"]}}.items())
    for (at, phase), (following, _) in zip(marks, [*marks[1:], (job["end"], "")], strict=True):
        until = min(following, job["end"])
        if at < until:
            yield at, until, phase


def _stated(job: Row, host: str, at: int) -> tuple[str, str, dict[str, float | None]] | None:
    """Return basis, phase and the share by device of what a job has of a host at a time."""
    phases = list(phases_of(job))
    if not phases:
        return None
    begin, end = phases[0][0], phases[-1][1]
    if at < begin:
        basis, phase = "reserved", phases[0][2]
    elif at >= end:
        basis, phase = "reserved", phases[-1][2]
    else:
        basis, phase = "held", next(name for start, until, name in phases if start <= at < until)
    shares: dict[str, float | None] = {}
    for place, device, start, until, share in job["reservations"]:
        if place == host and start <= at < (end if until is None else until):
            known = [value for value in (shares.get(device), share) if value is not None]
            shares[device] = max(known, default=None)
    return basis, phase, shares


class Holders:
    """Who holds what, from the jobs and the devices."""

    def __init__(self, hosts: Hosts, jobs: list[Row]) -> None:
        """Keep both."""
        self.hosts, self.jobs = hosts, jobs

    def parts(self, host: str, device: str, at: int, basis: str) -> dict[tuple[str, str], Fraction] | None:
        """Return the part of a device by job and phase; ``None`` where no job has it."""
        units: list[tuple[str, str, float | None]] = []
        for job in self.jobs:
            stated = _stated(job, host, at)
            if stated and stated[0] == basis:
                units += [(job["id"], stated[1], share) for share in self._reach(host, device, stated[2])]
        if not units:
            return None
        total = sum((Fraction(share) for *_, share in units if share is not None), Fraction(0))
        unstated = sum(share is None for *_, share in units)
        full = total > 1 or (not unstated and round(float(total), 9) == 1)
        found: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for name, phase, share in units:
            if share is None:
                found[name, phase] += max(1 - total, Fraction(0)) / unstated
            else:
                found[name, phase] += Fraction(share) / (total if full else 1)
        return found

    def _reach(self, host: str, device: str, shares: dict[str, float | None]) -> list[float | None]:
        """Return the shares that a job has of a device: one for the whole, or one for each part of it."""
        kinds = self.hosts.kind
        inside = self.hosts.containers(host, device) if (host, device) in kinds else []
        in_node = kinds.get((host, device)) not in {"switch", "facility"}
        whole = [
            share
            for name, share in shares.items()
            if name in {device, "*"} or name in inside or (kinds.get((host, name)) == "node" and in_node)
        ]
        if whole:
            return [max((share for share in whole if share is not None), default=None)]
        parts = [n for n in shares if (host, n) in kinds and device in self.hosts.containers(host, n)]
        return [shares[n] for n in parts if not set(self.hosts.containers(host, n)) & set(parts)]


def allocate(segments: list[Row], jobs: list[Row], idle: str) -> dict[tuple[Any, ...], dict[str, Fraction]]:
    """Return measures by hour, allocation, basis, job, phase, host, device and point.

    Args:
        segments: segments of one day.
        jobs: id, phase, start, end, changes (time, phase) and reservations (host, device, start, end, share).
        idle: policy for idle energy.
    """
    rows = counted_rows(segments)
    hosts = Hosts([*segments, *rows])
    holders = Holders(hosts, jobs)
    found: dict[tuple[Any, ...], dict[str, Fraction]] = {}
    for row in rows:
        hour = row["start_ms"] // MS_PER_HOUR
        idle_part = Fraction(0)
        for (allocation, basis, name, phase), part in _parts_of(row, hosts, holders, idle):
            key = hour, allocation, basis, name, phase, row["host"], row["device"], row["point"]
            _add(found, key, row, part, covers=not (allocation == "idle" and idle_part))
            idle_part += part if allocation == "idle" else 0
    return _spread(found, rows) if idle == "spread" else found


def _add(
    found: dict[tuple[Any, ...], dict[str, Fraction]], key: tuple[Any, ...], row: Row, part: Fraction, *, covers: bool
) -> None:
    entry = found.setdefault(key, defaultdict(Fraction))
    scale = row["counted_j"] / row["energy_j"] if row["energy_j"] else Fraction(1)
    entry["energy_j"] += row["counted_j"] * part
    entry["measured_s"] += row["measured_s"] * part
    entry["gap_s"] += row["gap_s"] * part
    entry["estimated_j"] += row["estimated_j"] * scale * part
    entry["counter_j"] += row["counter_j"] * scale * part
    entry["covered_s"] += row["measured_s"]
    entry["first_s"] += row["measured_s"] if covers else 0


def _parts_of(row: Row, hosts: Hosts, holders: Holders, idle: str) -> list[tuple[tuple[Any, ...], Fraction]]:
    host, device, at = row["host"], row["device"], row["start_ms"]
    running, basis = holders.parts(host, device, at, "held"), "held"
    kind = hosts.kind[host, device]
    if running is None:
        running, basis = defaultdict(Fraction), "follows"
        leaders = hosts.leaders(host) if kind in {"cpu", "dram", "node"} else set()
        for leader in leaders - {device}:
            for who, part in (holders.parts(host, leader, at, "held") or {}).items():
                running[who] += part / len(leaders)
    found: list[tuple[tuple[Any, ...], Fraction]] = [
        (("job", basis, name, phase), part) for (name, phase), part in sorted(running.items()) if part
    ]
    left = 1 - sum(running.values(), Fraction(0))
    if left <= Fraction(1, 10**14):
        return found
    if kind == "switch":
        return [*found, (("unallocated", "shared", None, None), left)]
    reserved = {who: part for who, part in (holders.parts(host, device, at, "reserved") or {}).items() if part}
    free = 1 - sum(reserved.values(), Fraction(0))
    if idle == "holder":
        found += [(("job", "reserved", name, phase), left * part) for (name, phase), part in reserved.items()]
    elif reserved:
        found.append((("idle", "reserved", None, None), left * (1 - free)))
    if free > Fraction(1, 10**14):
        found.append((("idle", "free", None, None), left * free))
    return found


def _spread(
    found: dict[tuple[Any, ...], dict[str, Fraction]], rows: list[Row]
) -> dict[tuple[Any, ...], dict[str, Fraction]]:
    by_job: dict[tuple[int, str], dict[tuple[str, str], Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for (hour, allocation, _, name, phase, host, *_), entry in found.items():
        if allocation == "job" and entry["energy_j"] > 0:
            by_job[hour, host][name, phase] += entry["energy_j"]
    result: dict[tuple[Any, ...], dict[str, Fraction]] = {}
    for key, entry in found.items():
        hour, allocation, _, _, _, host, device, point = key
        jobs = by_job[hour, host] if allocation == "idle" else {}
        if not jobs:
            result[key] = entry
            continue
        total = sum(jobs.values(), Fraction(0))
        for (name, phase), energy in jobs.items():
            to = result.setdefault((hour, "job", "spread", name, phase, host, device, point), defaultdict(Fraction))
            for measure in MEASURES:
                to[measure] += entry[measure] * energy / total
            to["covered_s"] += entry["first_s"]
    return result

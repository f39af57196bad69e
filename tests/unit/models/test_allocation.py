"""Shares of a fleet's accrual: they add up to the balance of each asset, and equal a walk through the hours."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.embodied.accrual import Asset, LifeRevision, accrual_spans, balance
from models.embodied.allocation import Charge, Facility, Hold, Owned, Server, absorbed, allocate
from models.estimate import Estimate

H = 3_600_000
WINDOW_H = 24
DEVICES_N = 2


def asset(kg: float = 876.0, life_h: float = 8760.0, **changes: Any) -> Asset:
    return Asset(
        Estimate(kg * 0.8, kg, kg * 1.5, "kgCO2e"),
        (life_h * 1.5, life_h, life_h * 0.7),
        **({"in_service_ms": 0} | changes),
    )


def server(
    name: str = "a", host: Asset | None = None, devices_n: int = DEVICES_N, facility_id: str | None = "dc"
) -> Server:
    devices = tuple(Owned(f"{name}/{index}", asset()) for index in range(devices_n))
    return Server(name, facility_id, 10.0, Owned(name, host or asset()), devices)


def dc(capacity_kw: float = 100.0) -> Facility:
    return Facility("dc", capacity_kw, (Owned("shell", asset(98_000, 175_200)),))


hours = st.integers(-6, WINDOW_H + 6)


@st.composite
def assets(draw: st.DrawFn) -> Asset:
    begin = draw(st.none() | hours)
    end = draw(st.none() | st.integers(begin if begin is not None else 0, WINDOW_H + 6))
    revisions = draw(
        st.lists(st.builds(lambda at, life: LifeRevision(at * H, life), hours, st.integers(1, 60)), max_size=2)
    )
    return asset(
        draw(st.floats(0, 1e4)),
        draw(st.integers(1, 100)),
        in_service_ms=None if begin is None else begin * H,
        retired_ms=None if end is None else end * H,
        revisions=tuple(revisions),
    )


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[Facility], list[Server], list[Hold]]:
    facilities = [Facility("dc", 40.0, (Owned("shell", draw(assets())), Owned("plant", draw(assets()))))]
    servers, holds = [], []
    for name in "abc"[: draw(st.integers(0, 3))]:
        devices_n = draw(st.integers(0, DEVICES_N))
        devices = tuple(Owned(f"{name}/{index}", draw(assets())) for index in range(devices_n))
        place = draw(st.sampled_from(["dc", None]))
        servers.append(Server(name, place, draw(st.floats(0, 13)), Owned(name, draw(assets())), devices))
        for number in range(draw(st.integers(0, 4))):  # four quarters at most: never more than the whole
            start = draw(hours)
            index = draw(st.none() | st.integers(0, devices_n - 1)) if devices_n else None
            stop = draw(st.integers(start, WINDOW_H + 6))
            fraction = draw(st.sampled_from([0.0, 0.1, 0.25]))
            holds.append(Hold(f"job-{number % 3}", name, start * H, stop * H, fraction, index))
    return facilities, servers, holds


@given(fleets())
@settings(max_examples=150, deadline=None)
def test_jobs_idle_and_unallocated_are_what_each_asset_accrued(fleet: Any) -> None:
    charges = allocate(*fleet, 0, WINDOW_H * H)
    facilities, servers, _ = fleet
    owned = [part for place in facilities for part in place.parts]
    owned += [one for machine in servers for one in (machine.host, *machine.devices)]
    for one in owned:
        before, after = balance(one.asset, -1), balance(one.asset, WINDOW_H * H - 1)
        mine = [charge for charge in charges if charge.asset_id == one.asset_id]
        for column in range(3):
            used = sum(charge.kgco2e[column] for charge in mine if charge.bucket != "write_off")
            lost = sum(charge.kgco2e[column] for charge in mine if charge.bucket == "write_off")
            total = (one.asset.total.low, one.asset.total.central, one.asset.total.high)[column]
            accrued = after.accrued_kgco2e[column] - before.accrued_kgco2e[column]
            # A balance is asked for at the last millisecond before: what lies in it is the tolerance.
            assert used == pytest.approx(accrued, rel=1e-9, abs=total * 2 / H)
            written = after.written_off_kgco2e[column] - before.written_off_kgco2e[column]
            assert lost == pytest.approx(written, rel=1e-9, abs=1e-9)
            assert all(charge.kgco2e[column] >= 0 for charge in mine)


def walked(fleet: tuple[list[Facility], list[Server], list[Hold]]) -> dict[tuple[str, str, str | None], float]:
    """Share out hour by hour with plain loops: an oracle for events at full hours."""
    facilities, servers, holds = fleet
    sums: dict[tuple[str, str, str | None], float] = defaultdict(float)
    for hour in range(WINDOW_H):
        now = hour * H

        def kg(one: Owned, now: int = now) -> float:
            spans = [span for span in accrual_spans(one.asset) if span.start_ms <= now < span.end_ms]
            return sum(span.gco2e_per_s[1] for span in spans) * 3.6

        for machine in servers:
            mine = [
                hold for hold in holds if hold.server_id == machine.server_id and hold.start_ms <= now < hold.end_ms
            ]
            for hold in mine:
                for index, device in enumerate(machine.devices):
                    if hold.device in (None, index):
                        sums[device.asset_id, "job", hold.job_id] += kg(device) * hold.fraction
                part = hold.fraction / (1 if hold.device is None else len(machine.devices))
                sums[machine.host.asset_id, "job", hold.job_id] += kg(machine.host) * part
                began, ended = machine.host.asset.in_service_ms, machine.host.asset.retired_ms
                serves = began is not None and began <= now and (ended is None or now < ended)
                if serves and machine.facility_id:
                    for shell in facilities[0].parts:
                        occupied = machine.nameplate_kw / facilities[0].it_capacity_kw
                        sums[shell.asset_id, "job", hold.job_id] += kg(shell) * occupied * part
    return sums


@given(fleets())
@settings(max_examples=100, deadline=None)
def test_jobs_have_what_a_walk_through_the_hours_gives_them(fleet: Any) -> None:
    sums: dict[tuple[str, str, str | None], float] = defaultdict(float)
    for charge in allocate(*fleet, 0, WINDOW_H * H):
        if charge.bucket == "job":
            sums[charge.asset_id, "job", charge.job_id] += charge.kgco2e[1]
    expected = walked(fleet)
    for key in sums.keys() | expected.keys():
        # The end of the low and high life need not be a full hour; that of the central one is.
        assert sums[key] == pytest.approx(expected[key], rel=1e-9, abs=1e-9)


@given(fleets())
@settings(max_examples=100, deadline=None)
def test_absorbing_idle_time_loses_nothing(fleet: Any) -> None:
    charges = allocate(*fleet, 0, WINDOW_H * H)
    for column in range(3):
        for level in ("chip", "server", "building"):
            before, after = (
                sum(charge.kgco2e[column] for charge in some if charge.level == level)
                for some in (charges, absorbed(charges))
            )
            assert after == pytest.approx(before, rel=1e-9, abs=1e-9)


def one(charges: list[Charge], asset_id: str, bucket: str) -> float:
    return sum(charge.kgco2e[1] for charge in charges if (charge.asset_id, charge.bucket) == (asset_id, bucket))


def test_a_shared_device_by_hand() -> None:
    """876 kg over 8,760 h are 0.1 kg/h: a quarter of a device for 10 h is 0.25 kg, of the host with two 0.125 kg."""
    holds = [Hold("mig", "a", 0, 10 * H, 0.25, 0)]
    charges = allocate([dc()], [server()], holds, 0, 24 * H)
    assert one(charges, "a/0", "job") == pytest.approx(0.25)
    assert one(charges, "a/0", "idle") == pytest.approx(2.4 - 0.25)
    assert one(charges, "a/1", "idle") == pytest.approx(2.4)
    assert one(charges, "a", "job") == pytest.approx(0.125)
    # 98,000 kg over 175,200 h, 10 of 100 kW, an eighth of the server for 10 h
    assert one(charges, "shell", "job") == pytest.approx(98_000 / 175_200 / 10 / 8 * 10)
    assert one(charges, "shell", "facility_unallocated") == pytest.approx(98_000 / 175_200 * 0.9 * 24)


def test_a_server_of_processors_is_shared_as_a_whole() -> None:
    charges = allocate([], [server(devices_n=0, facility_id=None)], [Hold("j", "a", 0, 12 * H, 0.5)], 0, 24 * H)
    assert one(charges, "a", "job") == pytest.approx(0.6)
    assert one(charges, "a", "idle") == pytest.approx(1.8)


def test_a_retired_server_is_written_off_and_leaves_its_building() -> None:
    machine = server(host=asset(retired_ms=6 * H))
    charges = allocate([dc()], [machine], [Hold("j", "a", 0, 24 * H, 1.0)], 0, 24 * H)
    assert one(charges, "a", "job") == pytest.approx(0.6)
    assert one(charges, "a", "write_off") == pytest.approx(876 - 0.6)
    assert one(charges, "shell", "job") == pytest.approx(98_000 / 175_200 / 10 * 6)


@pytest.mark.parametrize(
    ("facilities", "servers", "holds", "message"),
    [
        ([dc()], [server()], [Hold("j", "b", 0, H, 1.0)], "hold of job 'j': the fleet has no server 'b'; it has a"),
        ([dc()], [server()], [Hold("j", "a", 0, H, 1.0, 2)], "device 2 is not one of the 2 of server 'a'"),
        ([dc()], [server()], [Hold("j", "a", H, 0, 1.0)], "end_ms .0. must not be before start_ms .3600000."),
        ([dc()], [server()], [Hold("j", "a", 0, H, 1.5, 0)], r"hold of job 'j': fraction must be .* in \[0, 1\]"),
        ([dc()], [server()], [Hold("j", "a", 0, H, float("nan"), 0)], "fraction must be a finite number"),
        (
            [dc()],
            [server()],
            [Hold("j", "a", 0, 2 * H, 0.75, 0), Hold("k", "a", H, 2 * H, 0.5)],
            "device 0 of server 'a': jobs hold 1.25 of it at 3600000 ms, at most 1",
        ),
        ([dc(5.0)], [server()], [], "it_capacity_kw is 5 kW, but servers of 10 kW are in service at 0 ms"),
        ([dc(0.0)], [server()], [], r"it_capacity_kw must be a finite number in \(0"),
        ([], [server()], [], "server 'a': the fleet has no facility 'dc'"),
        ([dc()], [server(), server()], [], "asset 'a' stands in the fleet 2 times"),
    ],
)
def test_what_cannot_be_is_refused(facilities: Any, servers: Any, holds: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        allocate(facilities, servers, holds, 0, 24 * H)


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"end_ms \(0\) must be after start_ms \(0\)"):
        allocate([], [], [], 0, 0)

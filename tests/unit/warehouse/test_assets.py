"""Assets in their two ledgers, acquired and amortised; both add up, for low and high too.

The hand-made fleet, with what is expected of it (a year of service life has 8,760 h):

| asset | events | booked |
|---|---|---|
| gpu-a | bought 15 January, in service 1 February 2025 | H100: 164 kg over 5 years; from 1 March 6 years |
| gpu-b | bought 20 March, not yet in service | 164 kg, all of it remaining |
| old | server of 4,000 kg (supplier), in service 1 January, retired 16 March | 2,640 h of 43,800... then written off |
| switch | in service 1 January | no figure is published: not known |
| dc1 | in service 1 January | 100 kW x 980 kg/kW over 20 years |
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from models.embodied.accrual import Asset, balance
from models.estimate import Estimate
from tests.support.homes import make_home, write_config
from tests.support.landed import landed_bytes, landed_name, put
from warehouse.config import Config, ConfigError
from warehouse.engine import run_all
from warehouse.lake import Lake, open_lake

H100 = "NVIDIA H100 80GB HBM3"
FIVE_YEARS_H, SIX_YEARS_H = 43_800, 52_560
PLACE = {"id": "dc1", "zone": "DE", "pue": 1.25, "it_capacity_kw": 100.0, "hosts": ["host-*"]}
SIX_YEARS = {"kind": "accelerator", "years": 6.0, "applies_from": "2025-03-01"}
COLUMNS = ("low_", "", "high_")


def ms(day: str) -> int:
    return round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def asset_event(day: str, asset_id: str, event: str, **changes: Any) -> dict[str, Any]:
    return {
        "ts_ms": ms(day),
        "asset_id": asset_id,
        "kind": "accelerator",
        "hardware_model": H100,
        "host": "host-0",
        "device": None,
        "facility": "dc1",
        "parent_asset": None,
        "event": event,
        "quantity": 1,
        "supplier_kgco2e": None,
    } | changes


SERVER = {"kind": "server", "hardware_model": "Box 9", "supplier_kgco2e": 4000.0}
FLEET = [
    asset_event("2025-01-15", "gpu-a", "purchased"),
    asset_event("2025-02-01", "gpu-a", "in_service"),
    asset_event("2025-03-20", "gpu-b", "purchased"),
    asset_event("2025-01-01", "old", "in_service", **SERVER),
    asset_event("2025-03-16", "old", "retired", **(SERVER | {"supplier_kgco2e": None, "host": None})),
    asset_event("2025-01-01", "switch", "in_service", kind="switch", hardware_model="SN5600"),
    asset_event("2025-01-01", "dc1", "in_service", kind="facility", hardware_model="hall 1", host=None),
    asset_event("2025-04-10", "gpu-a", "repaired"),
]


def land(config: Config, rows: list[dict[str, Any]], name: str = "assets") -> None:
    content = landed_bytes("asset_event", rows, written_ms=ms("2025-05-01"))
    put(config.landing_path, landed_name("asset_event", rows[0]["ts_ms"], name), content)


def home(folder: Path) -> Config:
    config = make_home(folder / "home", facility=[PLACE], service_life=[SIX_YEARS])
    land(config, FLEET)
    return config


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with open_lake(home(tmp_path_factory.mktemp("fleet"))) as lake:
        run_all(lake)
        yield lake


def ledger(lake: Lake, asset_id: str, what: str) -> dict[date, float]:
    asked = f"select month, {what} from mart.embodied_ledger where asset_id = $id order by month"
    return dict(lake.rows(asked, {"id": asset_id}))


def test_the_fleet_by_hand(fleet: Lake) -> None:
    january, february, march, april = (date(2025, month, 1) for month in (1, 2, 3, 4))
    assert ledger(fleet, "gpu-a", "acquired_kgco2e") == {january: 164, february: 0, march: 0, april: 0}
    of_february = 164 * 28 * 24 / FIVE_YEARS_H  # 2.516 kg
    an_hour = (164 - of_february) / (SIX_YEARS_H - 28 * 24)  # what remains, over what remains of six years
    assert ledger(fleet, "gpu-a", "accrued_kgco2e") == pytest.approx(
        {january: 0, february: of_february, march: an_hour * 744, april: an_hour * 720}, rel=1e-9
    )
    assert ledger(fleet, "gpu-b", "remaining_kgco2e") == {march: 164, april: 164}
    until_retired = 4000 * (31 + 28 + 15) * 24 / FIVE_YEARS_H
    assert ledger(fleet, "old", "written_off_kgco2e") == pytest.approx(
        {january: 0, february: 0, march: 4000 - until_retired, april: 0}, rel=1e-9
    )
    assert ledger(fleet, "old", "remaining_kgco2e")[april] == 0
    assert ledger(fleet, "dc1", "accrued_kgco2e")[february] == pytest.approx(98_000 * 672 / 175_200, rel=1e-9)


def test_what_has_no_figure_is_not_known_and_never_nothing(fleet: Lake) -> None:
    rows = fleet.rows("select kgco2e, factor_id, quality_tier from core.asset where asset_id = 'switch'")
    assert rows == [(None, None, "missing")]
    assert set(ledger(fleet, "switch", "accrued_kgco2e").values()) == {None}
    tiers = dict(fleet.rows("select asset_id, quality_tier from core.asset"))
    assert tiers["gpu-a"] == "T1"
    assert tiers["old"] == "T2"


def test_a_facility_of_unknown_capacity_is_not_known(tmp_path: Path) -> None:
    config = make_home(tmp_path / "home")
    land(config, FLEET)
    with open_lake(config) as lake:
        run_all(lake)
        assert lake.rows("select kgco2e, quality_tier from core.asset where asset_id = 'dc1'") == [(None, "missing")]


def test_the_two_ledgers_reconcile_in_every_month_and_column(fleet: Lake) -> None:
    for column in COLUMNS:
        sums = fleet.rows(
            f"select sum({column}acquired_kgco2e), sum({column}accrued_kgco2e) + sum({column}written_off_kgco2e), "
            f"sum({column}remaining_kgco2e) filter (where month = '2025-04-01') from mart.embodied_ledger "
            f"where {column}acquired_kgco2e is not null group by asset_id"
        )
        assert len(sums) == 4
        for acquired, charged, remaining in sums:
            assert charged + (remaining or 0) == pytest.approx(acquired, rel=1e-12)


def test_a_stated_life_of_a_model_outranks_that_of_its_kind(tmp_path: Path) -> None:
    config = home(tmp_path)
    lives = [SIX_YEARS, {"kind": "accelerator", "hardware_model": H100, "years": 2.0}]
    with open_lake(config) as lake:
        run_all(lake)
    # Nothing landed: the configuration alone books the assets anew.
    changed = write_config(config.home, facility=[PLACE], service_life=lives)
    with open_lake(changed) as lake:
        run_all(lake)
        assert lake.rows("select low_life_h, life_h, high_life_h from core.asset where asset_id = 'gpu-a'") == [
            (17_520, 17_520, 17_520)
        ]
        assert ledger(lake, "gpu-a", "accrued_kgco2e")[date(2025, 2, 1)] == pytest.approx(164 * 672 / 17_520, rel=1e-9)


def test_a_server_whose_figure_holds_its_processors_is_booked_without_them(tmp_path: Path) -> None:
    config = make_home(tmp_path / "home")
    server = {"kind": "server", "hardware_model": "PowerEdge R740"}
    cpu = {"kind": "cpu", "hardware_model": "AMD EPYC 7763", "quantity": 2}
    land(
        config,
        [asset_event("2025-01-01", "s", "in_service", **server), asset_event("2025-01-01", "c", "in_service", **cpu)],
    )
    with open_lake(config) as lake:
        run_all(lake)
        booked = dict(lake.rows("select asset_id, kgco2e from core.asset"))
        asked = (
            "select factor.kgco2e, includes_cpu from ref.hardware_embodied as factor "
            "join core.asset using (factor_id) where asset_id = 's'"
        )
        ((whole, includes_cpu),) = lake.rows(asked)
        assert includes_cpu
        assert booked["c"] == pytest.approx(2 * 29.9432, rel=1e-6)
        assert booked["s"] + booked["c"] == pytest.approx(whole, rel=1e-12)


def test_the_ledger_of_random_fleets_is_that_of_the_model(tmp_path: Path) -> None:
    chance = random.Random(7)
    config = make_home(tmp_path / "home", facility=[PLACE])
    rows, booked = [], {}
    for number in range(60):
        kg = round(chance.uniform(1, 9000), 3)
        days = sorted(chance.sample(range(1, 900), 3))
        at = [f"{datetime.fromtimestamp(ms('2023-01-01') / 1000 + 86_400 * day, UTC):%Y-%m-%d}" for day in days]
        events = ["purchased", "in_service", "retired"][: chance.randint(1, 3)]
        name, stated = f"a-{number}", {"kind": "cpu", "hardware_model": "x", "supplier_kgco2e": kg, "host": None}
        rows += [asset_event(day, name, event, **stated) for day, event in zip(at, events, strict=False)]
        times = dict(zip(events, (ms(day) for day in at), strict=False))
        lives = (7 * 8760.0, 5 * 8760.0, 3 * 8760.0)
        booked[name] = Asset(
            Estimate(0.8 * kg, kg, 1.5 * kg, "kgCO2e"),
            lives,
            times["purchased"],
            times.get("in_service"),
            times.get("retired"),
        )
    land(config, rows)
    with open_lake(config) as lake:
        run_all(lake)
        found = lake.rows(
            "select asset_id, epoch_ms(month + interval 1 month), "
            + ", ".join(
                f"sum({column}{name}_kgco2e) over so_far" for name in ("accrued", "written_off") for column in COLUMNS
            )
            + ", low_remaining_kgco2e, remaining_kgco2e, high_remaining_kgco2e from mart.embodied_ledger "
            "window so_far as (partition by asset_id order by month rows between unbounded preceding and current row)"
        )
    assert {row[0] for row in found} == set(booked)
    for name, month_end_ms, *amounts in found:
        at_end = balance(booked[name], month_end_ms - 1)
        expected = (*at_end.accrued_kgco2e, *at_end.written_off_kgco2e, *at_end.remaining_kgco2e)
        assert amounts == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_a_service_life_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="years"):
        make_home(tmp_path / "home", service_life=[{"kind": "server", "years": 0.0}])

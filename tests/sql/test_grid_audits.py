"""Audits of grid factors: each finds its fault and keeps silent where there is none.

A slot is an hour; each has 1 kWh (3.6 MJ) unless a test says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from tests.support.homes import make_home
from tests.support.intensities import intensity, land
from tests.support.landed import landed_bytes, landed_name, put, sample
from warehouse.audits import all_checks, run_audits
from warehouse.engine import begin, compute_day, settle
from warehouse.ingest import ingest_landing
from warehouse.lake import Lake, open_lake

DAY = "2025-03-03"
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
DAY_MS = 24 * HOUR_MS
START_MS = int(datetime.fromisoformat(DAY).replace(tzinfo=UTC).timestamp() * 1000)
FEEDS = [
    {"source": "neso", "zones": ["GB"], "since": "2025-03-01"},
    {"source": "eia", "zones": ["US-CAL-CISO", "US-CAL-CISCO"], "since": "2025-03-01"},
]
PLACES = [
    {"id": "dc1", "zone": "GB", "pue": 1.25, "hosts": ["host-*"]},
    {"id": "typo", "zone": "US-TEX-ERCOT", "pue": 1.25, "hosts": ["far-*"]},
]
Row = dict[str, Any]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    config = make_home(tmp_path_factory.mktemp("grid") / "home", feed=FEEDS, facility=PLACES)
    with open_lake(config) as lake:
        yield lake


@pytest.fixture
def lake(opened: Lake) -> Lake:
    for name in ("core.job_slot", "core.grid_factor", "raw.feed_pull"):
        opened.connection.execute(f"DELETE FROM lake.{name}")
    opened.connection.execute("DELETE FROM lake.ref.grid_intensity WHERE file_sha256 IS NOT NULL")
    return opened


def insert(lake: Lake, table: str, rows: list[Row]) -> None:
    """Write rows; times are epoch ms in columns that hold moments."""
    moments = {"slot_start", "hour_start", "valid_from", "valid_to", "known_from"}
    known = pa.Table.from_pylist(
        [{name: moment(value) if name in moments else value for name, value in row.items()} for row in rows]
    )
    lake.connection.register("known_rows", known)
    lake.connection.execute(f"INSERT INTO lake.{table} BY NAME SELECT * FROM known_rows")
    lake.connection.unregister("known_rows")


def moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def energy(lake: Lake, hours: dict[int, str], *, joule: float = 3.6e6, zone: str = "GB", **factor: Any) -> None:
    """Put energy into hours since the start of the day, with a factor of the tier that each hour names."""
    slots, factors = [], []
    for hour, tier in hours.items():
        start_ms = START_MS + hour * HOUR_MS
        day = str(moment(start_ms).date())
        when = {"day": day, "hour_start": start_ms, "slot_start": start_ms, "slot_s": 3600, "zone": zone}
        slots.append(when | {"allocation": "idle", "energy_source": "nvml_power", "energy_j": joule})
        stated = {"factor_id": "grid.neso", "tier": tier, "basis": "lifecycle", "gco2e_per_kwh": 200.0}
        factors.append(when | stated | factor)
    insert(lake, "core.job_slot", slots)
    insert(lake, "core.grid_factor", factors)


def state(lake: Lake, values: dict[int, float], *, minutes: int = 60, **changes: Any) -> None:
    """State intensities by minute since the start of the day, as a feed would."""
    named = {"provider": "neso", "factor_set": "own", "zone": "GB", "kind": "average", "basis": "lifecycle"}
    named |= {"flow": "consumption", "tier": "zone_slot_measured"} | changes
    rows = [
        named
        | {"factor_id": changes.get("factor_id", f"grid.{named['provider']}"), "is_estimate": False, "source": "test"}
        | {"valid_from": START_MS + at * MINUTE_MS, "valid_to": START_MS + (at + minutes) * MINUTE_MS}
        | {"gco2e_per_kwh": value, "file_sha256": "0" * 64, "known_from": START_MS + 2 * DAY_MS}
        for at, value in values.items()
    ]
    insert(lake, "ref.grid_intensity", rows)


def found(lake: Lake, check: str, *days: str) -> dict[str, str]:
    report = run_audits(lake, days=days or [DAY], only=[check])
    return {one.entity: one.observed for one in report.findings}


def hours_of(count: int, first: int = 0) -> dict[int, float]:
    """Return a value for each hour, no two neighbours alike."""
    return {60 * hour: 100.0 + hour * 37 % 50 for hour in range(first, first + count)}


SLOT, YEAR = "zone_slot_measured", "zone_year"


def test_energy_on_a_yearly_mean_between_slots_is_a_gap(lake: Lake) -> None:
    # 3 of 24 h: 3 kWh of 24 kWh are 12.5 %.
    state(lake, {at: v for at, v in hours_of(24).items() if at not in (600, 660, 720)})
    energy(lake, {hour: YEAR if hour in (10, 11, 12) else SLOT for hour in range(24)})
    text = "3 slots with 3.0 kWh, 12.5 % of the zone, rest on the mean of a month or year"
    assert found(lake, "grid_slot_gap") == {f"{DAY} GB": text}
    assert found(lake, "grid_slot_hole") == {}


def test_a_single_slot_is_a_hole_and_no_gap(lake: Lake) -> None:
    # 1 of 24 kWh is 4.2 %, less than 5 %.
    state(lake, {at: v for at, v in hours_of(24).items() if at != 600})
    energy(lake, {hour: YEAR if hour == 10 else SLOT for hour in range(24)})
    assert found(lake, "grid_slot_gap") == {}
    text = "1 slots with 1.0 kWh, 4.2 % of the zone, rest on the mean of a month or year"
    assert found(lake, "grid_slot_hole") == {f"{DAY} GB": text}


def test_gap_and_hole_are_one_statement_and_a_day_has_at_most_one_of_them(lake: Lake) -> None:
    # 1 of 20 kWh is exactly 5 %: not above it, so a hole; 2 of 20 are a gap.
    checks = {check.id: check for check in all_checks() if check.id.startswith("grid_slot")}
    assert checks["grid_slot_gap"].sql == checks["grid_slot_hole"].sql
    assert [checks[name].severity for name in ("grid_slot_gap", "grid_slot_hole")] == ["major", "minor"]
    assert checks["grid_slot_gap"].description != checks["grid_slot_hole"].description
    state(lake, {at: v for at, v in hours_of(20).items() if at not in (300, 600)})
    energy(lake, {hour: YEAR if hour == 10 else SLOT for hour in range(20)})
    both = {one.entity: one.check_id for one in run_audits(lake, days=[DAY], only=checks).findings}
    assert both == {f"{DAY} GB": "grid_slot_hole"}
    lake.connection.execute("UPDATE lake.core.grid_factor SET tier = 'zone_year' WHERE hour(slot_start) = 5")
    both = {one.entity: one.check_id for one in run_audits(lake, days=[DAY], only=checks).findings}
    assert both == {f"{DAY} GB": "grid_slot_gap"}


def test_an_outage_since_a_feed_was_to_begin_is_a_gap_and_before_it_there_is_none(lake: Lake) -> None:
    # The feed is configured from 2025-03-01 on; its values begin on 03-04. No value lies before.
    state(lake, hours_of(24, first=24))
    energy(lake, dict.fromkeys((-72, 0, 1), YEAR))
    days = ("2025-02-28", DAY)
    assert list(found(lake, "grid_slot_gap", *days)) == [f"{DAY} GB"]


@pytest.mark.parametrize("basis", ["lifecycle", "operational"])
def test_slots_that_wait_for_their_feed_or_have_another_basis_are_no_gap(lake: Lake, basis: str) -> None:
    state(lake, hours_of(10 if basis == "lifecycle" else 24), basis=basis)
    energy(lake, {hour: SLOT if hour < 10 else YEAR for hour in range(24)})
    assert found(lake, "grid_slot_gap") == found(lake, "grid_slot_hole") == {}


def test_a_zone_without_slots_has_no_gaps(lake: Lake) -> None:
    energy(lake, dict.fromkeys(range(24), YEAR), zone="DE")
    assert found(lake, "grid_slot_gap") == {}


def test_a_mean_of_plausible_values_does_not_hide_one_that_is_not(lake: Lake) -> None:
    state(lake, {0: 1500.0, 30: 2000.0}, minutes=30)
    energy(lake, {0: SLOT, 1: SLOT})
    assert found(lake, "grid_range") == {f"{DAY} GB grid.neso": "values from 2000.0 to 2000.0 g/kWh"}


def test_a_yearly_value_out_of_range_is_found_and_the_bounds_are_in_it(lake: Lake) -> None:
    energy(lake, {0: YEAR}, factor_id="own.year", gco2e_per_kwh=1500.1)
    assert list(found(lake, "grid_range")) == [f"{DAY} GB own.year"]
    lake.connection.execute("UPDATE lake.core.grid_factor SET gco2e_per_kwh = 1500")
    assert found(lake, "grid_range") == {}
    lake.connection.execute("UPDATE lake.core.grid_factor SET gco2e_per_kwh = 0")
    assert found(lake, "grid_range") == {}


def test_a_marginal_value_may_lie_anywhere(lake: Lake) -> None:
    state(lake, {0: 2500.0}, kind="marginal", factor_id="grid.neso.marginal")
    energy(lake, {0: SLOT})
    assert found(lake, "grid_range") == {}


def test_a_change_of_the_step_is_named_with_its_moment(lake: Lake) -> None:
    # Half hours until 10:00, then quarters of an hour: as Great Britain at ENTSO-E in 2020.
    state(lake, {at: 100.0 + at for at in range(0, 600, 30)}, minutes=30)
    state(lake, {at: 100.0 + at for at in range(600, 1440, 15)}, minutes=15)
    energy(lake, {0: SLOT})
    entity = f"{DAY} GB neso average lifecycle consumption own"
    assert found(lake, "grid_step") == {entity: "1 times: from 1800 s to 900 s at 10:00Z"}


def test_a_change_at_midnight_counts_on_the_new_day_only(lake: Lake) -> None:
    state(lake, dict.fromkeys(range(0, 1440, 30), 100.0), minutes=30)
    state(lake, dict.fromkeys(range(1440, 2880, 60), 100.0))
    energy(lake, {0: SLOT, 24: SLOT})
    assert found(lake, "grid_step") == {}
    assert list(found(lake, "grid_step", "2025-03-04")) == ["2025-03-04 GB neso average lifecycle consumption own"]
    assert len(found(lake, "grid_step", DAY, "2025-03-04")) == 1


def test_an_odd_step_is_found(lake: Lake) -> None:
    state(lake, dict.fromkeys(range(0, 1440, 20), 100.0), minutes=20)
    energy(lake, {0: SLOT})
    assert list(found(lake, "grid_step").values()) == ["1 times: steps of 1200 s at 00:00Z"]


def test_half_a_day_of_one_value_is_a_flat_line(lake: Lake) -> None:
    # 12 h from 06:00; 11 h would not do.
    values = hours_of(48, first=-24)
    state(lake, values | {60 * hour: 150.0 for hour in range(6, 18)})
    energy(lake, {0: SLOT})
    entity = f"{DAY} GB neso average lifecycle consumption own"
    assert found(lake, "grid_flat") == {entity: "150.0 g/kWh from 2025-03-03 06:00Z for 12.0 h"}
    lake.connection.execute("UPDATE lake.ref.grid_intensity SET gco2e_per_kwh = 151 WHERE hour(valid_from) = 17")
    assert found(lake, "grid_flat") == {}


def test_a_flat_line_across_midnight_is_seen_on_both_days_alike(lake: Lake) -> None:
    # From 18:00 to 08:00: 6 h of it on this day, 8 h on the next, 14 h in all.
    state(lake, hours_of(72, first=-24) | {60 * hour: 150.0 for hour in range(18, 32)})
    energy(lake, {0: SLOT, 24: SLOT})
    texts = [found(lake, "grid_flat", day) for day in (DAY, "2025-03-04")]
    assert [list(text.values()) for text in texts] == [["150.0 g/kWh from 2025-03-03 18:00Z for 14.0 h"]] * 2
    assert found(lake, "grid_flat", DAY, "2025-03-04") == texts[0] | texts[1]


def test_a_grid_that_is_flat_by_nature_is_none(lake: Lake) -> None:
    # Hydro power: 24 g/kWh, now and then 25.
    state(lake, {60 * hour: 25.0 if hour % 13 == 0 else 24.0 for hour in range(-72, 24)})
    energy(lake, {0: SLOT})
    assert found(lake, "grid_flat") == {}


def test_a_hole_ends_a_flat_line(lake: Lake) -> None:
    flat = {60 * hour: 150.0 for hour in (*range(6, 12), *range(13, 20))}
    state(lake, {at: v for at, v in (hours_of(48, first=-24) | flat).items() if at != 720})
    energy(lake, {0: SLOT})
    assert found(lake, "grid_flat") == {}


def pull(lake: Lake, source: str, zone: str, values_n: int, reason: str | None = None) -> None:
    at_ms = START_MS + DAY_MS
    row = {"source": source, "zone": zone, "from_ms": START_MS, "to_ms": at_ms, "fetched_ms": at_ms, "day": DAY}
    row |= {"outcome": "failed" if reason else "complete", "reason": reason, "values_n": values_n, "changed_n": 0}
    row |= {"refused_n": 0, "missing_ms": 0, "file_sha256": "0" * 64, "row_number": 0, "written_ms": at_ms}
    insert(lake, "raw.feed_pull", [row])


def test_a_feed_that_lags_behind_the_energy_of_its_zone_is_stale(lake: Lake) -> None:
    # Energy on 03-06: values must reach 72 h before its midnight, 03-03 00:00. The first hour of 03-03 does.
    state(lake, hours_of(1))
    energy(lake, {72: YEAR})
    pull(lake, "neso", "GB", 0, "server_error")
    assert found(lake, "grid_stale") == {}
    lake.connection.execute("DELETE FROM lake.ref.grid_intensity WHERE file_sha256 IS NOT NULL")
    state(lake, hours_of(1, first=-2))
    text = "newest value 2025-03-02 23:00Z, energy until 2025-03-06, asked last 2025-03-04 00:00Z: server_error"
    assert found(lake, "grid_stale") == {"neso GB": text}


def test_a_feed_that_never_gave_anything_is_stale_where_energy_is_used(lake: Lake) -> None:
    energy(lake, {0: YEAR}, zone="US-CAL-CISO")
    assert found(lake, "grid_stale") == {"eia US-CAL-CISO": f"no value, energy until {DAY}, never asked"}
    pull(lake, "eia", "US-CAL-CISO", 4)
    assert found(lake, "grid_stale") == {}, "a feed of months gave its values, and has none of slots"


def test_two_providers_that_differ_by_more_than_a_third_are_both_named(lake: Lake) -> None:
    # 141 to 100: 41 over 120.5 are 34.0 %; 140 to 100: 40 over 120 are 33.3 %.
    state(lake, {60 * hour: 100.0 for hour in range(24)})
    state(lake, {60 * hour + part: 141.0 for hour in range(24) for part in (0, 30)}, minutes=30, provider="stated")
    energy(lake, {0: SLOT})
    entity = f"{DAY} GB lifecycle consumption: neso own and stated own"
    assert found(lake, "grid_sources_disagree") == {entity: "100.0 and 141.0 g/kWh over 24 h"}
    lake.connection.execute("UPDATE lake.ref.grid_intensity SET gco2e_per_kwh = 140 WHERE provider = 'stated'")
    assert found(lake, "grid_sources_disagree") == {}


@pytest.mark.parametrize(
    "other", [{"basis": "operational"}, {"flow": "production"}, {"kind": "marginal"}, {"hours": 11}]
)
def test_what_cannot_be_compared_does_not_disagree(lake: Lake, other: Row) -> None:
    hours = other.pop("hours", 24)
    state(lake, {60 * hour: 100.0 for hour in range(24)})
    state(lake, {60 * hour: 300.0 for hour in range(hours)}, provider="stated", **other)
    energy(lake, {0: SLOT})
    assert found(lake, "grid_sources_disagree") == {}


def test_energy_with_a_factor_of_another_basis_is_counted(lake: Lake) -> None:
    energy(lake, {0: SLOT, 1: SLOT}, basis="operational")
    energy(lake, {2: SLOT})
    assert found(lake, "grid_other_basis") == {f"{DAY} GB": "2.0 kWh with operational factors"}
    lake.connection.execute("UPDATE lake.core.grid_factor SET basis = 'lifecycle'")
    assert found(lake, "grid_other_basis") == {}


def test_a_zone_that_nobody_knows_is_named_with_where_it_stands(lake: Lake) -> None:
    begin(lake)  # brings in the places of the configuration
    names = ["facility typo: zone US-TEX-ERCOT", "feed eia: zone US-CAL-CISCO"]
    assert list(found(lake, "grid_unknown_zone")) == names
    state(lake, hours_of(1), zone="US-TEX-ERCOT")
    assert list(found(lake, "grid_unknown_zone")) == names[1:], "a file of our own zone makes it known"


def take_in(lake: Lake, day: str) -> None:
    ingest_landing(lake)
    settle(lake)
    compute_day(lake, begin(lake), day)


def test_a_gap_of_a_landed_feed_is_found_and_gone_when_the_missing_hour_came(lake: Lake) -> None:
    start_ms = START_MS + 30 * DAY_MS  # a day that no other test has touched
    day = str(moment(start_ms).date())
    rows = [sample(start_ms + at * 1000, power_mw=360_000) for at in range(0, 3 * 3600 + 1, 10)]
    put(
        lake.config.landing_path,
        landed_name("power_sample", start_ms, "p"),
        landed_bytes("power_sample", rows, written_ms=start_ms),
    )
    values = [intensity(start_ms + hour * HOUR_MS, 100.0 + hour) for hour in range(3)]
    land(lake.config, [values[0], values[2]], "most")
    take_in(lake, day)
    text = "1 slots with 0.36 kWh, 33.3 % of the zone, rest on the mean of a month or year"
    assert found(lake, "grid_slot_gap", day) == {f"{day} GB": text}
    land(lake.config, [values[1]], "rest")
    take_in(lake, day)
    assert found(lake, "grid_slot_gap", day) == {}

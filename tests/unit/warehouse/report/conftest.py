"""A published database with months of several phase groups, through the registry's own DDL; figures are made up."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from warehouse.config import Config
from warehouse.publish import ORGANISATION, published_tables
from warehouse.registry import SCHEMAS, table

RUN = "5f0c2a9be1d34c77"
GRID = {"DE": ("grid.em.DE.2024", 341.0), "SE-SE3": ("grid.em.SE-SE3.2024", 22.0), "FR": ("grid.ember.FR.2024", 44.0)}
GROUP_OF = {
    "data_processing": "training", "training": "training", "fine_tuning": "training", "inference": "inference",
    "storage": "storage", "unknown": "unknown", None: "idle",
}  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """What the published database should hold."""

    first: date = date(2026, 3, 1)
    months: int = 1
    scale: float = 1.0
    estimated: bool = False
    estimated_share: float | None = None
    missing: bool = False
    sites: tuple[str, ...] = ("hall-a", "aws/eu-north-1")
    phases: tuple[str | None, ...] = ("training", "fine_tuning", "inference", "unknown", None, "unallocated")
    names: tuple[str, ...] = ("llama-3-70b", "bge-reranker", "whisper-large", "tabular-forecast")
    days: int | None = None
    jobs_n: int = 40
    issues: bool = True
    runs: tuple[str, ...] = (RUN,)
    factor_kinds: dict[str, str] = field(default_factory=dict)


def next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def days_of(scenario: Scenario) -> list[date]:
    end = scenario.first
    for _ in range(scenario.months):
        end = next_month(end)
    days = [scenario.first + timedelta(days=step) for step in range((end - scenario.first).days)]
    return days[: scenario.days]


def mass_columns(it: float, pue: float | None, intensity: float | None, rng: random.Random) -> dict[str, float | None]:
    it_kg = None if intensity is None else it * intensity / 1e3
    over = None if it_kg is None or pue is None else it_kg * (pue - 1)
    chip, server, building = it * 0.006 * rng.uniform(0.9, 1.1), it * 0.026, it * 0.011
    location = None if it_kg is None else it_kg + (over or 0.0)
    embodied = chip + server + building
    total = embodied + (location or 0.0)
    return {
        "it_kgco2e": it_kg, "overhead_kgco2e": over, "chip_kgco2e": chip, "server_kgco2e": server,
        "building_kgco2e": building, "location_kgco2e": location, "market_kgco2e": None, "embodied_kgco2e": embodied,
        "low_kgco2e": (location or 0) * 0.78 + embodied * 0.5, "total_kgco2e": total,
        "high_kgco2e": (location or 0) * 1.29 + embodied * 1.9,
    }  # fmt: skip


def daily_rows(scenario: Scenario) -> list[dict[str, Any]]:
    rng = random.Random(7)
    rows = []
    known = {"hall-a": ("DE", 1.22), "aws/eu-north-1": ("SE-SE3", 1.1), "lab": (None, None)}
    names = (*scenario.sites, "lab") if scenario.missing else scenario.sites
    sites = [(name, *known[name]) for name in names]
    days = days_of(scenario)
    for number, day in enumerate(days):
        if scenario.months > 3 and 200 <= number < 206:
            continue  # a week without readings
        growth = 1 + number / 220
        for phase in scenario.phases:
            allocation = phase if phase == "unallocated" else ("idle" if phase is None else "job")
            if phase == "storage" and number > 300:
                continue
            for place, (region, zone, pue) in enumerate(sites):
                weight = {"training": 420, "fine_tuning": 60, "inference": 180 * growth, "unknown": 25, None: 90,
                          "unallocated": 30, "storage": 12, "data_processing": 15}[phase]  # fmt: skip
                if phase == "training":
                    weight *= 0.35 + 1.3 * (1 + (number // 20) % 3) / 3
                it = scenario.scale * weight * rng.uniform(0.8, 1.2) * (0.55, 0.35, 0.1)[place]
                share = rng.uniform(0.05, 0.12) * (4 if place == 2 else 1) if scenario.estimated else 0.0
                share = share if scenario.estimated_share is None else scenario.estimated_share
                measured = 86400.0 * 8
                gap = measured * (rng.uniform(0, 0.03) if number % 17 else 0.34)
                named = allocation == "job"
                rows.append({
                    "day": day, "allocation": allocation, "org": "Example", "team": "research" if named else None,
                    "project": None, "model": scenario.names[number % 2] if named else None, "model_version": None,
                    "phase": phase if named else None,
                    "phase_group": GROUP_OF[phase] if allocation != "unallocated" else "unallocated",
                    "region": region, "zone": zone, "it_kwh": it, "facility_kwh": None if pue is None else it * pue,
                    "estimated_kwh": it * share, "unlocated_kwh": it if zone is None else 0.0,
                    **mass_columns(it, pue, None if zone is None else GRID[zone][1], rng),
                    "measured_s": measured, "gap_s": gap, "coverage_fraction": measured / (measured + gap),
                })  # fmt: skip
    return rows


def emission_rows(scenario: Scenario, daily: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for row in daily:
        hour_start = datetime.combine(row["day"], time(12), UTC)
        for component in ("it", "overhead", "chip", "server", "building"):
            operational = component in ("it", "overhead")
            kg = row[f"{component}_kgco2e"]
            factor = {
                "chip": "hw.chip.h100",
                "server": "hw.archetype.8acceleratorhost",
                "building": "hw.building.generic",
            }
            it_or_over = (
                row["it_kwh"]
                if component == "it"
                else (None if row["facility_kwh"] is None else row["facility_kwh"] - row["it_kwh"])
            )
            grid = GRID.get(row["zone"], (None, None))[0]
            source = "model" if row["region"] == "lab" and scenario.estimated else "nvml_energy"
            rows.append({
                "day": row["day"], "hour_start": hour_start,
                "allocation": row["allocation"], "job_id": None, "attempt": None, "phase": row["phase"],
                "facility": row["region"], "zone": row["zone"], "energy_source": source, "component": component,
                "method": "location" if operational else "amortised",
                "energy_kwh": it_or_over if operational else 0.0, "device_s": 0.0 if operational else row["measured_s"],
                "low_gco2e": None if kg is None else kg * 780, "gco2e": None if kg is None else kg * 1e3,
                "high_gco2e": None if kg is None else kg * 1290,
                "factor_id": grid if operational else factor[component],
                "quality_tier": ("zone_year" if grid else "missing") if operational
                else {"chip": "T2", "server": "T4", "building": "T4"}[component],
                "factor_age_years": 2 if operational and grid else None, "calc_run_id": RUN,
            })  # fmt: skip
    return rows


BASIS = {"job": "held", "idle": "free", "unallocated": "shared"}


def job_energy_rows(daily: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for number, row in enumerate(daily):
        hour_start = datetime.combine(row["day"], time(12), UTC)
        for source, kwh, estimated in (
            ("nvml_energy", row["it_kwh"] - row["estimated_kwh"], 0.0),
            ("model", row["estimated_kwh"], row["estimated_kwh"]),
        ):
            if kwh:
                rows.append({
                    "day": row["day"], "hour_start": hour_start,
                    "allocation": row["allocation"], "basis": BASIS[row["allocation"]], "phase": row["phase"],
                    "host": "gpu-1", "device": f"d{number}",
                    "point": "board", "kind": "gpu", "facility": row["region"], "zone": row["zone"], "source": source,
                    "energy_j": kwh * 3.6e6, "measured_s": 1.0, "gap_s": 0.0, "estimated_j": estimated * 3.6e6,
                    "counter_j": 0.0, "covered_s": 1.0,
                })  # fmt: skip
    return rows


FACTORS = [
    ("grid.em.DE.2024", "grid_intensity", "DE", 280.0, 341.0, 415.2, "gCO2e/kWh", "zone_year"),
    ("grid.em.SE-SE3.2024", "grid_intensity", "SE-SE3", 18.1, 22.0, 26.8, "gCO2e/kWh", "zone_year"),
    ("hw.chip.h100", "embodied_chip", "NVIDIA H100 SXM", 131.0, 164.0, 246.0, "kgCO2e/device", "T2"),
    (
        "hw.archetype.8acceleratorhost",
        "embodied_server",
        "*8-accelerator host",
        2500.0,
        5652.0,
        8941.0,
        "kgCO2e/server",
        "T4",
    ),
    ("hw.building.generic", "embodied_building", "*generic building", 300.0, 980.0, 1800.0, "kgCO2e/kw_it", "T4"),
]
SOURCES = {
    "grid_intensity": "Yearly average carbon intensity and carbon-free energy by zone, as in CO2.js (ODbL-1.0)",
    "embodied_chip": "NVIDIA HGX H100 product carbon footprint summary (facts)",
    "embodied_server": "BoaviztAPI 2.5.0 archetypes (AGPL-3.0 (software); factors quoted as facts)",
    "embodied_building": "Data4 DC19 life-cycle assessment 2025 (facts)",
}


UNREAD = ("it_kwh", "estimated_kwh", "unlocated_kwh", "facility_kwh", "accelerator_kwh")


def job_rows(scenario: Scenario) -> list[dict[str, Any]]:
    rng = random.Random(11)
    days = days_of(scenario)
    rows = []
    phases = [phase for phase in scenario.phases if phase not in (None, "unallocated")]
    for number in range(scenario.jobs_n):
        phase = phases[number % len(phases)]
        it = scenario.scale * 900 * 0.8**number
        name = scenario.names[number % len(scenario.names)]
        start = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC) + timedelta(hours=number * 7)
        lost = scenario.missing and number % 5 == 1
        unread = scenario.missing and number == scenario.jobs_n - 1
        quality = number % 3 == 0
        rows.append({
            "job_id": f"{name}-{number:04d}" if number else name, "attempt": 2 if number == 3 else 1, "org": "Example",
            "team": None if number % 4 == 3 else "research", "project": "assistant", "model": name,
            "model_version": f"v{number % 3 + 1}", "task": None, "phase": phase, "phase_group": GROUP_OF[phase],
            "state": ("completed", "completed", "failed", "running", "cancelled")[number % 5],
            "started_at": start, "ended_at": start + timedelta(hours=9), "duration_s": 3600.0 * 9 * rng.uniform(0.2, 5),
            "accelerator_kwh": it * 0.8, "it_kwh": it, "facility_kwh": None if lost else it * 1.2,
            "estimated_kwh": it * 0.11 if scenario.estimated and number % 2 else 0.0,
            "unlocated_kwh": it if lost else 0.0,
            **mass_columns(it, None if lost else 1.2, None if lost else 341.0, rng),
            "measured_s": 3.2e4, "gap_s": 40.0, "coverage_fraction": None if number == 6 else rng.uniform(0.93, 1),
            **(dict.fromkeys(UNREAD) if unread else {}),
            "is_waste": number % 5 in (2, 4), "quality_metric": "accuracy" if quality else None,
            "quality_value": rng.uniform(0.6, 0.9) if quality else None,
            "requests_n": None, "input_tokens_n": None, "output_tokens_n": None,
        })  # fmt: skip
    return rows


def insert(connection: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    columns = table(name).column_names
    arrow = pa.Table.from_pylist([{column: row.get(column) for column in columns} for row in rows])
    connection.register("given", arrow)
    connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM given")
    connection.unregister("given")


SUMMED = (
    "it_kwh", "estimated_kwh", "unlocated_kwh", "it_kgco2e", "overhead_kgco2e", "chip_kgco2e", "server_kgco2e",
    "building_kgco2e", "location_kgco2e", "market_kgco2e", "embodied_kgco2e", "low_kgco2e", "total_kgco2e",
    "high_kgco2e", "measured_s", "gap_s",
)  # fmt: skip


def fill_monthly(connection: duckdb.DuckDBPyConnection) -> None:
    sums = ", ".join(f"sum(f.{name}) AS {name}" for name in SUMMED)
    connection.execute(
        "INSERT INTO mart.training_vs_inference_monthly BY NAME "
        "SELECT CAST(date_trunc('month', day) AS DATE) AS month, org, phase_group, "
        "CASE WHEN phase_group IN ('idle', 'unallocated') THEN 0 ELSE count(*) END AS jobs_n, "
        "CASE WHEN count(*) = count(f.facility_kwh) THEN sum(f.facility_kwh) END AS facility_kwh, "
        f"sum(f.measured_s) / nullif(sum(f.measured_s) + sum(f.gap_s), 0) AS coverage_fraction, {sums} "
        "FROM mart.footprint_daily AS f GROUP BY month, org, phase_group ORDER BY ALL"
    )


def fill_quality(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        INSERT INTO mart.data_quality BY NAME
        WITH day AS (
            SELECT day, sum(measured_s) AS m, sum(gap_s) AS g, sum(estimated_kwh) / nullif(sum(it_kwh), 0) AS f
            FROM mart.footprint_daily GROUP BY day
        )
        SELECT e.day, facility AS region, component, quality_tier,
            CASE WHEN count(*) = count(energy_kwh) THEN sum(energy_kwh) END AS energy_kwh,
            CASE WHEN count(*) = count(energy_kwh) THEN sum(energy_kwh * f) END AS estimated_kwh,
            sum(gco2e) / 1e3 AS kgco2e, any_value(m) AS day_measured_s, any_value(g) AS day_gap_s,
            any_value(m / nullif(m + g, 0)) AS day_coverage_fraction, 0.97 AS day_counter_fraction,
            3 AS day_quarantined_rows_n
        FROM core.emission AS e JOIN day USING (day) GROUP BY ALL ORDER BY ALL
    """)


def write_published(folder: Path, scenario: Scenario | None) -> Config:
    """Write the published database of a scenario (``None``: tables without rows) and return its configuration."""
    config = Config(organisation={"name": "Example Research"}, landing={"path": "landing"}, home=folder)  # type: ignore[arg-type]
    config.published_path.mkdir(parents=True)
    connection = duckdb.connect(str(config.published_path / ORGANISATION))
    connection.execute("SET TimeZone = 'UTC'")
    for schema in SCHEMAS:
        connection.execute(f"CREATE SCHEMA {schema}")
    for entry in published_tables():
        connection.execute(entry.ddl("organisation"))
    connection.execute(
        "CREATE TABLE audit.publication AS SELECT CAST(417 AS BIGINT) AS lake_snapshot, "
        "TIMESTAMPTZ '2026-04-03 06:12:00+00' AS published_at"
    )
    if scenario is not None:
        _fill(connection, scenario)
    connection.close()
    return config


def _fill(connection: duckdb.DuckDBPyConnection, scenario: Scenario) -> None:
    known = datetime(2026, 1, 1, tzinfo=UTC)
    daily = daily_rows(scenario)
    insert(connection, "mart.footprint_daily", daily)
    fill_monthly(connection)
    insert(connection, "core.emission", emission_rows(scenario, daily))
    fill_quality(connection)
    insert(connection, "core.job_energy", job_energy_rows(daily))
    insert(connection, "mart.job", job_rows(scenario))
    insert(connection, "ref.factor", [
        {"factor_id": key, "kind": kind, "what": what, "low_value": low, "value": value, "high_value": high,
         "unit": unit, "tier": tier, "source": SOURCES[kind], "known_from": known}
        for key, kind, what, low, value, high, unit, tier in FACTORS
    ])  # fmt: skip
    insert(connection, "ref.facility", [
        {"facility": "hall-a", "position": 0, "zone": "DE", "pue": 1.22, "ownership": "owned", "hosts": ["gpu-*"],
         "known_from": known},
        {"facility": "lab", "position": 1, "ownership": "leased", "hosts": ["lab-*"], "known_from": known},
    ])  # fmt: skip
    places = [("hall-a", "facility", 1.22, "wattledger.toml"), ("lab", "missing", None, None)]
    places.append(("aws/eu-north-1", "region_period", 1.1, "AWS sustainability page 2024"))
    insert(connection, "core.place_factor", [
        {"day": scenario.first, "facility": facility, "tier": tier, "pue": pue, "source": source}
        for facility, tier, pue, source in places
    ])  # fmt: skip
    insert(connection, "ref.source_uncertainty", [
        {"source": "nvml_energy", "low_factor": 0.95, "high_factor": 1.06, "reference": "Part-time measurements (2024)",
         "known_from": known},
        {"source": "model", "low_factor": 0.5, "high_factor": 1.6, "reference": "wattledger judgement",
         "known_from": known},
    ])  # fmt: skip
    for number, run in enumerate(scenario.runs):
        insert(connection, "audit.calc_run", [
            {"calc_run_id": run, "program_version": "0.1.0", "config_sha256": "c" * 64,
             "factors_sha256": "9e107d9d372bb6826bd81d3542a419d6", "sql_sha256": "s" * 64, "first_used_at": known},
        ])  # fmt: skip
        days = sorted({row["day"] for row in daily})[number :: len(scenario.runs)]
        insert(connection, "audit.materialisation", [
            {"table_name": "core.emission", "partition_key": str(day), "rows_n": 10, "calc_run_id": run,
             "computed_at": known}
            for day in days
        ])  # fmt: skip
    if scenario.issues:
        _fill_issues(connection, known)


def _fill_issues(connection: duckdb.DuckDBPyConnection, known: datetime) -> None:
    insert(connection, "audit.finding", [
        {"check_id": f"c{number}", "severity": severity, "entity": f"host-{number}", "observed": "1", "expected": "2",
         "state": state, "first_seen": known, "last_seen": known}
        for number, (severity, state) in enumerate(
            [("major", "open"), ("minor", "open"), ("minor", "open"), ("critical", "closed")]
        )
    ])  # fmt: skip
    insert(connection, "raw.quarantine_file", [
        {"file_sha256": "a" * 64, "path": "p", "size_bytes": 3, "reason": "not_parquet", "detail": "d", "state": "open",
         "first_seen": known},
    ])  # fmt: skip
    insert(connection, "raw.quarantine_row", [
        {"file_sha256": "b" * 64, "row_number": number, "table_name": "power_sample", "written_ms": 1, "time_ms": 1,
         "reason": "out_of_range", "detail": "d", "row_json": "{}", "state": "open", "first_seen": known}
        for number in range(12)
    ])  # fmt: skip


Publish = Callable[[Scenario | None], Config]


@pytest.fixture
def publish_scenario(tmp_path: Path) -> Publish:
    """Write a published database of a scenario into a folder of its own."""
    made = iter(range(100))
    return lambda scenario: write_published(tmp_path / f"home-{next(made)}", scenario)

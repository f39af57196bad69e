"""The file drop: labels, clocks, steps, units, blanks, and errors that name the place."""

from __future__ import annotations

import gzip
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pipelines.feeds.drop import Drop, read_drop
from pipelines.feeds.drop_description import G_PER_KWH_OF, described
from pipelines.feeds.feed import FeedError
from pipelines.feeds.stamps import iso_of
from tests.support.feed_server import HOUR_MS, millis
from tests.support.hostile import mutants

NOW_MS = millis("2026-01-01T00:00:00Z")
EXAMPLES = Path(__file__).resolve().parents[4] / "examples" / "feeds"
INTENSITY: dict[str, Any] = {
    "provider": "somebody",
    "licence": "own",
    "format": "csv",
    "zone": "DE",
    "kind": "average",
    "flow": "consumption",
    "is_estimate": False,
    "blank": "no_value",
    "time": {"column": "when", "format": "iso", "zone": "UTC", "label": "start", "step_s": 3600},
    "intensity": {"column": "rate", "unit": "g/kWh", "basis": "lifecycle", "factor_set": "own_2025"},
}
GENERATION = {key: value for key, value in INTENSITY.items() if key != "intensity"} | {
    "flow": "production",
    "generation": {
        "system": "fuel",
        "unit": "MWh",
        "factor_sets": ["eia_published"],
        "columns": {"coal_mwh": "coal", "gas_mwh": "gas"},
    },
}


def changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a description with changes; a name with two underscores goes into a table, None takes a key away."""
    found = deepcopy(base)
    for name, value in changes.items():
        table, _, key = name.rpartition("__")
        target = found[table] if table else found
        if value is None:
            del target[key]
        else:
            target[key] = value
    return found


@pytest.fixture
def drop(tmp_path: Path) -> Any:
    def read(text: str, description: dict[str, Any], name: str = "data.csv") -> Drop:
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return read_drop(path, description, now_ms=NOW_MS)

    return read


def starts(found: Drop) -> list[str]:

    return [iso_of(value.start_ms)[:16] for value in found.values]


def test_a_row_becomes_a_value_with_its_file_kept(drop: Any) -> None:
    found = drop("when,rate\n2025-01-01T00:00Z,300\n", INTENSITY, "data.csv.gz")
    value = found.values[0]
    assert (value.zone, value.gco2e_per_kwh, value.factor_set, value.is_estimate) == ("DE", 300, "own_2025", False)
    assert (value.start_ms, value.end_ms) == (millis("2025-01-01T00:00:00Z"), millis("2025-01-01T01:00:00Z"))
    assert found.bodies[0].url == "file:data.csv.gz"
    assert gzip.decompress(found.bodies[0].body).startswith(b"when")


@pytest.mark.parametrize(
    ("unit", "stated", "grams"),
    [("g/kWh", 394.625, 394.625), ("kg/kWh", 0.4, 400), ("kg/MWh", 400, 400), ("t/MWh", 0.4, 400)],
)
def test_units_are_converted(drop: Any, unit: str, stated: float, grams: float) -> None:
    found = drop(f"when,rate\n2025-01-01T00:00Z,{stated}\n", changed(INTENSITY, intensity__unit=unit))
    assert found.values[0].gco2e_per_kwh == pytest.approx(grams, rel=1e-12)


def test_a_pound_is_453_59237_grams(drop: Any) -> None:
    # 870 lb/MWh x 453.59237 g/lb / 1000 kWh/MWh = 394.6253619 g/kWh
    found = drop("when,rate\n2025-01-01T00:00Z,870\n", changed(INTENSITY, intensity__unit="lb/MWh"))
    assert found.values[0].gco2e_per_kwh == pytest.approx(394.6253619, abs=1e-9)
    assert set(G_PER_KWH_OF) == {"g/kWh", "kg/kWh", "kg/MWh", "t/MWh", "lb/MWh"}


def test_a_label_may_be_the_end(drop: Any) -> None:
    found = drop("when,rate\n2025-01-01T01:00Z,300\n", changed(INTENSITY, time__label="end"))
    assert starts(found) == ["2025-01-01T00:00"]


BERLIN = {"time__zone": "Europe/Berlin", "time__fold": "in_order"}


def test_the_hour_that_the_clock_shows_twice_is_two_hours_and_the_day_has_25(drop: Any) -> None:
    labels = [f"2025-10-26T{hour:02}:00" for hour in (0, 1, 2, 2, *range(3, 24))]
    found = drop("when,rate\n" + "".join(f"{one},{n}\n" for n, one in enumerate(labels)), changed(INTENSITY, **BERLIN))
    assert (len(found.values), found.refusals, found.gaps) == (25, (), ())
    # 02:00 summer time is 00:00 UTC, 02:00 winter time 01:00 UTC
    assert starts(found)[2:4] == ["2025-10-26T00:00", "2025-10-26T01:00"]


def test_the_hour_that_the_clock_skips_is_refused_and_the_day_has_23(drop: Any) -> None:
    text = "when,rate\n" + "".join(f"2025-03-30T{hour:02}:00,5\n" for hour in range(24))
    found = drop(text, changed(INTENSITY, **BERLIN))
    assert (len(found.values), found.gaps) == (23, ())
    assert [(refusal.reason, refusal.values_n) for refusal in found.refusals] == [("bad_time", 1)]
    assert "line 4, column when" in found.refusals[0].detail
    assert "skips it" in found.refusals[0].detail


def test_an_hour_shown_twice_can_be_refused(drop: Any) -> None:
    found = drop(
        "when,rate\n2025-10-26T02:00,5\n2025-10-26T03:00,5\n", changed(INTENSITY, **BERLIN | {"time__fold": "refuse"})
    )
    assert starts(found) == ["2025-10-26T02:00"]


@pytest.mark.parametrize(
    ("zone", "form", "label"),
    [
        ("+05:30", "iso", "2025-01-01T05:30"),
        ("UTC", "%d/%m/%Y %H:%M", "01/01/2025 00:00"),
        ("UTC", "epoch_s", "1735689600"),
        ("UTC", "epoch_ms", "1735689600000"),
        ("Europe/Berlin", "%Y-%m-%dT%H:%M%z", "2025-01-01T01:00+0100"),
        ("UTC", "iso", "2025-01-01T01:00+01:00"),
    ],
)
def test_times_of_every_form(drop: Any, zone: str, form: str, label: str) -> None:
    fold = "refuse" if "/" in zone else None
    description = changed(INTENSITY, time__zone=zone, time__format=form, **({"time__fold": fold} if fold else {}))
    found = drop(f"when,rate\n{label},300\n", description)
    assert starts(found) == ["2025-01-01T00:00"]


NEXT = {"time__step_s": "next_row", "time__steps_s": [900, 1800]}


def test_rows_may_last_until_the_next_one_and_the_change_is_reported(drop: Any) -> None:
    text = "when,rate\n" + "".join(f"2025-01-01T{at}Z,5\n" for at in ("00:00", "00:30", "01:00", "01:15", "01:30"))
    found = drop(text, changed(INTENSITY, **NEXT, time__last_step_s=900))
    assert [(value.end_ms - value.start_ms) // 60_000 for value in found.values] == [30, 30, 15, 15, 15]
    change = found.step_changes[0]
    assert (change.at_ms, change.before_s, change.after_s) == (millis("2025-01-01T01:00:00Z"), 1800, 900)


def test_a_row_before_a_hole_keeps_its_step_and_the_last_row_needs_one(drop: Any) -> None:
    text = "when,rate\n" + "".join(f"2025-01-01T{at}Z,5\n" for at in ("00:00", "00:15", "04:00", "04:15"))
    found = drop(text, changed(INTENSITY, **NEXT))
    assert [(gap.end_ms - gap.start_ms) // 60_000 for gap in found.gaps] == [210]
    assert (len(found.values), found.refusals[0].reason) == (3, "bad_interval")
    assert "no last_step_s" in found.refusals[0].detail


def test_blanks_are_refused_and_leave_a_gap(drop: Any) -> None:
    text = "when,rate\n2025-01-01T00:00Z,5\n2025-01-01T01:00Z,\n2025-01-01T02:00Z,7\n2025-01-01T03:00Z,NA\n"
    found = drop(text, changed(INTENSITY, blank_texts=["", "NA"]))
    assert [(refusal.reason, refusal.values_n) for refusal in found.refusals] == [("no_value", 2)]
    assert [(gap.start_ms, gap.end_ms) for gap in found.gaps] == [
        (millis(f"2025-01-01T0{hour}:00:00Z"), millis(f"2025-01-01T0{hour + 1}:00:00Z")) for hour in (1, 3)
    ]


@pytest.mark.parametrize("cell", ["nan", "inf", "-1", "3001", "1_000", "0x1", "1,5", "five", "1e99"])
def test_a_cell_that_is_no_intensity_is_refused(drop: Any, cell: str) -> None:
    found = drop(f'when,rate\n2025-01-01T00:00Z,"{cell}"\n', INTENSITY)
    assert not found.values
    assert found.refusals[0].reason == "bad_value"


def test_flags_and_times_of_change_come_from_their_columns(drop: Any) -> None:
    description = changed(INTENSITY, is_estimate=None, estimated_column="guess", updated_column="changed")
    text = "when,rate,guess,changed\n2025-01-01T00:00Z,5,Yes,2025-02-01T00:00Z\n2025-01-01T01:00Z,5,0,\n"
    found = drop(text + "2025-01-01T02:00Z,5,maybe,\n", description)
    assert [(value.is_estimate, value.updated_ms) for value in found.values] == [
        (True, millis("2025-02-01T00:00:00Z")),
        (False, None),
    ]
    assert "column guess: one of true" in found.refusals[0].detail


def test_two_numbers_for_one_hour_are_both_refused(drop: Any) -> None:
    found = drop("when,rate\n2025-01-01T00:00Z,5\n2025-01-01T00:00Z,6\n", INTENSITY)
    assert (found.values, found.refusals[0].reason) == ((), "conflicting")


def test_zones_may_stand_in_a_column_and_namibia_is_one(drop: Any) -> None:
    description = changed(INTENSITY, zone=None, zone_column="zone")
    found = drop("zone,when,rate\nNA,2025-01-01T00:00Z,60\nFR,2025-01-01T00:00Z,50\n", description)
    assert {(value.zone, value.gco2e_per_kwh) for value in found.values} == {("NA", 60), ("FR", 50)}


def test_generation_becomes_an_intensity_and_json_lines_are_read(drop: Any) -> None:
    lines = '{"when": "2025-01-01T00:00Z", "coal_mwh": 100, "gas_mwh": 300}\n'
    lines += '{"when": "2025-01-01T01:00Z", "coal_mwh": null, "gas_mwh": 300}\n'
    found = drop(lines, changed(GENERATION, format="jsonl"), "data.jsonl")
    # (100 x 820 + 300 x 490) / 400 = 572.5
    assert [value.gco2e_per_kwh for value in found.values] == [pytest.approx(572.5)]
    assert "no value of coal" in found.refusals[0].detail


def test_a_blank_is_zero_only_where_the_description_says_so(drop: Any) -> None:
    text = "when,coal_mwh,gas_mwh\n2025-01-01T00:00Z,,300\n"
    assert not drop(text, GENERATION).values
    assert drop(text, changed(GENERATION, blank="zero")).values[0].gco2e_per_kwh == 490


def test_a_column_that_nobody_speaks_of_is_refused(drop: Any) -> None:
    with pytest.raises(FeedError, match=r"data\.csv: description does not speak of the column 'oil_mwh'"):
        drop("when,coal_mwh,gas_mwh,oil_mwh\n2025-01-01T00:00Z,1,1,1\n", GENERATION)


@pytest.mark.parametrize(
    ("text", "reason", "complaint"),
    [
        ("when,rate\n2025-01-01T00:00Z,1,2\n", "unknown_shape", r"data.csv, line 2: 2 cells are needed, found 3"),
        ("when,when\n", "unknown_shape", "data.csv, line 1: every column needs a name of its own"),
        ("when\n2025-01-01T00:00Z\n", "unknown_shape", "names the column 'rate', the file has 'when'"),
        ("when,rate\n", "not_the_format", "there is no row in it"),
        ("", "unknown_shape", "every column needs a name"),
        ("when,rate\n2025-01-01T00:00Z,38", "truncated", r"data.csv, line 2: the last line has no end"),
        ('when,rate\n"2025\n', "not_the_format", "no CSV that we read"),
    ],
)
def test_a_file_of_another_shape_is_refused_with_its_place(drop: Any, text: str, reason: str, complaint: str) -> None:
    with pytest.raises(FeedError, match=complaint) as raised:
        drop(text, INTENSITY)
    assert raised.value.reason == reason


def test_bytes_that_are_no_text_or_no_gzip_are_refused(tmp_path: Path) -> None:
    for name, body, complaint in (
        ("a.csv", b"when,rate\nx,\xff\n", "a.csv, line 2: UTF-8 is needed"),
        ("a.csv.gz", b"when,rate\n", "a.csv.gz is no whole gzip file"),
        ("b.csv.gz", gzip.compress(b"when,rate\n" * 99)[:-9], "b.csv.gz is no whole gzip file"),
    ):
        (tmp_path / name).write_bytes(body)
        with pytest.raises(FeedError, match=complaint):
            read_drop(tmp_path / name, INTENSITY, now_ms=NOW_MS)
    with pytest.raises(FeedError, match=r"none\.csv cannot be read") as raised:
        read_drop(tmp_path / "none.csv", INTENSITY, now_ms=NOW_MS)
    assert raised.value.reason == "not_found"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"kind": "mean"}, "description, kind: one of average, marginal, residual is needed, found 'mean'"),
        ({"licence": None}, "description, licence: a text is needed, found nothing"),
        ({"blank": "zero"}, "a blank intensity is never zero"),
        ({"is_estimated": False}, "there is no key 'is_estimated' here"),
        ({"time__zone": "Mars/Olympus", "time__fold": "refuse"}, "an IANA zone is needed, found 'Mars/Olympus'"),
        ({"time__zone": "Europe/Berlin"}, r"\[time\], fold: one of in_order, refuse is needed, found nothing"),
        ({"time__step_s": True}, "step_s: a whole number is needed, found True"),
        ({"time__step_s": 0}, "a length in whole seconds"),
        ({"time__step_s": "next_row"}, "steps_s"),
        ({"intensity__unit": "oz/kWh"}, "unit: one of g/kWh, kg/kWh, kg/MWh, t/MWh, lb/MWh is needed, found 'oz/kWh'"),
        ({"generation": {}}, r"one of \[intensity\] and \[generation\] and no other"),
        ({"format": "xlsx"}, "one of csv, jsonl, answer is needed, found 'xlsx'"),
        ({"zone": "Germany"}, "zone: a zone of models/data/zone.csv is needed, found 'Germany'"),
        ({"as_of": "yesterday"}, "as_of: a time such as"),
    ],
)
def test_a_wrong_description_is_refused_with_key_value_and_what_is_allowed(
    drop: Any, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(FeedError, match=complaint):
        drop("when,rate\n2025-01-01T00:00Z,1\n", changed(INTENSITY, **changes))


def test_a_code_of_a_fuel_that_does_not_exist_is_refused(drop: Any) -> None:
    description = changed(GENERATION, generation__columns={"coal_mwh": "coal", "gas_mwh": "natural gas"})
    with pytest.raises(FeedError, match=r"\[generation.columns\], gas_mwh: one of .*coal.* found 'natural gas'"):
        drop("when,coal_mwh,gas_mwh\n2025-01-01T00:00Z,1,1\n", description)


def test_a_saved_answer_is_read_by_its_own_client_as_of_its_time(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    row = '{"from": "2023-03-14T13:30Z", "to": "2023-03-14T14:00Z", '
    row += '"intensity": {"forecast": 9, "actual": 110, "index": "low"}}'
    path.write_text(f'{{"data": [{row}]}}', encoding="utf-8")
    found = read_drop(path, EXAMPLES / "neso_2023-03-14.toml")
    assert [(value.end_ms, value.gco2e_per_kwh) for value in found.values] == [(millis("2023-03-14T14:00:00Z"), 110)]
    assert found.as_of_ms == found.bodies[0].fetched_ms == millis("2023-03-14T14:01:00Z")
    # The other 23.5 hours that were asked for have no value.
    assert [(gap.end_ms - gap.start_ms) / HOUR_MS for gap in found.gaps] == [23.5]


def test_every_example_description_is_sound() -> None:
    names = sorted(path.name for path in EXAMPLES.glob("*.toml"))
    assert len(names) == 7
    for name in names:
        assert described(EXAMPLES / name).provider


def test_a_hostile_file_gives_no_wrong_value_and_no_crash(tmp_path: Path) -> None:
    hours = range(6)
    right = {millis(f"2025-01-01T0{hour}:00:00Z"): 100.0 + 37 * hour for hour in hours}
    rows = [f"2025-01-01T0{hour}:00:00Z,{100 + 37 * hour}" for hour in hours]
    sound = ("when,rate\n" + "\n".join(rows) + "\n").encode()
    problems, reasons = [], set()
    made = mutants("csv", sound)
    for number, mutant in enumerate(made):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(mutant.body)
        try:
            found = read_drop(path, INTENSITY, now_ms=NOW_MS)
        except FeedError as error:
            reasons.add(error.reason)
            continue
        except Exception as error:  # noqa: BLE001 - all of them are told at once
            problems.append(f"{mutant.name}: {type(error).__name__} {error}")
            continue
        reasons |= {refusal.reason for refusal in found.refusals}
        rows_read = {(value.start_ms, value.end_ms - value.start_ms, value.gco2e_per_kwh) for value in found.values}
        wrong = rows_read - {(at_ms, HOUR_MS, number) for at_ms, number in right.items()}
        problems += [f"{mutant.name}: {iso_of(at_ms)} {number}" for at_ms, _, number in wrong]
        if len(found.values) < len(right) and not found.refusals and not found.gaps and not mutant.leaves_gap:
            problems.append(f"{mutant.name}: values are missing and nobody says why")
    assert not problems, "\n".join(problems)
    assert len(made) >= 100
    assert {"not_the_format", "unknown_shape", "bad_time", "bad_value"} <= reasons


def test_the_worked_example_of_the_page_gives_what_the_page_says(tmp_path: Path) -> None:
    text = (EXAMPLES.parents[1] / "docs" / "feeds" / "file-drop.md").read_text("utf-8")
    for form, name in (("csv", "data.csv"), ("toml", "data.toml")):
        (tmp_path / name).write_text(text.partition(f"```{form}\n")[2].partition("```")[0], encoding="utf-8")
    found = read_drop(tmp_path / "data.csv", tmp_path / "data.toml", now_ms=NOW_MS)
    assert starts(found) == ["2025-10-25T23:00", "2025-10-26T00:00", "2025-10-26T01:00"]
    assert found.values[0].gco2e_per_kwh == pytest.approx(572.5)
    assert [refusal.reason for refusal in found.refusals] == ["no_value"]
    assert [(iso_of(gap.start_ms)[11:16], iso_of(gap.end_ms)[11:16]) for gap in found.gaps] == [("02:00", "03:00")]

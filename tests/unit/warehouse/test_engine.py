"""What is to do is done once, in order, and survives a crash between any two steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.homes import write_config
from tests.support.landed import job_event, landed_bytes, landed_name, put, sample
from tests.support.worlds import EVENING_MS, World, all_hashes, differing, make_home
from warehouse import engine, transform
from warehouse.config import Config
from warehouse.engine import RunReport, begin, compute_pending, note_days, pending, run_all
from warehouse.ingest import ingest_landing
from warehouse.lake import Lake, LakeError, open_lake
from warehouse.rerun import partitions_of, run_table

DAYS = ["2025-03-03", "2025-03-04"]
HOUR_MS = 3_600_000


def _land(config: Config, hours: list[int], name: str = "w", **changes: object) -> None:
    for hour in hours:
        start = EVENING_MS + hour * HOUR_MS
        rows = [sample(start + second * 10_000, **changes) for second in range(30)]
        content = landed_bytes("power_sample", rows, written_ms=start)
        put(config.landing_path, landed_name("power_sample", start, name), content)


def test_days_come_before_months_and_months_before_the_whole(lake: Lake) -> None:
    note_days(lake, ["*", "2025-03", "2025-03-04", "2024-12", "2025-03-03"], "test")
    assert pending(lake) == [*DAYS, "2024-12", "2025-03", "*"]


def test_a_run_leaves_nothing_to_do_and_a_second_does_nothing(lake: Lake) -> None:
    _land(lake.config, [0, 4])
    report = run_all(lake)
    assert report.days == DAYS
    assert report.months == ["2025-03"]
    assert pending(lake) == []
    assert run_all(lake).computed == {}


def test_one_new_file_computes_its_day_only(lake: Lake) -> None:
    _land(lake.config, [0, 6])
    run_all(lake)
    _land(lake.config, [7], "late", device="GPU-1")
    assert run_all(lake).days == ["2025-03-04"]


def test_a_range_leaves_the_rest_to_do(lake: Lake) -> None:
    _land(lake.config, [0, 6])
    assert run_all(lake, from_day="2025-03-04").days == ["2025-03-04"]
    assert pending(lake) == ["2025-03-03"]
    assert run_all(lake, to_day="2025-03-03").days == ["2025-03-03"]


def test_force_computes_what_nothing_touched(lake: Lake) -> None:
    _land(lake.config, [0, 6])
    run_all(lake)
    before = all_hashes(lake)
    assert run_all(lake, force=True, to_day="2025-03-03").days == ["2025-03-03"]
    assert differing(before, all_hashes(lake)) == {}


def test_another_configuration_and_back_again(config: Config) -> None:
    """Going back must compute again, although that calculation is known: this once failed."""
    _land(config, [0])
    with open_lake(config) as lake:
        first = run_all(lake).calc_run_id
        before = all_hashes(lake)
    with open_lake(write_config(config.home, accounting={"slot_minutes": 15})) as lake:
        assert run_all(lake).days == ["2025-03-03"]
        assert differing(before, all_hashes(lake)) != {}
    with open_lake(write_config(config.home)) as lake:
        report = run_all(lake)
        assert (report.calc_run_id, report.days) == (first, ["2025-03-03"])
        assert differing(before, all_hashes(lake)) == {}


def test_a_crash_right_after_the_calculation_was_noted(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    _land(config, [0])
    with open_lake(config) as lake:
        run_all(lake)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    changed = write_config(config.home, accounting={"slot_minutes": 15})
    with open_lake(changed) as lake:
        monkeypatch.setattr(engine, "_note_recalculation", killed)
        with pytest.raises(KeyboardInterrupt):
            begin(lake)
        monkeypatch.undo()
        assert run_all(lake).days == ["2025-03-03"]


def test_a_day_that_fails_keeps_its_old_figures_and_its_note(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    _land(lake.config, [0])
    run_all(lake)
    before = all_hashes(lake, ("core", "mart"))
    _land(lake.config, [1], "late")

    def failing(*_: object) -> None:
        raise transform.ConservationError

    monkeypatch.setattr(transform, "check_conservation", failing)
    with pytest.raises(transform.ConservationError):
        run_all(lake)
    assert differing(before, all_hashes(lake, ("core", "mart"))) == {}
    assert pending(lake) == ["2025-03-03"]
    monkeypatch.undo()
    assert run_all(lake).days == ["2025-03-03"]


def test_a_file_that_lands_while_its_day_is_computed_is_not_forgotten(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process takes a job in before the day's transaction begins, after the day was chosen."""
    _land(config, [0])
    jobs = [job_event(EVENING_MS, "j", "started"), job_event(EVENING_MS + 200_000, "j", "ended")]
    content = landed_bytes("job_event", jobs, written_ms=EVENING_MS)
    with open_lake(config) as one, open_lake(config) as other:
        run = begin(one)
        ingest_landing(one)
        real = Lake.transaction

        def overtaken(lake: Lake, work: object) -> object:
            if lake is one:
                monkeypatch.undo()
                put(config.landing_path, landed_name("job_event", EVENING_MS, "w"), content)
                ingest_landing(other)
            return real(lake, work)

        monkeypatch.setattr(Lake, "transaction", overtaken)
        compute_pending(one, run, RunReport())
        compute_pending(one, run, RunReport())
        assert one.rows("select job_id from core.job") == [("j",)]
        assert pending(one) == []


def test_one_table_alone_comes_out_the_same(lake: Lake) -> None:
    _land(lake.config, [0])
    run_all(lake)
    before = all_hashes(lake)
    for name in transform.COMPUTED:
        run_table(lake, name, partitions_of(lake, name))
    assert differing(before, all_hashes(lake)) == {}
    with pytest.raises(ValueError, match=r"core\.device_energy"):
        partitions_of(lake, "core.nothing")


def test_a_lake_of_another_version_says_what_to_do(lake: Lake) -> None:
    change = "ALTER TABLE lake.core.energy_segment ADD COLUMN in_total BOOLEAN"
    lake.transaction(lambda connection: connection.execute(change))
    with pytest.raises(LakeError, match=r"core\.energy_segment: .*in_total.*wattledger repair"):
        run_all(lake)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [61])
def test_forcing_everything_finds_nothing_that_a_touched_day_missed(tmp_path: Path, seed: int) -> None:
    """Late files, one by one, against computing all days anew: the rule of the touched days forgets none."""
    world = World.small(seed, hours=4.0, start_ms=EVENING_MS + HOUR_MS)
    config = make_home(tmp_path / "home")
    with open_lake(config) as lake:
        order = world.shuffled(seed)
        world.land(config, order[:-4])
        run_all(lake)
        for position in order[-4:]:
            world.land(config, [position])
            run_all(lake)
        before = all_hashes(lake)
        run_all(lake, force=True)
        assert differing(before, all_hashes(lake)) == {}

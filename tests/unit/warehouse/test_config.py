"""What wattledger.toml may say, and what the message says when it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.homes import write_config
from warehouse.config import ConfigError, load_config

LEAST = '[organisation]\nname = "Example"\n[landing]\npath = "landing"\n'


def _write(folder: Path, text: str) -> Path:
    file = folder / "wattledger.toml"
    file.write_text(text)
    return file


def test_the_least_configuration_assumes_no_place(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, LEAST))
    assert config.facility == []
    assert config.landing_path == tmp_path / "landing"
    assert config.catalog_dsn == f"sqlite:{tmp_path / 'lake.sqlite'}"
    assert config.lake_data == str(tmp_path / "lake")
    assert config.accounting.slot_minutes == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "organisation: Field required"),
        (LEAST + "[accounting]\nslot_minutes = 7", "accounting.slot_minutes"),
        (LEAST + "[accounting]\nslot_minutes = 0", "must divide 60"),
        (LEAST + "[accounting]\nmax_gap_s = -1", "accounting.max_gap_s"),
        (LEAST + "[accounting]\nidle = 'forget'", "accounting.idle"),
        (LEAST + "[accounting.counter_range_mj]\nralp = 262143328", "ralp: not a known interface"),
        (LEAST + "[accounting.max_gap_s_by_source]\nIPMI = 60", "IPMI: not a known interface"),
        (LEAST + "[accounting.max_power_w]\ncpus = 400", "cpus: not a known kind of device; known are gpu, cpu"),
        (LEAST + "[accounting.max_power_w]\nfacility = 1e12", "accounting.max_power_w.facility"),
        (LEAST + "[acounting]\nslot_minutes = 5", "acounting: Extra inputs are not permitted"),
        (LEAST + "[lake]\ncatalog = 'mysql:x'", "sqlite: (a file) or postgres:"),
        (LEAST + "[[facility]]\nid = 'a'\npue = 0.9", "facility.0.pue"),
        (LEAST + "[[facility]]\nid = 'a'\n[[facility]]\nid = 'a'", "facility ids must be unique; twice: a"),
        (LEAST + "[[hardware]]\nhosts = ['h']\naccelerator = 'H100'", "accelerator and accelerators_n go together"),
        (LEAST + "[ingest]\nmax_rejected_fraction = 1.5", "ingest.max_rejected_fraction"),
        ("[organisation\n", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = _write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert says in str(caught.value)
    assert str(file) in str(caught.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wattledger init"):
        load_config(tmp_path / "none.toml")


def test_the_home_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, LEAST)
    monkeypatch.setenv("WATTLEDGER_HOME", str(tmp_path))
    assert load_config().home == tmp_path


def test_only_what_can_change_a_figure_changes_the_hash(tmp_path: Path) -> None:
    one = write_config(tmp_path, ingest={"max_rows": 10})
    two = write_config(tmp_path, ingest={"max_rows": 20})
    three = write_config(tmp_path, accounting={"slot_minutes": 15})
    assert one.accounting_sha256 == two.accounting_sha256
    assert one.accounting_sha256 != three.accounting_sha256


def test_an_s3_folder_is_left_as_it_is(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, LEAST + "[lake]\ndata = 's3://bucket/prefix'\ncatalog = 'postgres:dbname=x'"))
    assert config.lake_data == "s3://bucket/prefix"
    assert config.catalog_dsn == "postgres:dbname=x"

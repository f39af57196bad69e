"""Names of landed files: those of a collector pass, every other is refused before the file is opened."""

from __future__ import annotations

import pytest

from collectors.landing.reader import FileReason, UnreadableFile, landed_name_problem, read_landed


@pytest.mark.parametrize(
    "path",
    [
        "power_sample/date=2026-11-22/hour=00/w-000001.parquet",
        "job_event/date=2026-01-31/hour=23/0a1b2c3d4e5f-01234567-000001.parquet",
    ],
)
def test_a_collectors_path_has_no_problem(path):
    assert landed_name_problem(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "",
        "w.parquet",
        "power_sample/date=2026-11-22/w.parquet",
        "/power_sample/date=2026-11-22/hour=00/w.parquet",
        "power_samples/date=2026-11-22/hour=00/w.parquet",
        "power_sample/date=2026-13-22/hour=00/w.parquet",
        "power_sample/date=2026-1-2/hour=00/w.parquet",
        "power_sample/date=2026-11-22/hour=24/w.parquet",
        "power_sample/date=2026-11-22/hour=0/w.parquet",
        "power_sample/date=2026-11-22/hour=00/.w.parquet",
        "power_sample/date=2026-11-22/hour=00/..",
        "power_sample/date=2026-11-22/hour=00/w.parquet\n",
        "power_sample/date=2026-11-22\n/hour=00/w.parquet",
        "power_sample/date=2026-11-22/hour=00/W.parquet",
        "power_sample/date=2026-11-22/hour=00/a b.parquet",
        "power_sample/date=2026-11-22/hour=00/a'b.parquet",
        "power_sample/date=2026-11-22/hour=00/=cmd.parquet",
        "power_sample/date=2026-11-22/hour=00/w.parquet.tmp",
        "../power_sample/date=2026-11-22/hour=00/w.parquet",
        "power_sample/date=２０２６-11-22/hour=00/w.parquet",
    ],
)
def test_any_other_path_has_a_problem(path):
    assert landed_name_problem(path)


def test_an_unsafe_name_in_landing_layout_is_refused_before_it_is_opened(tmp_path):
    folder = tmp_path / "power_sample" / "date=2026-11-22" / "hour=12"
    elsewhere = tmp_path / "other" / "date=2026-11-22" / "hour=12"
    for path, reason in (
        (folder / "$(rm).parquet", FileReason.UNSAFE_NAME),
        (elsewhere / "w.parquet", FileReason.UNKNOWN_TABLE),
    ):
        with pytest.raises(UnreadableFile) as caught:
            read_landed(path)
        assert caught.value.reason is reason

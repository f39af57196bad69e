"""Times are read with their zone, and never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.importers.errors import MappingError, Where, WrongTypeError
from collectors.importers.spec import TimeSpec
from collectors.importers.times import check_format, check_zone, to_epoch_ms

BERLIN = ZoneInfo("Europe/Berlin")


def read(texts: list[str | None], **spec: str) -> tuple[list[int | None], list[str | None]]:
    """Return the times and for every row the first reason why it was refused."""
    array, problems = to_epoch_ms(pa.array(texts, pa.string()), TimeSpec(**spec))  # type: ignore[arg-type]
    reasons = [next((p.reason for p in problems if p.mask[i].as_py()), None) for i in range(len(texts))]
    return array.to_pylist(), reasons


def ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


LOCAL = st.datetimes(datetime(2001, 1, 1), datetime(2037, 12, 31))  # noqa: DTZ001 - local times


@given(st.lists(LOCAL, min_size=1, max_size=10))
def test_local_times_agree_with_zoneinfo(moments: list[datetime]) -> None:
    got, reasons = read([str(moment) for moment in moments], zone="Europe/Berlin")
    for moment, value, reason in zip(moments, got, reasons, strict=True):
        folds = {moment.replace(tzinfo=BERLIN, fold=fold).astimezone(UTC) for fold in (0, 1)}
        if len(folds) == 1:
            assert (value, reason) == (ms(folds.pop()), None)
        else:
            exists = any(f.astimezone(BERLIN).replace(tzinfo=None) == moment for f in folds)
            assert (value, reason) == (None, "ambiguous_time" if exists else "nonexistent_time")


def test_changes_of_clock_are_refused_not_guessed() -> None:
    texts = ["2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-10-27 01:59:59.999", "2024-10-27 03:00:00"]
    got, reasons = read(texts, zone="Europe/Berlin")
    assert reasons == ["nonexistent_time", "ambiguous_time", None, None]
    assert got == [
        None,
        None,
        ms(datetime(2024, 10, 26, 23, 59, 59, 999000, UTC)),
        ms(datetime(2024, 10, 27, 2, tzinfo=UTC)),
    ]


def test_local_times_beyond_the_rules_of_the_zone_are_refused() -> None:
    # Arrow takes winter time for ever after 2037; 2038-07-01 in Berlin would be an hour wrong.
    assert read(["2038-07-01 00:00:00", "2037-07-01 00:00:00"], zone="Europe/Berlin")[1] == ["out_of_range", None]
    assert read(["2038-07-01 00:00:00"], zone="+02:00")[0] == read(["2038-06-30 22:00:00"], zone="UTC")[0]


def test_an_offset_in_the_text_outranks_the_declared_zone() -> None:
    got, _ = read(["2024-10-27T02:30:00+02:00", "2024-10-27T02:30:00Z", "2024-07-01T02:00:00"], zone="Europe/Berlin")
    hours = [
        datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        datetime(2024, 10, 27, 2, 30, tzinfo=UTC),
        datetime(2024, 7, 1, tzinfo=UTC),
    ]
    assert got == [ms(hour) for hour in hours]


def test_text_without_zone_is_refused_unless_one_is_declared() -> None:
    assert read(["2024-07-01T00:00:00", "2024-07-01T00:00:00Z"])[1] == ["unparseable_time", None]


@pytest.mark.parametrize(
    "text", ["2023-02-30 00:00:00", "2024-13-01", "noon", "2024-01-01 25:00:00", "12:00", "0001-01-01"]
)
def test_what_is_no_time(text: str) -> None:
    assert read([text, "2024-01-01 00:00:00"], zone="UTC") == ([None, 1_704_067_200_000], ["unparseable_time", None])


def test_parts_of_a_millisecond_are_cut_off() -> None:
    got, _ = read(["2023-11-16 18:59:59.9999999", "1969-12-31 23:59:59.9999999"], zone="UTC")
    assert got == [ms(datetime(2023, 11, 16, 18, 59, 59, 999000, UTC)), -1]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d.%m.%Y %H:%M:%S", "3.7.2024 04:05:06"),
        ("%Y%m%d%H%M%S", "20240703040506"),
        ("%d %b %Y %I:%M:%S %p", "03 Jul 2024 04:05:06 AM"),
        ("%Y-%m-%d %H:%M:%S.%f", "2024-07-03 04:05:06.000"),
    ],
)
def test_formats(form: str, text: str) -> None:
    expected = ms(datetime(2024, 7, 3, 4, 5, 6, tzinfo=UTC))
    assert read([text, None, "?"], format=form, zone="UTC") == (
        [expected, None, None],
        [None, None, "unparseable_time"],
    )


def test_format_with_an_offset() -> None:
    assert read(["2024-07-03 04:05:06 +0200"], format="%Y-%m-%d %H:%M:%S %z")[0] == [
        ms(datetime(2024, 7, 3, 2, 5, 6, tzinfo=UTC))
    ]


@pytest.mark.parametrize(("unit", "number"), [("s", 1.5), ("ms", 1500), ("us", 1_500_999), ("ns", 1_500_000_001)])
def test_numbers_count_from_the_epoch(unit: str, number: float) -> None:
    array, _ = to_epoch_ms(pa.array([number]), TimeSpec(unit=unit))
    assert array.to_pylist() == [1500]


def test_numbers_count_from_a_declared_epoch() -> None:
    array, _ = to_epoch_ms(pa.array(["10"]), TimeSpec(unit="s", epoch_ms=1_000))
    assert array.to_pylist() == [11_000]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_timestamps(unit: str) -> None:
    moment = datetime(2024, 7, 1, 12, tzinfo=UTC)
    aware = pa.array([moment], pa.timestamp(unit, "America/New_York"))
    assert to_epoch_ms(aware, TimeSpec())[0].to_pylist() == [ms(moment)]
    naive = pa.array([moment.replace(tzinfo=None)], pa.timestamp(unit))
    assert to_epoch_ms(naive, TimeSpec(zone="Asia/Shanghai"))[0].to_pylist() == [ms(moment) - 8 * 3_600_000]
    with pytest.raises(WrongTypeError, match="without a zone; declare one"):
        to_epoch_ms(naive, TimeSpec())


def test_a_number_where_a_text_is_expected_is_a_wrong_type() -> None:
    with pytest.raises(WrongTypeError, match=r'holds int64, not texts; for numbers say time = \{ unit = "ms" \}'):
        to_epoch_ms(pa.array([1]), TimeSpec(zone="UTC"))


@pytest.mark.parametrize(
    ("form", "zone", "message"),
    [
        ("%d.%m.%Y", None, "has no zone; declare one"),
        ("%H:%M:%S", "UTC", "gives no date"),
        ("%Q", "UTC", "is no time format"),
    ],
)
def test_formats_that_cannot_work(form: str, zone: str | None, message: str) -> None:
    with pytest.raises(MappingError, match=message):
        check_format(Where("m"), form, zone)


def test_unknown_zone() -> None:
    check_zone(Where("m"), "+08:00")
    with pytest.raises(MappingError, match=r"unknown zone 'CEST'; use an IANA name such as Europe/Berlin"):
        check_zone(Where("m"), "CEST")

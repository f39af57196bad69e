"""Which readings make a row: whole minutes as far as readings allow, and nothing between two of them is divided."""

from __future__ import annotations

import itertools

import pytest

from collectors.work.counters import Step
from collectors.work.minutes import Minutes
from tests.support.work_servers import NOON_MS


def rows(readings_s, every_s=15.0, resets=()):
    minutes, found = Minutes(every_s), []
    for start, end in itertools.pairwise(readings_s):
        work = {("m", None): {"requests_n": round((end - start) * 10)}}
        step = Step(NOON_MS + round(start * 1000), NOON_MS + round(end * 1000), work, end in resets)
        found += minutes.add(step)
    found += minutes.close()
    return [((span.start_ms - NOON_MS) / 1000, (span.end_ms - NOON_MS) / 1000) for span in found]


@pytest.mark.parametrize(
    ("readings_s", "every_s", "expected"),
    [
        # On time, and with the delay of an answer.
        ([0, 15, 30, 45, 60, 75, 90, 105, 120], 15.0, [(0, 60), (60, 120)]),
        ([0.02, 15.3, 30.01, 45.2, 60.04, 75, 90, 105, 120.1], 15.0, [(0.02, 60.04), (60.04, 120.1)]),
        # A little early is on time.
        ([0, 15, 30, 45, 59.98, 75, 90, 105, 119.99], 15.0, [(0, 59.98), (59.98, 119.99)]),
        # The agent began in the middle of a minute.
        ([37, 45, 60, 75, 90], 15.0, [(37, 60), (60, 90)]),
        # One reading is missing at the whole minute: the nearest one, and of two as near the later.
        ([0, 15, 30, 45, 75, 90], 15.0, [(0, 75), (75, 90)]),
        ([0, 15, 30, 45, 90, 105, 120], 15.0, [(0, 45), (45, 90), (90, 120)]),
        # The server was down: what is before, the outage, what is after.
        ([0, 15, 30, 1800, 1815, 1830, 1845, 1860], 15.0, [(0, 30), (30, 1800), (1800, 1860)]),
        # Longer than a minute is a row of its own, also where the whole minute is nearer to its end.
        ([0, 10, 75, 90, 105, 120], 15.0, [(0, 10), (10, 75), (75, 120)]),
        # An interval that does not divide a minute, and one that is longer.
        ([0, 40, 80, 120, 160], 40.0, [(0, 40), (40, 120), (120, 160)]),
        ([0, 300, 600], 300.0, [(0, 300), (300, 600)]),
        ([0, 1, 59, 60, 61], 1.0, [(0, 60), (60, 61)]),
    ],
)
def test_rows_end_at_the_readings_nearest_to_whole_minutes(readings_s, every_s, expected):
    assert rows(readings_s, every_s) == expected


def test_a_restart_begins_a_row_of_its_own():
    assert rows([0, 15, 30, 45, 60], resets={30}) == [(0, 15), (15, 60)]


def test_an_open_row_goes_on_in_another_process():
    first, second = Minutes(15.0), Minutes(15.0)
    step = Step(NOON_MS, NOON_MS + 15_000, {(None, "2"): {"requests_n": 4}})
    assert first.add(step) == []
    second.resume(first.state())
    (span,) = second.close()
    assert (span.start_ms, span.end_ms, span.work) == tuple(step[:3])

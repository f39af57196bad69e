"""The page of reporting cases is up to date, and each verdict on it is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import factors
from models.products.case_page import FILE, NOT_HERE, Case, cases, page
from models.products.cases import ANSWERS
from models.table import FactorDataError, rows

ROOT = Path(__file__).resolve().parents[4]
ALL = cases()


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs/models/reporting-cases.md").read_text("utf-8") == page(), "run `make docs`"


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.case_id)
def test_each_case_is_reproduced_or_says_why_not(one: Case) -> None:
    if one.verdict == NOT_HERE:
        assert one.ours is None
    else:
        assert one.ours == pytest.approx(one.published, rel=one.rel_tol, abs=0)


def test_no_answer_is_without_a_case() -> None:
    assert set(ANSWERS) <= {one.case_id for one in ALL}
    assert len({one.case_id for one in ALL}) == len(ALL) == 29


def test_a_verdict_that_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "case_id,verdict,year,verified,source_id\nS01,not of this part,2025,secondary_text,llama3_1_card\n"
    monkeypatch.setattr(factors, "_rows", lambda _: rows(FILE, text))
    with pytest.raises(FactorDataError, match="line 2, column verdict: a case has an answer or is not of this part"):
        cases()


def test_a_printed_share_that_does_not_follow_from_its_parts_is_shown_as_such() -> None:
    # S01: 0.02 / 0.24 is 8.3 %, not 10 %; the printed 58 + 25 + 10 + 8 add up to 101 %.
    parts = {one.case_id: one for one in ALL}["S01"].inputs
    assert parts["idle_wh"] / sum(parts.values()) == pytest.approx(0.0833, abs=1e-4)
    assert 58 + 25 + 10 + 8 == 101

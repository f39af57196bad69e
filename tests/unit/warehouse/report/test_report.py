"""The report as a whole: its figures are those of SQL; it is harmless, repeatable, honest about estimates and gaps."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from warehouse.config import Config
from warehouse.publish import open_published
from warehouse.report import write_report

from .conftest import Scenario, write_published

Publish = Callable[[Scenario | None], Config]
HOSTILE = (
    '<script>alert("1")</script>',
    "x\"'><img src=http://evil.example/p.png onerror=alert(1)>",
    "\u202eevil\u202c \u05e9\u05dc\u05d5\u05dd",
    "{{ 7 * 7 }} \U0001f525 {% raw %}",
    '=HYPERLINK("http://evil.example","x")',
    "tab\tand\x01control",
)
ALL_UNKNOWN = Scenario(sites=("lab",), days=2, jobs_n=2)


class Page(HTMLParser):
    """The parts of a page that the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[int] = []
        self.data: dict[str, list[float]] = {}
        self.words: list[str] = []
        self._ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if values.get("id"):
            self._ids.append(str(values["id"]))
        if tag == "data":
            self.data.setdefault(self._ids[-1], []).append(float(str(values["value"])))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def visible(self) -> str:
        """Return all text, with white space joined."""
        return " ".join(" ".join(self.words).split())


def page_of(config: Config, generated_at: datetime | None = None) -> Page:
    return Page(write_report(config, generated_at).read_text(encoding="utf-8"))


def one(config: Config, sql: str) -> tuple[float, ...]:
    connection = open_published(config.published_path)
    try:
        row = connection.execute(sql).fetchone()
        assert row is not None
        return row
    finally:
        connection.close()


@pytest.fixture(scope="module")
def gapped(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """Four months in which some energy is estimated and one place has no factors, with its report."""
    scenario = Scenario(first=date(2025, 11, 1), months=4, estimated=True, missing=True)
    config = write_published(tmp_path_factory.mktemp("gapped") / "home", scenario)
    write_report(config)
    return config


@pytest.fixture(scope="module")
def gapped_page(gapped: Config) -> Page:
    """The page of that report."""
    return Page((gapped.report_path / "organisation.html").read_text(encoding="utf-8"))


def test_boxes_show_the_sums_of_the_monthly_mart(gapped: Config, gapped_page: Page) -> None:
    page = gapped_page
    it, estimated, low, total, high, location, embodied, training, inference = one(
        gapped,
        "SELECT sum(it_kwh), sum(estimated_kwh), sum(low_kgco2e), sum(total_kgco2e), sum(high_kgco2e), "
        "sum(location_kgco2e), sum(embodied_kgco2e), sum(it_kwh) FILTER (phase_group = 'training'), "
        "sum(it_kwh) FILTER (phase_group = 'inference') FROM mart.training_vs_inference_monthly",
    )
    assert page.data["box-energy"][0] == pytest.approx(it, rel=1e-12)
    assert page.data["box-emissions"] == pytest.approx([total, low, high], rel=1e-12)
    assert page.data["box-operational"][0] == pytest.approx(location, rel=1e-12)
    assert page.data["box-embodied"][0] == pytest.approx(embodied, rel=1e-12)
    assert page.data["box-measured"] == pytest.approx([1 - estimated / it, it - estimated, estimated], rel=1e-9)
    assert page.data["box-ratio"][0] == pytest.approx(training, rel=1e-12)
    assert f"{training / inference:.2f} : 1" in page.text


def test_table_of_the_months_equals_sql(publish_scenario: Publish) -> None:
    config = publish_scenario(Scenario(first=date(2025, 11, 1), months=3))
    connection = open_published(config.published_path)
    rows = connection.execute(
        "SELECT sum(it_kwh), sum(facility_kwh), sum(location_kgco2e), sum(embodied_kgco2e), sum(total_kgco2e), "
        "sum(low_kgco2e), sum(high_kgco2e), "
        "sum(it_kwh) FILTER (phase_group IN ('idle', 'unallocated')) / sum(it_kwh), "
        "sum(measured_s) / (sum(measured_s) + sum(gap_s)) "
        "FROM mart.training_vs_inference_monthly GROUP BY month ORDER BY month"
    ).fetchall()
    connection.close()
    assert page_of(config).data["table-months"] == pytest.approx([value for row in rows for value in row], rel=1e-9)


def test_csv_files_hold_the_rows_of_their_queries(gapped: Config) -> None:
    folder = gapped.report_path / "organisation"
    with (folder / "emissions_by_phase.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    (total,) = one(gapped, "SELECT sum(total_kgco2e) FROM mart.training_vs_inference_monthly")
    assert sum(float(row["total_kgco2e"]) for row in rows if row["total_kgco2e"]) == pytest.approx(total, rel=1e-9)
    (jobs,) = one(gapped, "SELECT sum(it_kwh) FROM (SELECT it_kwh FROM mart.job ORDER BY it_kwh DESC LIMIT 20)")
    with (folder / "top_jobs.csv").open(encoding="utf-8", newline="") as file:
        assert sum(float(row["it_kwh"]) for row in csv.DictReader(file)) == pytest.approx(jobs, rel=1e-9)


def test_components_of_all_phase_groups_add_up_to_the_total(gapped: Config) -> None:
    folder = gapped.report_path / "organisation"
    with (folder / "components.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    (total,) = one(gapped, "SELECT sum(total_kgco2e) FROM mart.training_vs_inference_monthly")
    assert sum(float(row["kgco2e"]) for row in rows if row["kgco2e"]) == pytest.approx(total, rel=1e-9)


def test_every_link_to_a_csv_file_leads_to_one(gapped: Config, gapped_page: Page) -> None:
    links = [
        str(attrs["href"]) for tag, attrs in gapped_page.tags if tag == "a" and str(attrs["href"]).endswith(".csv")
    ]
    assert len(links) >= 10
    assert all((gapped.report_path / link).is_file() for link in links)


def test_every_figure_and_table_says_how_it_was_made_and_shows_its_data(gapped_page: Page) -> None:
    page = gapped_page
    for block in re.findall(r"<figure.*?</figure>", page.text, re.DOTALL):
        for word in ("Boundary", "Method", "Factors", "Coverage", "Query", "report.", "<details>", 'role="img"'):
            assert word in block
    assert page.text.count("<figure") == 5
    queries = set(re.findall(r"<code>(report\.\w+)</code>", page.text))
    listed = set(re.findall(r'id="query-(report\.\w+)"', page.text))
    assert queries == listed


def test_page_loads_nothing_and_runs_nothing(gapped_page: Page) -> None:
    page = gapped_page
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert str(policy).startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert not {"script", "iframe", "object", "embed", "link", "img", "form", "base"} & {tag for tag, _ in page.tags}
    for tag, attrs in page.tags:
        assert not [name for name in attrs if name.startswith("on")], tag
        assert "src" not in attrs
        assert str(attrs.get("href", "#")).startswith(("#", "organisation/"))
    assert not re.search(r"url\((?!#)|@import", page.text)


def test_page_is_readable_without_eyes_and_mouse(gapped_page: Page) -> None:
    page = gapped_page
    assert ("html", {"lang": "en"}) in page.tags
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(page.headings))
    ids = [str(attrs["id"]) for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    anchors = {str(a["href"])[1:] for tag, a in page.tags if tag == "a" and str(a["href"]).startswith("#")}
    assert anchors <= set(ids)
    assert all(attrs.get("tabindex") == "0" for _, attrs in page.tags if attrs.get("role") == "region")
    assert all(attrs.get("aria-label") for tag, attrs in page.tags if tag == "svg")


def test_names_from_outside_are_harmless(publish_scenario: Publish) -> None:
    config = publish_scenario(Scenario(names=HOSTILE, jobs_n=12))
    named = config.organisation.model_copy(update={"name": HOSTILE[0]})
    path = write_report(config.model_copy(update={"organisation": named}))
    page = Page(path.read_text(encoding="utf-8"))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert '<script>alert("1")</script>' in page.visible
    assert "{{ 7 * 7 }}" in page.visible
    assert "\x01" not in page.text
    assert all(f"<bdi>{line}" in page.text for line in ("&lt;script&gt;", "\u202eevil"))
    folder = path.parent / "organisation"
    with (folder / "top_jobs.csv").open(encoding="utf-8", newline="") as file:
        names = [row["model"] for row in csv.DictReader(file)]
    assert any(name.startswith("'=HYPERLINK") for name in names)
    assert not any(name.startswith(("=", "+", "-", "@", "\t", "\r")) for name in names)


def test_a_hostile_phase_group_does_not_break_out_of_a_chart(publish_scenario: Publish) -> None:
    config = publish_scenario(Scenario(months=2))
    connection = duckdb.connect(str(config.published_path / "organisation.duckdb"))
    connection.execute(
        "UPDATE mart.training_vs_inference_monthly SET phase_group = $g WHERE phase_group = 'idle'", {"g": HOSTILE[1]}
    )
    connection.close()
    page = page_of(config)
    assert "img" not in {tag for tag, _ in page.tags}
    assert "onerror=alert(1)" in page.visible


@pytest.mark.parametrize("months", [1, 3])
def test_estimated_energy_is_said_wherever_it_stands(publish_scenario: Publish, months: int) -> None:
    page = page_of(publish_scenario(Scenario(months=months, estimated=True)))
    assert 'id="estimated"' in page.text
    for key in ("box-energy", "box-emissions", "box-operational", "box-ratio", "box-measured"):
        box = page.text[page.text.index(f'id="{key}"') :]
        assert "estimated</span>" in box[: box.index("<ul>")]
    for key in ("figure-emissions_by_phase", "figure-energy_by_phase", "figure-components"):
        figure = page.text[page.text.index(f'id="{key}"') :]
        figure = figure[: figure.index("</figure>")]
        assert "estimated</span>" in figure
        assert figure.count('fill="url(#') >= 2
        assert "</i>estimated" in figure
    months_table = page.text[page.text.index('id="table-months"') :]
    assert months_table[: months_table.index("</table>")].count("est.</span>") == 2 * months


def test_without_estimates_no_mark_stands_anywhere(publish_scenario: Publish) -> None:
    page = page_of(publish_scenario(Scenario(months=3)))
    body = page.text[page.text.index("<body>") :]
    assert 'id="estimated"' not in body
    assert 'class="mark"' not in body
    assert 'class="tag"' not in body
    assert "<pattern" not in body


def test_report_of_models_alone_says_that_all_is_estimated(publish_scenario: Publish) -> None:
    page = page_of(publish_scenario(Scenario(estimated=True, estimated_share=1.0, days=1)))
    assert "All energy in this report is estimated" in page.visible
    assert page.data["box-measured"][0] == 0.0


def test_what_is_not_known_is_never_zero(publish_scenario: Publish) -> None:
    config = publish_scenario(ALL_UNKNOWN)
    page = page_of(config)
    box = page.text[page.text.index('id="box-operational"') :]
    assert '<p class="value"><span class="unknown">not known</span></p>' in box[: box.index("</div>")]
    assert "facility energy: <span" in page.text
    (unlocated,) = one(config, "SELECT sum(unlocated_kwh) FROM mart.training_vs_inference_monthly")
    assert page.data["incomplete"] == pytest.approx([unlocated, unlocated])
    months = page.text[page.text.index('id="table-months"') :]
    assert months[: months.index("</table>")].count("not known") == 3
    with (config.report_path / "organisation" / "months.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert row["facility_kwh"] == row["location_kgco2e"] == row["market_kgco2e"] == ""


def test_a_job_without_a_reading_has_no_energy_and_not_zero(publish_scenario: Publish) -> None:
    config = publish_scenario(Scenario(missing=True, days=2, jobs_n=3))
    page = page_of(config)
    assert "For 1\u00a0attempt there is no reading" in page.text
    last = page.text[page.text.index('id="table-top_jobs"') :].partition("</tbody>")[0].split("<tr>")[-1]
    assert last.count('<span class="unknown">not known</span>') >= 1
    with (config.report_path / "organisation" / "top_jobs.csv").open(encoding="utf-8", newline="") as file:
        assert [row["it_kwh"] == "" for row in csv.DictReader(file)] == [False, False, True]


def test_a_total_that_leaves_something_out_is_marked(gapped_page: Page, publish_scenario: Publish) -> None:
    page = gapped_page
    assert 'id="incomplete"' in page.text
    assert 'class="tag part">incomplete' in page.text
    assert 'class="mark part">incomplete' in page.text
    whole = page_of(publish_scenario(Scenario()))
    assert 'id="incomplete"' not in whole.text
    assert ">incomplete<" not in whole.text


def test_same_data_give_the_same_bytes(publish_scenario: Publish) -> None:
    scenario = Scenario(months=2, estimated=True, missing=True)
    first, second = publish_scenario(scenario), publish_scenario(scenario)
    one_page, other = write_report(first), write_report(second)
    assert one_page.read_bytes() == other.read_bytes()
    files = sorted(path.name for path in one_page.with_suffix("").iterdir())
    assert files == sorted(path.name for path in other.with_suffix("").iterdir())
    for name in files:
        assert (one_page.with_suffix("") / name).read_bytes() == (other.with_suffix("") / name).read_bytes()


def test_only_the_stamp_differs(publish_scenario: Publish) -> None:
    config = publish_scenario(Scenario(days=3))
    bare = write_report(config).read_text(encoding="utf-8")
    stamped = write_report(config, datetime(2026, 4, 3, 7, 30, tzinfo=UTC)).read_text(encoding="utf-8")
    assert stamped.replace(", generated 2026-04-03 07:30 UTC", "") == bare
    with pytest.raises(ValueError, match="time zone"):
        write_report(config, datetime(2026, 4, 3))  # noqa: DTZ001 - a naive time is what is refused


def test_nothing_published_gives_a_page_that_says_what_to_do(tmp_path: Path, publish_scenario: Publish) -> None:
    never = Config(organisation={"name": "New"}, landing={"path": "landing"}, home=tmp_path / "new")  # type: ignore[arg-type]
    for config, words in ((never, "Nothing is published yet"), (publish_scenario(None), "holds no month")):
        page = page_of(config)
        assert words in page.visible
        for command in ("wattledger-collect probe", "wattledger-collect exec", "wattledger run", "wattledger report"):
            assert command in page.visible
        assert "<svg" not in page.text


def test_cover_names_the_calculation_the_program_and_the_state_of_the_data(gapped_page: Page) -> None:
    visible = gapped_page.visible
    for words in (
        "Example Research",
        "1 November 2025 \u2013 28 February 2026",
        "5f0c2a9be1d34c77",
        "wattledger 0.1.0",
        "9e107d9d372b",
        "2026-04-03 06:12 UTC, lake snapshot 417",
    ):
        assert words in visible


@pytest.mark.slow
def test_sixty_months_stay_below_a_megabyte(publish_scenario: Publish) -> None:
    config = publish_scenario(Scenario(first=date(2021, 4, 1), months=60, estimated=True))
    assert write_report(config).stat().st_size < 1_000_000

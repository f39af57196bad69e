"""`wattledger feeds` against a server: published cloud tables fetched, and no secret in anything that is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.feeds.cloud import github
from tests.support.cloud_tables import gsf_text, row
from tests.support.feed_server import Feeds, serving_feeds
from tests.support.homes import write_config
from tests.support.stub_http import Reply, Request, Stub, serving
from tests.unit.pipelines.cli.helpers import Run
from warehouse.config import Config

WRONG = "wr0ng/key+0f"
VARIABLES = ("ELECTRICITY_MAPS_TOKEN", "WATTTIME_PASSWORD", "EIA_API_KEY", "ENTSOE_API_TOKEN", "EMBER_API_KEY")
ZONES = {"electricity_maps": "DE", "watttime": "US-CAL-CISO", "eia": "US-CAL-CISO", "entsoe": "FI", "ember": "DE"}
COMMIT = "49f3f26bfd682305e8d9b572fea1f811900421a9"
DATED = json.dumps([{"sha": COMMIT, "commit": {"committer": {"date": "2025-12-03T21:32:17Z"}}}]).encode()
GOOGLE = f"/GoogleCloudPlatform/region-carbon-info/{COMMIT}/data/yearly/2019.csv"
TABLE = f"/Green-Software-Foundation/real-time-cloud/{COMMIT}/Cloud_Region_Metadata.csv"
ESTIMATES = TABLE.replace(".csv", "_estimate.csv")
HEAD = b"Google Cloud Region,Location,Google CFE,Lifecycle grid carbon intensity (gCO2eq / kWh)\n"


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    with serving_feeds() as found:
        yield found


@pytest.fixture
def github_stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with serving() as stub:
        monkeypatch.setattr(github, "API", f"{stub.url}/api")
        monkeypatch.setattr(github, "RAW", stub.url)
        yield stub


def answers(tables: dict[str, bytes]) -> object:
    """Return a service that has these files at one commit and no other."""

    def answer(request: Request) -> Reply:
        if request.path.startswith("/api/"):
            return Reply(DATED)
        return Reply(tables[request.path]) if request.path in tables else Reply(b"404: Not Found", 404)

    return answer


def test_published_cloud_tables_are_fetched_landed_and_told(home: Config, wattledger: Run, github_stub: Stub) -> None:
    # europe-west3 is Frankfurt: one figure each of CFE, intensity and PUE; the region "nowhere" is in no map of ours.
    tables = {
        GOOGLE: HEAD + b"europe-west3,Frankfurt,0.6,300\n",
        TABLE: gsf_text(
            row(2022, "gcp", "europe-west3", zone="DE", pue="1.1"), row(2022, "gcp", "nowhere", pue="1.1")
        ).encode(),
        ESTIMATES: gsf_text().encode(),
    }
    github_stub.answer = answers(tables)  # type: ignore[method-assign, assignment]
    output = wattledger("feeds", "cloud", "--fetch", code=3).output
    assert "3 figures taken, 1 refused" in output
    assert "REFUSED 1: unknown_region: Cloud_Region_Metadata.csv, line 3: " in output
    again = wattledger("feeds", "cloud", "--fetch", code=3).output
    assert again.splitlines()[0] == output.splitlines()[0]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({}, "not_found|2019.csv"),
        ({GOOGLE: b"<html>maintenance</html>", TABLE: b"x", ESTIMATES: b"x"}, "2019.csv"),
        ({GOOGLE: HEAD}, "Cloud_Region_Metadata.csv"),
    ],
    ids=["nothing", "a page", "no table"],
)
def test_cloud_tables_that_do_not_come_are_named_and_nothing_lands(
    home: Config, wattledger: Run, github_stub: Stub, tables: dict[str, bytes], said: str
) -> None:
    github_stub.answer = answers(tables)  # type: ignore[method-assign, assignment]
    output = wattledger("feeds", "cloud", "--fetch", code=1).output
    assert any(part in output for part in said.split("|"))
    assert "defect" not in output
    assert not list(home.landing_path.rglob("*.parquet"))


def test_no_command_says_a_secret_that_a_provider_refuses(
    home: Config, feeds: Feeds, wattledger: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, WRONG)
    monkeypatch.setenv("WATTTIME_USER", "somebody")
    since = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%d}"
    sections = [
        {"source": source, "zones": [zone], "since": since, "url": feeds.url(source)} for source, zone in ZONES.items()
    ]
    write_config(home.home, feed=sections)
    # As a proxy does that shows the whole request, and a service that speaks of the key that it does not know.
    feeds.fault = lambda request, _: Reply(f"{request!r} {WRONG}".encode(), 403)
    output = wattledger("feeds", "sync", code=1).output
    output += wattledger("feeds", "status").output
    output += wattledger("feeds", "sync", "--only", "eia", code=1).output
    for source in ZONES:
        assert f"FAILED {source} " in output, source
    assert "***" in output
    for form in (WRONG, "wr0ng%2Fkey%2B0f", "wr0ng/key%2B0f"):
        assert form not in output.replace("\n", "")

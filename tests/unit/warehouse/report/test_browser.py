"""The page in a real browser, without a network: it renders, and nothing is refused or reported."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from warehouse.config import Config
from warehouse.report import write_report

from .conftest import Scenario

Publish = Callable[[Scenario | None], Config]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # No name resolves and the only proxy does not answer: the page must not want either.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--enable-logging=stderr",
    "--v=0",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH"),
]


def dump(page: Path, profile: Path, width: int) -> tuple[str, list[str]]:
    """Return the page as the browser built it, and what it wrote to its console."""
    done = subprocess.run(
        [
            str(CHROMIUM),
            *OPTIONS,
            f"--user-data-dir={profile}",
            f"--window-size={width},2000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    console = [line for line in done.stderr.decode(errors="replace").splitlines() if "CONSOLE" in line]
    return done.stdout.decode(), console


@pytest.mark.parametrize("width", [400, 1400])
def test_page_renders_without_network_and_without_a_word_on_the_console(
    publish_scenario: Publish, tmp_path: Path, width: int
) -> None:
    page = write_report(publish_scenario(Scenario(months=3, estimated=True, missing=True)))
    dom, console = dump(page, tmp_path / "profile", width)
    assert console == []
    assert dom.count("<svg") == 10
    assert "Training and inference" in dom


def test_console_shows_what_the_policy_refuses(publish_scenario: Publish, tmp_path: Path) -> None:
    page = write_report(publish_scenario(Scenario(days=2)))
    text = page.read_text(encoding="utf-8")
    refused = '<img src="https://example.org/x.png"><script>1</script></main>'
    page.write_text(text.replace("</main>", refused), encoding="utf-8")
    _, console = dump(page, tmp_path / "profile", 1400)
    assert any(re.search("Content Security Policy", line) for line in console)

"""What tests of several rooms share: one real browser a process, since Playwright starts only once in each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The system's Chromium, headless, driven by playwright."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    driving = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with driving.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()

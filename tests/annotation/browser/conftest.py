"""The player on a bare page, and a study that is served, for the browser of `tests/conftest.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from annotation import serve

from .bare import Bare, bare_page
from .served import Served, make_study

Wait = Callable[[Callable[[], bool]], None]
"""Blocks until something holds."""


@pytest.fixture(scope="session")
def bare_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with bare_page(tmp_path_factory.mktemp("clips")) as address:
        yield address


@pytest.fixture
def bare(chromium: Any, bare_address: str) -> Iterator[Bare]:
    page = chromium.new_page(viewport={"width": 1280, "height": 720})
    page.goto(bare_address)
    page.wait_for_function("window.show !== undefined")
    yield Bare(page)
    page.close()


@pytest.fixture
def wait() -> Wait:
    def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.05)

    return until


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`served.make_study`."""
    return make_study(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def served(study: Path) -> Iterator[Served]:
    running = Served(study, serve.free_port("localhost", 18_501))
    running.start()
    yield running
    running.kill()


@pytest.fixture
def person(chromium: Any) -> Iterator[Any]:
    """A fresh browser profile's page."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()

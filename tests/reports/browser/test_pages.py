"""The dashboard as a person meets it: a real server and a real browser over one store that holds everything at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import stores

from annotation.serve import free_port
from reports.dashboard.navigation import PAGES

IDLE = """document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
  && !document.querySelector('[data-testid=stSkeleton]')"""

CHOSEN = "boxes => boxes.map(box => box.innerText + (box.querySelector('input')?.value ?? ''))"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, make_run: Callable[..., Path]) -> Path:
    root = tmp_path_factory.mktemp("dashboard") / "store"
    stores.broken(root / "bad")
    stores.evaluation(root / "half", whole=False, videos=False, created="2026-10-01T00:00:00+00:00")
    for n in range(2):
        stores.evaluation(root / f"run-{n}", seed=n, created=f"2026-11-0{n + 1}T12:00:00+00:00")
    hostile = {f"p{n}": text for n, text in enumerate(stores.HOSTILE)}
    about = {"branch": stores.HOSTILE[2], "commit": stores.HOSTILE[0]}
    for n in range(2):
        created = f"2026-11-1{n}T12:00:00+00:00"
        stores.evaluation(root / f"<b>{n} **x**", prompts=hostile, about=about, seed=n, videos=False, created=created)
    arms = tuple((text[:40], text) for text in stores.HOSTILE[:4])
    run = make_run(prompts=hostile, seeds=(0,), switches=(), extra_arms=arms, question=stores.HOSTILE[0])
    shutil.copytree(run, root / "ablation")
    stores.study(root / "study", systems=("<b>one", "**two** [a](b)"), prompts=3, words=stores.HOSTILE[0] + " {}")
    return root


@pytest.fixture(scope="module")
def address(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port("localhost", 18_601)
    words = [sys.executable, "-m", "magicvideo.cli", "dashboard", str(store), "--port", str(port)]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=environment)
    end = time.monotonic() + 120
    while not _answers(port):
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < end, "the server does not start"
        time.sleep(0.1)
    yield f"http://localhost:{port}"
    process.kill()
    process.wait()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    made = context.new_page()
    made.set_default_timeout(60_000)
    yield made
    context.close()


def open_page(page: Any, address: str) -> None:
    page.goto(address)
    page.locator("h1").first.wait_for()
    page.wait_for_function(IDLE)


def test_every_page_opens_and_runs_nothing_of_a_user_s(page: Any, address: str) -> None:
    errors: list[str] = []
    asked: set[str] = set()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.add(request.url.split("/")[2].split(":")[0]))
    for name in PAGES:
        open_page(page, f"{address}/{name}")
        assert page.locator("[data-testid=stException], [data-testid=stAlertContentError]").count() == 0, name
        assert page.evaluate("window.hacked") is None, name
        assert page.locator("img[onerror], a[href^='javascript']").count() == 0, name
    assert not errors
    assert asked == {"localhost"}


def test_the_address_holds_what_is_shown(page: Any, address: str) -> None:
    query = "base=run-1&candidate=run-0&metric=flicker&prompt=p3"
    open_page(page, f"{address}/compare?{query}")
    page.locator("video").first.wait_for()
    page.locator(".player .prompt", has_text="a teal ring number 3").wait_for()
    assert "flicker" in str(page.locator("[data-testid=stSelectbox]").evaluate_all(CHOSEN))
    sources = [video.get_attribute("src") for video in page.locator("video").all()]
    assert len(set(sources)) == 2
    assert all(source.startswith("/clips/") and "run" not in source for source in sources)
    page.wait_for_function(
        "[...document.querySelectorAll('*')].some(e => e.shadowRoot?.querySelector('video')?.readyState >= 2)"
    )
    assert "metric=flicker" in page.url
    open_page(page, f"{address}/compare?base={quote('../../etc')}&candidate=run-1")
    assert page.locator("[data-testid=stException]").count() == 0


def test_only_offered_videos_are_served(address: str, store: Path) -> None:
    for name in ("0" * 32 + ".mp4", quote("../run-0/videos/v0.mp4", safe=""), "run.json"):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"{address}/clips/{name}", timeout=10)
        assert error.value.code in (400, 404)
        error.value.close()

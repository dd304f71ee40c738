"""A real headless Chromium, and a bare page that holds the player as Streamlit does: in a shadow root."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from annotation import player, serve
from annotation.web import HEADERS
from magicvideo.clip import write_preview

from .pictures import FPS, FRAMES, SIZE, moving_bar
from .served import Served, make_study

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
Wait = Callable[[Callable[[], bool]], None]
"""Blocks until something holds."""

BARE = """<!doctype html><title>bare</title><body><div id="host"></div><script type="module">
import mount from "/player.js";
const root = document.querySelector("#host").attachShadow({ mode: "open" });
root.innerHTML = `<style>${%(css)s}</style>` + %(html)s;
window.events = [];
window.show = (data) => mount({ data, parentElement: root, setTriggerValue: (n, v) => window.events.push([n, v]) });
window.ref = (name) => root.querySelector(`[data-ref="${name}"]`);
</script>"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The system's Chromium, driven by playwright."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    driving = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")
    with driving.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def server(app: Any) -> Iterator[str]:
    """The app on a free port, in a thread; gives its address."""
    running = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join()


@dataclass
class Bare:
    """The player on a page of its own."""

    page: Any

    def show(self, id: str = "one", names: tuple[str, str] = ("a.mp4", "b.mp4"), **options: Any) -> None:
        shape = player.Shape(FRAMES, FPS, SIZE, SIZE)
        answers = [player.Choice(k, k, f"Answer {k}") for k in "123"]
        options = {"autoplay": False, "answers": answers, **options}
        data = player.pair_data(id, (f"/clips/{names[0]}", f"/clips/{names[1]}"), shape, **options)
        self.page.evaluate("(data) => window.show(data)", data)

    def ready(self) -> None:
        self.page.wait_for_function("!ref('hint').textContent.includes('loading')")

    def text(self, name: str) -> str:
        return str(self.page.evaluate("(name) => ref(name).textContent", name))

    def events(self) -> list[tuple[str, Any]]:
        return [tuple(event) for event in self.page.evaluate("window.events")]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def times(self) -> tuple[float, float]:
        both = self.page.evaluate("[ref('video0').currentTime, ref('video1').currentTime]")
        return both[0], both[1]


@pytest.fixture(scope="session")
def bare_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    clips = tmp_path_factory.mktemp("clips")
    write_preview(clips / "a.mp4", moving_bar(0))
    write_preview(clips / "b.mp4", moving_bar(40))
    write_preview(clips / "c.mp4", moving_bar(10))
    write_preview(clips / "d.mp4", moving_bar(70))
    html, css = (json.dumps((player.HERE / f"player.{kind}").read_text()) for kind in ("html", "css"))

    def clip(request: Any) -> Response:
        path = clips / request.path_params["name"]
        return FileResponse(path, headers=HEADERS) if path.exists() else Response(status_code=404)

    routes = [
        Route("/", lambda _: HTMLResponse(BARE % {"html": html, "css": css})),
        Route("/player.js", lambda _: Response(player.source(), media_type="text/javascript")),
        Route("/clips/{name}", clip),
    ]
    with server(Starlette(routes=routes)) as address:
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

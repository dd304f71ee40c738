"""The player on a page of its own, in a shadow root as Streamlit has it, and a record of what is on the screen."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from annotation import player
from annotation.web import HEADERS
from magicvideo.clip import write_preview

from .pictures import FPS, FRAMES, SIZE, moving_bar

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
STARTS = {"a.mp4": 0, "b.mp4": 40, "c.mp4": 10, "d.mp4": 70}
"""Each video's name, and where its bar starts."""
BARE = """<!doctype html><title>bare</title><body><div id="host"></div><script type="module">
import mount from "/player.js";
const root = document.querySelector("#host").attachShadow({ mode: "open" });
root.innerHTML = `<style>${%(css)s}</style>` + %(html)s;
window.events = [];
window.show = (data) => mount({ data, parentElement: root, setTriggerValue: (n, v) => window.events.push([n, v]) });
window.ref = (name) => root.querySelector(`[data-ref="${name}"]`);
</script>"""
WATCH = """
() => {
  const canvas = new OffscreenCanvas(128, 1);
  const look = canvas.getContext("2d", { willReadFrequently: true });
  const bar = (side) => {
    const drawn = ref(`canvas${side}`);
    look.drawImage(drawn.hidden ? ref(`video${side}`) : drawn, 0, 64, 128, 1, 0, 0, 128, 1);
    const row = look.getImageData(0, 0, 128, 1).data.filter((_, k) => k % 4 === 1);
    return row.indexOf(Math.max(...row));
  };
  window.screen = [];
  const picture = (now) => {
    window.screen.push([now, bar(0), bar(1)]);
    requestAnimationFrame(picture);
  };
  requestAnimationFrame(picture);
  window.played = [[], []];
  [0, 1].forEach((side) => {
    const video = ref(`video${side}`);
    const each = (now, { mediaTime }) => {
      window.played[side].push([now, mediaTime]);
      video.requestVideoFrameCallback(each);
    };
    video.requestVideoFrameCallback(each);
  });
}
"""
"""A record apart from the player's: where the bars are on the screen, and which frames the browser plays under it."""


@dataclass(frozen=True)
class Seen:
    """What `WATCH` saw: at each change of the screen, by how many frames the two differed."""

    screen: list[int]
    videos: list[float]
    """The videos themselves, which the player draws from."""


def seen(page: Any, since: float = 0.0, until: float = float("inf")) -> Seen:
    """Between two times of the page's clock, in milliseconds."""
    pictures = [row for row in page.evaluate("window.screen") if since <= row[0] < until]
    changes = [row[1:] for k, row in enumerate(pictures) if k == 0 or row[1:] != pictures[k - 1][1:]]
    screen = [abs((x - STARTS["a.mp4"]) % SIZE - (y - STARTS["b.mp4"]) % SIZE) for x, y in changes]
    left, right = (dict(side) for side in page.evaluate("window.played"))
    mine = other = None
    videos = []
    for now in sorted({*left, *right}):
        mine, other = left.get(now, mine), right.get(now, other)
        if mine is not None and other is not None and since <= now < until:
            videos.append(abs(mine - other) * FPS)
    return Seen(screen, videos)


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


@contextmanager
def bare_page(clips: Path) -> Iterator[str]:
    """Serves the page, with four videos that it makes in the folder `clips`; gives its address."""
    for name, start in STARTS.items():
        write_preview(clips / name, moving_bar(start))
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

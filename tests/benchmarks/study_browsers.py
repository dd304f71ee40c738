"""Real browsers beside protocol-level clients: how long until the next pair can be seen and voted on.

    python tests/benchmarks/study_browsers.py --browsers 4 --clients 46 --votes 1000 --think 1
    python tests/benchmarks/study_browsers.py --store postgresql

`magicvideo study serve` serves the pages to headless Chromiums, each with a profile of its own, driven by keyboard
alone; the clients of study_load.py vote on the same store through a process beside it. A browser's time runs from the
key press to the next pair's addresses on the page ("shows") and to both videos being ready to play ("plays"), as the
page's own clock has it. Prints one JSON object; exits with 1 if a vote was lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import study_load
from playwright.sync_api import Page, sync_playwright

from annotation import serve
from annotation.create import Wish, create
from annotation.design import Settings
from annotation.invitations import invite
from annotation.session import opened
from annotation.study import Rules
from magicvideo.clip import VideoClip, write_preview

SYSTEMS, SECONDS, FPS, SIZE = ("one", "two", "three"), 2, 12, 128
RATERS, BLOCK = 9, 20
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TIMES = """
window.times = [];
window.videos = () =>
  [...document.querySelectorAll("*")].flatMap((e) => [...(e.shadowRoot?.querySelectorAll("video") ?? [])]);
document.addEventListener("keydown", (event) => {
  if (!"123".includes(event.key) || window.asked) return;
  const old = videos()[0]?.getAttribute("src");
  if (!old) return;
  const asked = (window.asked = { from: performance.now() });
  const look = () => {
    const [left, right] = videos();
    const now = performance.now() - asked.from;
    if (left && left.getAttribute("src") !== old) {
      asked.shows ??= now;
      if (left.readyState >= 3 && right.readyState >= 3) {
        window.times.push([asked.shows, now]);
        window.asked = null;
        return;
      }
    } else if (/A round is done|Thank you/.test(document.body.innerText)) return (window.asked = null);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}, true);
"""
"""Also sees keys that the player takes, since it listens at the document before it."""
READY = """!window.asked && (/A round is done|Thank you/.test(document.body.innerText)
  || (videos().length === 2 && videos().every((video) => video.readyState >= 3)))"""


def study_of(folder: Path, votes: int) -> Path:
    """Videos of moving noise for three systems, and a study of at least so many wanted votes."""
    prompts = -(-votes // (RATERS * 3))
    rng = np.random.default_rng(0)
    for name in SYSTEMS:
        (folder / name).mkdir()
        for k in range(prompts):
            picture = rng.integers(0, 256, (3, 16, 16), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
            frames = np.stack([np.roll(picture, 2 * t, axis=2) for t in range(SECONDS * FPS)])
            write_preview(folder / name / f"{k}.mp4", VideoClip(frames, FPS))
    lines = [json.dumps({"file": f"{k}.mp4", "prompt": f"prompt {k}"}) for k in range(prompts)]
    (folder / "prompts.jsonl").write_text("\n".join(lines))
    design = Settings(raters=RATERS, block=BLOCK)
    systems = tuple(f"{name}={folder / name}" for name in SYSTEMS)
    create(folder / "study", Wish(systems, folder / "prompts.jsonl", design=design, rules=Rules(min_watched=0.0)))
    return folder / "study"


class Annotator(threading.Thread):
    """One browser: votes by keys until it is told to stop or nothing is left."""

    def __init__(self, link: str, think: float, stop: threading.Event) -> None:
        super().__init__()
        self.link, self.think, self.stop = link, think, stop
        self.times: list[tuple[float, float]] = []
        self.answers = 0
        self.error = ""

    def run(self) -> None:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        try:
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
                page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
                page.set_default_timeout(100_000)
                page.add_init_script(TIMES)
                self.work(page)
                browser.close()
        except Exception as error:
            self.error = " ".join(str(error).split())[:300]

    def work(self, page: Page) -> None:
        rng = random.Random(self.link)
        page.goto(self.link)
        page.get_by_text("Start voting").wait_for()
        page.locator("video").first.wait_for()
        page.keyboard.press("Enter")
        page.get_by_text("Skip", exact=True).wait_for()
        while not self.stop.is_set():
            page.wait_for_function(READY)
            text = page.locator("body").inner_text()
            if "Thank you" in text:
                return
            if "A round is done" in text:
                page.keyboard.press("Enter")
                page.locator("video").first.wait_for()
                continue
            time.sleep(rng.expovariate(1 / self.think) if self.think else 0)
            page.keyboard.press(rng.choice("123"))
            self.times = [tuple(pair) for pair in page.evaluate("window.times")]


def percentiles(values: list[float]) -> dict[str, float]:
    found = np.percentile(values, [50, 95, 99, 100]) if values else [float("nan")] * 4
    return dict(zip(("p50_ms", "p95_ms", "p99_ms", "max_ms"), np.round(found, 1).tolist(), strict=True))


def serving(folder: Path, address: str, port: int) -> subprocess.Popen[bytes]:
    """A server of pages that answers."""
    words = ["study", "serve", str(folder), "--port", str(port), "--database", address]
    process = subprocess.Popen([sys.executable, "-m", "magicvideo.cli", *words], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5):
                return process
        except OSError:
            time.sleep(0.2)
    raise TimeoutError("the server does not start")


def load(folder: Path, address: str, options: argparse.Namespace) -> dict[str, Any]:
    place = study_of(folder, options.votes)
    study, votes = opened(place, address)
    port = serve.free_port("localhost", 18_701)
    pages = serving(place, address, port)
    beside = study_load.Servers(place, address, [str(folder / "s0")])
    beside.start(str(folder / "s0"))
    beside.wait()
    tokens = [invite(study, votes, None, "annotator", 30)[1] for _ in range(options.clients)]
    tally, stop = study_load.Tally(), threading.Event()
    enough = lambda: stop.is_set() or len(tally.acknowledged) >= options.votes  # noqa: E731
    clients = [study_load.Client(n, t, beside.sockets, tally, enough, options.think) for n, t in enumerate(tokens)]
    base = f"http://localhost:{port}"
    links = [serve.invitation_link(place, address, base, {"annotator": f"b{n}"}) for n in range(options.browsers)]
    browsers = [Annotator(link, options.think, stop) for link in links]
    threads = [threading.Thread(target=client.run) for client in clients]
    for thread in (*browsers, *threads):
        thread.start()
    limit = time.monotonic() + options.seconds
    while time.monotonic() < limit and any(thread.is_alive() for thread in threads or browsers):
        time.sleep(0.2)
    stop.set()
    for thread in (*threads, *browsers):
        thread.join()
    found = study_load.judge(votes, tally, RATERS)
    beside.stop()
    pages.terminate()
    pages.wait()
    votes.close()
    times = [pair for browser in browsers for pair in browser.times]
    return {
        "store": options.store,
        "browsers": options.browsers,
        "browser_votes": len(times),
        "shows": percentiles([shows for shows, _ in times]),
        "plays": percentiles([plays for _, plays in times]),
        "clients": options.clients,
        "of_clients": study_load.latencies(tally.seconds) if tally.seconds else {},
        "think_s": options.think,
        "load_average": os.getloadavg()[0],
        "errors": [browser.error for browser in browsers if browser.error],
        **found,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--browsers", type=int, default=4)
    parser.add_argument("--clients", type=int, default=46)
    parser.add_argument("--votes", type=int, default=1000, help="of the clients")
    parser.add_argument("--seconds", type=float, default=600, help="longest run")
    parser.add_argument("--think", type=float, default=1.0, help="mean seconds between an annotator's votes")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="browsers-", dir="/tmp") as folder,
        study_load.store(options.store, Path(folder)) as address,
    ):
        found = load(Path(folder), address, options)
    print(json.dumps(found))
    return int(any(found[name] for name in ("lost", "doubled", "acknowledged_to_two", "over_assigned")))


if __name__ == "__main__":
    sys.exit(main())

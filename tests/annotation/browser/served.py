"""A study that is served for real, and what a person does on its pages."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation import serve
from annotation.create import Wish, create
from annotation.design import Settings
from annotation.session import opened
from magicvideo.clip import write_preview

from .pictures import moving_bar

SYSTEMS = ("zebrafish", "quokkanet")
PROMPTS = ("<b>bold</b> <script>window.hacked = 1</script> **stars** $x$ [a](b)", *(f"prompt {k}" for k in range(2, 7)))


@dataclass
class Served:
    """A study and the process that serves it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    home: Path | None = None
    """Where the server is started: its .streamlit counts."""

    @property
    def base(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        words = ["study", "serve", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "magicvideo.cli", *words], stderr=subprocess.DEVNULL, cwd=self.home
        )
        end = time.monotonic() + 120
        while not self.answers():
            assert self.process.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.1)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base}/_stcore/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def link(self, who: str, role: Any = "annotator") -> str:
        return serve.invitation_link(self.folder, None, self.base, {role: who})

    def votes(self) -> int:
        _, votes = opened(self.folder)
        return len({row.slot for row in votes.cast()})


def make_study(folder: Path) -> Path:
    """Two systems, two rounds of three prompts; the first prompt is made of markup."""
    lines = [json.dumps({"file": f"{k}.mp4", "prompt": prompt}) for k, prompt in enumerate(PROMPTS)]
    (folder / "prompts.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for number, name in enumerate(SYSTEMS):
        (folder / name).mkdir()
        for k in range(len(PROMPTS)):
            write_preview(folder / name / f"{k}.mp4", moving_bar(20 * number + k, frames=15))
    wish = Wish(
        tuple(f"{name}={folder / name}" for name in SYSTEMS),
        folder / "prompts.jsonl",
        title="A <i>title</i> with **markup**",
        design=Settings(raters=9, block=3, repeats=0.0),
    )
    create(folder / "study", wish)
    return folder / "study"


def begin(page: Any, link: str) -> None:
    page.goto(link)
    begin_pages(page)


def begin_pages(page: Any) -> None:
    """From the instructions to the first pair. The example's player listens to keys until it is gone."""
    page.get_by_text("Start voting").wait_for()
    page.locator("video[src]").first.wait_for()
    example = str(page.locator("video").first.get_attribute("src"))
    page.keyboard.press("Enter")
    gone(page, example)
    open_pair(page)


def open_pair(page: Any) -> str:
    """Waits for a pair that may be voted on; gives its left address."""
    page.get_by_text("Skip", exact=True).wait_for()
    page.locator(".answers button[aria-disabled=false]").first.wait_for()
    return str(page.locator("video").first.get_attribute("src"))


def vote(page: Any, key: str) -> None:
    """Presses the key and waits for another pair, or a page without one."""
    before = open_pair(page)
    page.keyboard.press(key)
    gone(page, before)


GONE = """(old) => {
  const players = [...document.querySelectorAll("*")].map((e) => e.shadowRoot?.querySelector("video")).filter(Boolean);
  if (players.length) return players.every((video) => video.getAttribute("src") !== old);
  return /A round is done|Thank you/.test(document.body.innerText);
}"""


def gone(page: Any, address: str) -> None:
    """Waits for another pair, or for a page that says why there is none: a player that is being drawn is neither."""
    page.wait_for_function(GONE, arg=address)

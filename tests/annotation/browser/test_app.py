"""The annotation tool as a person meets it: a real server, a real browser, a study with telling names."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import pytest

from annotation import serve
from annotation.create import Wish, create
from annotation.design import Settings
from annotation.session import opened
from magicvideo.clip import write_preview

from .conftest import moving_bar

SYSTEMS = ("zebrafish", "quokkanet")
PROMPTS = ("<b>bold</b> <script>window.hacked = 1</script> **stars** $x$ [a](b)", *(f"prompt {k}" for k in range(2, 7)))


@dataclass
class Served:
    """A study and the process that serves it."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    log: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        words = ["study", "serve", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen([sys.executable, "-m", "magicvideo.cli", *words], stderr=subprocess.DEVNULL)
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


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two systems, two rounds of three prompts; the first prompt is made of markup."""
    folder = tmp_path_factory.mktemp("served")
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


def begin(page: Any, link: str) -> None:
    page.goto(link)
    page.get_by_text("Start voting").wait_for()
    page.locator("video").first.wait_for()
    page.keyboard.press("Enter")
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


def test_a_whole_session_by_keyboard_alone(person: Any, served: Served) -> None:
    """From the link over the break to the thanks: the player, votes, undo; markup is shown as text."""
    before = served.votes()
    begin(person, served.link("keyboard"))
    assert "invite" not in person.url
    seen = set()
    for key in (" ", "ArrowRight", "ArrowLeft", "]", "[", "f", "f", "w", "Escape", "l", "l"):
        person.keyboard.press(key)
    for number, key in enumerate("1322"):
        seen.add(person.locator("[data-ref=prompt]").text_content())
        vote(person, key)
        assert served.votes() == before + number + 1, "on disk before the next pair shows"
    fifth = open_pair(person)
    person.keyboard.press("u")
    gone(person, fifth)
    assert served.votes() == before + 3
    vote(person, "2")
    vote(person, "1")
    person.get_by_text("good moment for a break").wait_for()
    assert served.votes() == before + 5, "three pairs and two with a known answer"
    person.keyboard.press("Enter")
    for _ in range(5):
        open_pair(person)
        seen.add(person.locator("[data-ref=prompt]").text_content())
        vote(person, "2")
    person.get_by_text("Thank you!").wait_for()
    assert served.votes() == before + 10
    assert seen == set(PROMPTS)
    assert person.evaluate("window.hacked") is None


def test_closing_the_browser_and_killing_the_server_loses_nothing(chromium: Any, served: Served) -> None:
    link, before = served.link("resumes"), served.votes()
    first = chromium.new_context()
    first.set_default_timeout(60_000)
    page = first.new_page()
    begin(page, link)
    vote(page, "1")
    vote(page, "3")
    held = open_pair(page)
    first.close()
    served.kill()
    served.start()
    again = chromium.new_context()
    again.set_default_timeout(60_000)
    page = again.new_page()
    page.goto(link)
    assert open_pair(page) == held, "the same pair as before"
    assert served.votes() == before + 2
    page.reload()
    assert open_pair(page) == held, "a reload needs no link"
    again.close()


def test_nobody_is_told_which_system_made_a_video(person: Any, served: Served) -> None:
    """Everything that reaches the browser is searched: addresses, headers, bodies, socket messages, the files."""
    heard: list[bytes] = []
    files: dict[str, bytes] = {}

    def answer(response: Any) -> None:
        heard.append(f"{response.url} {response.headers}".encode())
        if "/clips/" in response.url:
            files[response.url] = b""

    person.on("response", answer)
    person.on("websocket", lambda socket: socket.on("framereceived", lambda m: heard.append(_bytes(m))))
    begin(person, served.link("blind"))
    vote(person, "1")
    open_pair(person)
    heard.append(person.content().encode())
    assert len(files) >= 4
    for address in files:
        body = person.request.get(address)
        assert body.status == 200
        heard += [body.body(), str(body.headers).encode()]
        (served.folder / "seen.mp4").write_bytes(body.body())
        with av.open(str(served.folder / "seen.mp4")) as clip:
            heard.append(f"{clip.metadata} {[s.metadata for s in clip.streams]}".encode())
            assert not clip.streams.audio
        assert re.fullmatch(r"[0-9a-f]{32}\.mp4", address.rpartition("/")[2])
    everything = b"\n".join(heard).lower()
    assert any(prompt.encode()[:8] in everything for prompt in PROMPTS), "it was recorded at all"
    for name in SYSTEMS:
        assert name.encode() not in everything
    dates = {a.headers["last-modified"] for a in (person.request.get(address) for address in files)}
    assert len(dates) == 1, "the order in which files were written says nothing"


def _bytes(message: Any) -> bytes:
    return message if isinstance(message, bytes) else str(message).encode()


def test_an_annotator_is_refused_on_the_owners_pages(person: Any, served: Served) -> None:
    person.goto(served.link("curious"))
    person.get_by_text("Start voting").wait_for()
    assert person.get_by_text("Live results").count() == 0
    for page in ("live", "annotators", "invite"):
        person.goto(f"{served.base}/{page}")
        person.get_by_text("This page is for the owner of the study.").wait_for()
        for name in SYSTEMS:
            assert name not in person.content()


def test_the_owner_sees_results_and_makes_a_link_that_works(person: Any, served: Served) -> None:
    begin(person, served.link("counted"))
    vote(person, "1")
    person.goto(served.link("boss", "owner"))
    person.goto(f"{served.base}/live")
    person.get_by_text("Result so far").wait_for()
    assert "A <i>title</i> with **markup**" in person.locator("h1").first.inner_text()
    person.goto(f"{served.base}/invite")
    person.get_by_text("Make a link").click()
    link = person.locator("code").first
    link.wait_for()
    fresh = person.context.browser.new_context().new_page()
    fresh.goto(link.inner_text())
    fresh.get_by_text("Start voting").wait_for()
    fresh.context.close()


def test_nothing_is_shown_without_an_invitation(person: Any, served: Served) -> None:
    token = served.link("forged").partition("invite=")[2]
    for address in ("/", "/live", f"/?invite={token[:-4]}AAAA", "/?invite=" + "x" * 5000):
        person.goto(served.base + address)
        person.get_by_text("You need an invitation").wait_for()
        assert "title" not in person.locator("body").inner_text()
    clip = next((served.folder / "media").glob("*.mp4")).name
    assert person.request.get(f"{served.base}/clips/{clip}").status == 403


def test_videos_answer_ranges_and_paths_do_not_climb(person: Any, served: Served) -> None:
    person.goto(served.link("ranges"))
    person.get_by_text("Start voting").wait_for()
    clip = next((served.folder / "media").glob("*.mp4"))
    part = person.request.get(f"{served.base}/clips/{clip.name}", headers={"Range": "bytes=10-29"})
    assert part.status == 206
    assert part.body() == clip.read_bytes()[10:30]
    cookies = "; ".join(f"{c['name']}={c['value']}" for c in person.context.cookies())
    assert all(c["httpOnly"] for c in person.context.cookies() if c["name"].startswith("magicvideo"))
    for path in ("../study.json", "..%2fstudy.json", "%2e%2e/secret.key", "....//x", "study.json", "a" * 3000):
        connection = http.client.HTTPConnection("localhost", served.port, timeout=20)
        connection.request("GET", f"/clips/{path}", headers={"Cookie": cookies})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status in (400, 404) or b"<title>" in body, path
        assert b"systems" not in body
        connection.close()

"""The annotation tool as a person meets it: a real server, a real browser, a study with telling names."""

from __future__ import annotations

import http.client
import re
from typing import Any

import av

from .served import PROMPTS, SYSTEMS, Served, begin, gone, open_pair, vote


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
    page.goto(f"{served.base}/vote")
    assert open_pair(page) == held
    assert page.get_by_text("Page not found").count() == 0
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
    for address in (
        "/",
        "/live",
        "/vote",
        "/instructions",
        "/annotators",
        "/invite",
        f"/?invite={token[:-4]}AAAA",
        "/?invite=" + "x" * 5000,
    ):
        person.goto(served.base + address)
        person.get_by_text("You need an invitation").wait_for()
        assert "Page not found" not in person.locator("body").inner_text()
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

"""The player in a real browser: both videos at the same frame, the keys, and what it reports."""

from __future__ import annotations

import os

import pytest

from .bare import WATCH, Bare, seen
from .conftest import Wait
from .pictures import FPS, FRAMES

SECONDS = float(os.environ.get("PLAYER_SECONDS", "4"))
"""How long playing is watched; `PLAYER_SECONDS=12 pytest tests/annotation/browser/test_player.py` watches longer."""


def seek(bare: Bare, frame: int) -> None:
    bare.page.evaluate("(k) => { ref('position').value = k; ref('position').dispatchEvent(new Event('input')) }", frame)


def frame(bare: Bare) -> int:
    return int(bare.text("count").split("/")[0]) - 1


def test_the_measure_sees_videos_that_are_apart_and_the_screen_never_shows_them(bare: Bare) -> None:
    """Played without the player's hand, from 5 frames apart."""
    bare.show()
    bare.ready()
    bare.page.evaluate(WATCH)
    bare.page.wait_for_timeout(200)
    bare.page.evaluate("ref('video1').currentTime = 5.5 / 15")
    bare.page.evaluate("Promise.all([ref('video0').play(), ref('video1').play()])")
    bare.page.wait_for_timeout(1000)
    found = seen(bare.page)
    assert max(found.videos) > 3
    assert max(found.screen) <= 1, "the last pictures that belong together stay"
    bare.page.evaluate("ref('canvas0').hidden = ref('canvas1').hidden = true")
    now = bare.page.evaluate("performance.now()")
    bare.page.wait_for_timeout(1000)
    assert max(seen(bare.page, now).screen) > 3, "the videos without the player's drawing"


@pytest.mark.parametrize(("key", "speed"), [("]", 1.5), ("[", 0.75)])
def test_playing_videos_stay_within_one_frame(bare: Bare, key: str, speed: float) -> None:
    """At 1.5 and 0.75 times the speed, over the end and at seeks.

    A machine that is busy leaves out pictures, of both at once. One picture may be late: what a video draws can be
    newer than what it said a moment before.
    """
    bare.show()
    bare.ready()
    bare.press(key, " ")
    bare.page.evaluate(WATCH)
    for place in (70, 3, 44):
        bare.page.wait_for_timeout(1000 * SECONDS / 4)
        seek(bare, place)
    bare.page.wait_for_timeout(1000 * SECONDS / 4)
    found = seen(bare.page)
    wanted = SECONDS * FPS * speed
    print(f"{len(found.screen)} pictures of {wanted:.0f}, worst {max(found.screen)} frames apart")
    print(f"{len(found.videos)} of the videos themselves, worst {max(found.videos):.1f} frames apart")
    assert sum(apart > 1 for apart in found.screen) <= 1
    assert len(found.screen) > 0.1 * wanted, "it plays"


def test_a_pair_that_stands_still_shows_the_same_frame(bare: Bare, wait: Wait) -> None:
    bare.show()
    bare.ready()
    for place in (70, 3, 44, FRAMES - 1):
        seek(bare, place)
        wait(lambda: bare.page.evaluate("!ref('video0').seeking && !ref('video1').seeking"))
        wait(lambda place=place: [int(t * FPS) for t in bare.times()] == [place, place])
    bare.press("ArrowLeft", "ArrowLeft", "ArrowRight")
    wait(lambda: [int(t * FPS) for t in bare.times()] == [FRAMES - 2] * 2)
    assert frame(bare) == FRAMES - 2
    bare.press("Home")
    wait(lambda: [int(t * FPS) for t in bare.times()] == [0, 0])


def test_what_stands_still_is_on_the_screen_and_counts_as_watched(bare: Bare, wait: Wait) -> None:
    """Read from the pixels after a seek by the lock, and after one video was moved past it."""
    bare.show()
    bare.ready()
    bare.page.evaluate(WATCH)
    shown = "(() => { const [, left, right] = window.screen.at(-1) ?? []; return [left, right - 40] })()"
    wait(lambda: bare.page.evaluate("!ref('canvas0').hidden"))
    for place in (70, 30, 31):
        seek(bare, place)
        wait(lambda place=place: bare.page.evaluate(shown) == [place, place])
    bare.page.evaluate("ref('video1').currentTime = 20.5 / 15")
    wait(lambda: bare.page.evaluate(shown) == [31, 20])
    bare.press("1")
    ((_, said),) = bare.events()
    assert [round(share * FRAMES) for share in said["watched"]] == [4, 5], (
        "frames 0, 70, 30 and 31, and 20 on the right"
    )


def test_a_pair_that_comes_while_the_last_still_seeks_does_not_wait_for_it(bare: Bare) -> None:
    """What an answer right after a step does: the old pair's seek never ends, because its videos are gone."""
    bare.show()
    bare.ready()
    for number in range(3):
        seek(bare, 70)
        bare.show(id=f"another {number}", names=("c.mp4", "d.mp4") if number % 2 == 0 else ("a.mp4", "b.mp4"))
        bare.page.wait_for_function("!ref('hint').textContent.includes('loading')", timeout=10_000)
        assert "could not" not in bare.text("notice")


def test_one_that_was_moved_alone_is_brought_back(bare: Bare, wait: Wait) -> None:
    """What a decoder that falls behind looks like."""
    bare.show()
    bare.ready()
    bare.press(" ")
    bare.page.wait_for_timeout(300)
    bare.page.evaluate("ref('video1').currentTime += 1")
    wait(lambda: abs(bare.times()[0] - bare.times()[1]) * FPS < 1)
    bare.press(" ")
    wait(lambda: bare.text("play") == "Play" and bare.times()[0] == bare.times()[1])


def test_answers_wait_until_both_were_watched(bare: Bare, wait: Wait) -> None:
    bare.show(min_watched=0.9)
    bare.ready()
    bare.press("1")
    assert not bare.events()
    assert "Watch both videos first" in bare.text("spoken")
    bare.press("]", "]", " ")
    wait(lambda: "Watch" not in bare.text("hint"))
    bare.press("3", "3", "1")
    ((name, said),) = bare.events()
    assert (name, said["value"], said["id"]) == ("answer", "3", "one")
    assert min(said["watched"]) >= 0.9
    assert 1 < said["seconds"] < 60
    assert said["mark"] is None


def test_flicker_counts_only_the_video_that_is_seen(bare: Bare) -> None:
    bare.show()
    bare.ready()
    bare.press("f", " ")
    bare.page.wait_for_timeout(2500)
    bare.press("1")
    ((_, said),) = bare.events()
    assert said["watched"][0] > 0.2 > said["watched"][1]


def test_an_answer_that_brings_no_next_pair_may_be_sent_again(bare: Bare, wait: Wait) -> None:
    """A lost connection: the same answer goes out under the same name; another pair gets another name."""
    bare.show()
    bare.ready()
    bare.press("1")
    wait(lambda: "Not saved yet" in bare.text("notice"))
    bare.press("1")
    first, second = (said for _, said in bare.events())
    assert first["request"] == second["request"]
    bare.show(id="two")
    bare.ready()
    bare.press("2")
    assert bare.events()[2][1]["request"] != first["request"]


def test_an_answer_that_arrived_and_brought_no_other_pair_may_be_changed(bare: Bare) -> None:
    """As on the instructions page."""
    bare.show()
    bare.ready()
    bare.press("1")
    first = bare.events()[0][1]["request"]
    bare.show(received=first)
    bare.press("3")
    assert [said["value"] for _, said in bare.events()] == ["1", "3"]
    assert bare.events()[1][1]["request"] != first
    bare.page.wait_for_timeout(300)
    assert bare.text("notice") == ""


def test_a_mark_by_keyboard(bare: Bare) -> None:
    bare.show()
    bare.ready()
    bare.press("ArrowRight", "ArrowRight")
    bare.press("m", "x", "ArrowRight", "ArrowUp", "Enter", "1")
    ((_, said),) = bare.events()
    mark = said["mark"]
    assert mark["side"] == 1
    assert (round(mark["x"], 2), round(mark["y"], 2)) == (0.54, 0.46)
    assert int(mark["second"] * FPS) == 2


def test_a_mark_by_a_click(bare: Bare) -> None:
    bare.show()
    bare.ready()
    bare.press("m")
    box = bare.page.locator("[data-ref=frame0]").bounding_box()
    bare.page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    bare.press("1")
    ((_, said),) = bare.events()
    assert (said["mark"]["side"], round(said["mark"]["x"], 1), round(said["mark"]["y"], 1)) == (0, 0.2, 0.5)


def test_keys_leave_typing_and_dialogs_alone(bare: Bare) -> None:
    bare.show()
    bare.ready()
    bare.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<input id=name>')")
    bare.page.focus("#name")
    bare.press("1", " ", "f")
    assert bare.page.input_value("#name") == "1 f"
    bare.page.evaluate("document.querySelector('#name').outerHTML = '<div role=dialog></div>'")
    bare.press("1", "f", "Control+1")
    assert not bare.events()
    assert bare.page.evaluate("ref('side').getAttribute('aria-pressed')") == "true"


def test_a_video_that_cannot_be_loaded_is_said_and_takes_no_answer(bare: Bare, wait: Wait) -> None:
    bare.show(names=("a.mp4", "missing.mp4"))
    wait(lambda: "could not be loaded" in bare.text("notice"))
    bare.press("1")
    assert [name for name, _ in bare.events()] == ["failed"]
    bare.show(id="again")
    bare.ready()
    bare.press("1")
    assert bare.events()[1][0] == "answer"


def test_the_next_pairs_videos_are_fetched_early_and_once(bare: Bare, wait: Wait) -> None:
    """The second pair plays from the browser's cache; nothing of it was on the page before."""
    asked: list[str] = []
    bare.page.on("request", lambda request: asked.append(request.url))
    bare.show(upcoming=["/clips/c.mp4", "/clips/d.mp4"])
    bare.ready()
    wait(lambda: sum("/clips/c.mp4" in url or "/clips/d.mp4" in url for url in asked) == 2)
    held = "performance.getEntriesByType('resource').filter((e) => /[cd].mp4/.test(e.name) && e.responseEnd > 0).length"
    wait(lambda: bare.page.evaluate(held) == 2)
    assert "c.mp4" not in bare.page.content()
    bare.show(id="two", names=("c.mp4", "d.mp4"))
    bare.ready()
    sizes = "performance.getEntriesByType('resource').filter((e) => /[cd].mp4/.test(e.name)).map((e) => e.transferSize)"
    assert [size for size in bare.page.evaluate(sizes) if size > 1000].__len__() == 2, "only the early ones were sent"


def test_every_control_has_a_name_and_can_be_reached_by_tab(bare: Bare) -> None:
    bare.show(prompt="<b>not bold</b>")
    bare.ready()
    assert bare.text("prompt") == "<b>not bold</b>"
    names = bare.page.evaluate(
        "[...ref('stage').getRootNode().querySelectorAll('button, input')].map("
        "(e) => e.getAttribute('aria-label') || e.textContent.trim())"
    )
    assert all(names)
    reached = set()
    for _ in range(30):
        bare.press("Tab")
        focus = "ref('stage').getRootNode().activeElement"
        reached.add(bare.page.evaluate(f"{focus}?.getAttribute('aria-label') || {focus}?.textContent.trim()"))
    assert {"Answer 11", "Answer 22", "Answer 33", "Frame", "Slower", "Flicker", "Wipe", "Mark"} <= reached

"""The player in a real browser: both videos at the same frame, the keys, and what it reports."""

from __future__ import annotations

import os
from collections.abc import Callable

from .conftest import FPS, Bare

Wait = Callable[[Callable[[], bool]], None]
WATCH = """
() => {
  window.shown = [[], []];
  ["video0", "video1"].forEach((name, side) => {
    const video = ref(name);
    const each = (now, { mediaTime }) => {
      window.shown[side].push([now, mediaTime]);
      video.requestVideoFrameCallback(each);
    };
    video.requestVideoFrameCallback(each);
  });
}
"""
"""The test's own record of what the browser put on the screen, apart from the player's."""


def apart(bare: Bare) -> list[float]:
    """By how many frames the videos differed at each picture of the screen."""
    left, right = bare.page.evaluate("window.shown")
    other = dict(right)
    last, differences = None, []
    moments = sorted({now for now, _ in left} | set(other))
    mine, latest = dict(left), None
    for now in moments:
        last = mine.get(now, last)
        latest = other.get(now, latest)
        if last is not None and latest is not None:
            differences.append(abs(last - latest) * FPS)
    return differences


def test_both_videos_show_the_same_frame(bare: Bare, wait: Wait) -> None:
    """While playing and after each seek; `PLAYER_SECONDS` makes the test longer."""
    seconds = float(os.environ.get("PLAYER_SECONDS", "5"))
    bare.show()
    bare.ready()
    bare.page.evaluate(WATCH)
    bare.press(" ")
    bare.page.wait_for_timeout(1000 * seconds)
    playing = apart(bare)
    assert len(playing) > seconds * FPS / 4, "it played"
    assert max(playing) <= 1.01
    for place in (70, 3, 44):
        bare.page.evaluate(
            "(k) => { ref('position').value = k; ref('position').dispatchEvent(new Event('input')) }", place
        )
        bare.page.wait_for_timeout(300)
    bare.press(" ")
    wait(lambda: bare.text("play") == "Play")
    bare.page.wait_for_timeout(200)
    left, right = bare.times()
    assert left == right

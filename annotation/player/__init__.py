"""The player of two videos as one Streamlit component (components v2): a few plain scripts, joined into one.

It takes addresses, labels and options, and gives back what a person did. Nothing in it knows studies, so any page may
use it:

    PLAYER = declare()
    PLAYER(key="player", data=pair_data(...), on_answer_change=voted, on_failed_change=failed)

Events: `answer` is {id, request, value, watched: [left, right] in [0,1], seconds since both videos were ready,
mark: None or {side: 0 or 1, second, x, y}, drift: {worst, mean (frames), stalls}}; `request` is a random name that
stays the same when the answer is sent again. `failed` is {id, request}: a video could not be loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

HERE = Path(__file__).parent
SCRIPTS = ("frame_lock.js", "screen.js", "watched.js", "mark.js", "keys.js", "player.js", "mount.js")
"""In this order one script: each uses only what stands above it."""


@dataclass(frozen=True)
class Shape:
    """What both videos have in common: frames, frames a second, pixels. The player steps by these."""

    frames: int
    fps: float
    width: int
    height: int


@dataclass(frozen=True)
class Choice:
    """An answer offered below the videos, and the plain key that gives it."""

    key: str
    value: str
    label: str


def source() -> str:
    """The player's JavaScript as one module."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)


def declare(name: str = "magicvideo_player") -> ComponentRenderer:
    """Register the component with Streamlit; returns the function that mounts it."""
    from streamlit.components.v2 import component

    html, css = ((HERE / f"player.{kind}").read_text(encoding="utf-8") for kind in ("html", "css"))
    return component(name, html=html, css=css, js=source())


def pair_data(
    id: str,
    addresses: tuple[str, str],
    shape: Shape,
    *,
    labels: tuple[str, str] = ("Left", "Right"),
    prompt: str = "",
    question: str = "",
    answers: Sequence[Choice] = (),
    min_watched: float = 0.0,
    received: str | None = None,
    upcoming: Sequence[str] = (),
    autoplay: bool = True,
) -> dict[str, Any]:
    """What the component is given. Another `id` means another pair: the videos load anew and everything is reset.

    All texts are shown as text. `min_watched` in [0,1] is the share of both videos to see before an answer is taken.
    `received` is the `request` of the last answer that arrived: where the pair stays, it may be answered anew.
    `upcoming` are addresses of the next pair's videos, fetched once this pair is ready.
    """
    return {
        "id": id,
        "addresses": list(addresses),
        "labels": list(labels),
        "prompt": prompt,
        "question": question,
        "answers": [vars(answer) for answer in answers],
        "min_watched": min_watched,
        "received": received,
        "upcoming": list(upcoming),
        "autoplay": autoplay,
        **vars(shape),
    }

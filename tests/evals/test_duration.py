"""Duration: frames over their rate, and none of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evals import Item, evaluate
from evals.suites import STYLE
from magicvideo.clip import VideoClip, write_preview


def score(video: VideoClip | Path) -> float | None:
    return evaluate([Item("clip", video, None, "clip")], STYLE, ["duration"], progress=False).scores["duration"].value


def black(frames: int, fps: float) -> VideoClip:
    return VideoClip(np.zeros((frames, 3, 16, 16), np.uint8), fps)


def test_it_is_frames_over_their_rate(tmp_path: Path) -> None:
    assert score(black(16, 8)) == score(black(48, 24)) == 2
    assert score(black(15, 8)) == pytest.approx(1.875)
    write_preview(tmp_path / "a.mp4", black(45, 15))
    assert score(tmp_path / "a.mp4") == pytest.approx(3)


def test_a_picture_has_none() -> None:
    assert score(black(1, 8)) is None

"""Saturation of colours whose HSV is known, and of clips that were faded."""

from __future__ import annotations

import numpy as np
import pytest

from evals import Item, evaluate
from evals.suites import STYLE
from magicvideo.clip import VideoClip
from magicvideo.world import render_clip, sample_scene


def score(clip: VideoClip) -> float:
    value = (
        evaluate([Item("clip", clip, None, "clip")], STYLE, ["saturation"], progress=False).scores["saturation"].value
    )
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0, 0), 0),
        ((90, 90, 90), 0),
        ((255, 0, 0), 1),
        ((3, 0, 0), 1),
        ((200, 100, 150), 0.5),
        ((200, 150, 175), 0.25),
    ],
)
def test_one_colour_has_its_saturation(colour: tuple[int, int, int], expected: float) -> None:
    assert score(VideoClip(np.tile(np.uint8(colour)[None, :, None, None], (2, 1, 8, 8)), 8.0)) == pytest.approx(
        expected
    )


def test_pixels_and_frames_are_averaged() -> None:
    frames = np.full((2, 3, 8, 8), 120, np.uint8)
    frames[0, 1:, :4] = 0
    assert score(VideoClip(frames, 8.0)) == pytest.approx(0.25)


def test_a_faded_clip_has_less_and_a_brighter_one_as_much() -> None:
    clip = render_clip(sample_scene(np.random.default_rng(3)), frames=3, size=64)
    grey = clip.frames.mean(axis=1, keepdims=True)
    faded = VideoClip(((clip.frames + grey) / 2).astype(np.uint8), clip.fps)
    dark = VideoClip(clip.frames // 2, clip.fps)
    assert score(faded) < 0.8 * score(clip)
    assert score(dark) == pytest.approx(score(clip), abs=0.01)

"""The classical detector of cuts: what it finds, and what it must not take for a cut."""

from __future__ import annotations

import numpy as np
import pytest

from evals.backbones.cuts import Cuts
from evals.train.degrade import flicker, noise
from magicvideo.clip import VideoClip, from_floats, resize
from magicvideo.world import render_clip, scene_for

PROMPTS = (
    "a large red square moving right on a plain background",
    "a small blue star moving in circles on a checkered background",
    "a green heart bouncing on a striped background",
    "a yellow ring growing on a dotted background",
)


def found(clip: VideoClip) -> list[int]:
    """The frames after which it sees a cut."""
    (arrays,) = Cuts().observe([clip])
    assert arrays["probability"].shape == (len(clip),)
    assert arrays["probability"][-1] == 0
    return [int(t) for t in np.flatnonzero(arrays["probability"] > 0.5)]


@pytest.fixture(scope="module")
def scenes() -> list[VideoClip]:
    return [render_clip(scene_for(prompt, 1), 8, 64) for prompt in PROMPTS]


def test_shots_of_different_scenes_are_told_apart(scenes: list[VideoClip]) -> None:
    joined = VideoClip(np.concatenate([clip.frames for clip in scenes]), 8.0)
    assert found(joined) == [7, 15, 23]
    assert found(resize(joined, 90, 160)) == [7, 15, 23]


def test_motion_noise_and_flicker_are_no_cuts(scenes: list[VideoClip]) -> None:
    rng = np.random.default_rng(0)
    for clip in scenes:
        assert found(clip) == []
        assert found(VideoClip(clip.frames[::-1].copy(), 8.0)) == []
        assert found(from_floats(noise(clip.floats(), 0.12, rng), 8.0)) == []
        assert found(from_floats(flicker(clip.floats(), 0.1, rng), 8.0)) == []


def test_one_sign_alone_is_not_enough(scenes: list[VideoClip]) -> None:
    frame = scenes[0].frames[0].astype(np.float32)
    darker = np.rint(frame * 0.6).astype(np.uint8)
    assert found(VideoClip(np.stack([frame.astype(np.uint8), darker]), 8.0)) == [], "the layout stays"
    aside = np.roll(scenes[0].frames[0], 30, axis=2)
    assert found(VideoClip(np.stack([scenes[0].frames[0], aside]), 8.0)) == [], "the colours stay"


def test_uniform_and_tiny_pictures_are_taken() -> None:
    levels = np.stack([np.full((3, 2, 3), v, np.uint8) for v in (0, 255, 255)])
    assert found(VideoClip(levels, 8.0)) == [0], "from black to white"
    assert found(VideoClip(levels[:1], 8.0)) == []

"""Poor video: softer than the render, still the same picture, and the same from the same draw."""

from __future__ import annotations

import numpy as np

from magicvideo.train.poor import poor
from magicvideo.world import render, sample_scene


def test_softer_and_still_the_same_picture() -> None:
    frames = render(sample_scene(np.random.default_rng(3)), np.linspace(0, 1, 4), 64)
    made = poor(frames, np.random.default_rng(0))
    assert made.dtype == np.float32
    assert made.shape == frames.shape
    error = float(((made - frames) ** 2).mean())
    assert 18 < -10 * np.log10(error) < 38  # dB
    edge = [float(np.abs(np.diff(x, axis=3)).max()) for x in (made, frames)]
    assert edge[0] < 0.95 * edge[1]


def test_one_draw_one_result() -> None:
    frames = render(sample_scene(np.random.default_rng(4)), np.linspace(0, 1, 2), 64)
    np.testing.assert_array_equal(poor(frames, np.random.default_rng(5)), poor(frames, np.random.default_rng(5)))

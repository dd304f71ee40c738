"""Sharpness on patterns whose Laplacian is known, and on clips that were blurred or made noisy."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from evals import Item, evaluate
from evals.suites import STYLE
from magicvideo.clip import VideoClip, resize
from magicvideo.world import render_clip, sample_scene


def score(clip: VideoClip) -> float:
    found = evaluate([Item("clip", clip, None, "clip")], STYLE, ["sharpness"], progress=False).scores["sharpness"].value
    assert found is not None
    return found


def still(frame: np.ndarray) -> VideoClip:
    """A grey frame [H,W], three times."""
    return VideoClip(np.broadcast_to(frame.astype(np.uint8), (3, 3, *frame.shape)), 8.0)


@pytest.fixture(scope="module")
def rendered() -> VideoClip:
    return render_clip(sample_scene(np.random.default_rng(3)), frames=4, size=128)


def test_a_chessboard_has_eight_times_its_contrast_and_a_ramp_has_none() -> None:
    y, x = np.mgrid[:128, :128]
    assert score(still(100 + 10 * (-1) ** (x + y))) == pytest.approx(80)
    assert score(still(100 + 5 * (-1) ** (x + y))) == pytest.approx(40)
    assert score(still(x)) == pytest.approx(0)


def test_blur_lowers_and_noise_raises_it(rendered: VideoClip) -> None:
    blurred = [Image.fromarray(f.transpose(1, 2, 0)).filter(ImageFilter.GaussianBlur(1.5)) for f in rendered.frames]
    soft = VideoClip(np.stack([np.asarray(f) for f in blurred]).transpose(0, 3, 1, 2), rendered.fps)
    noise = np.random.default_rng(0).normal(0, 20, rendered.frames.shape)
    noisy = VideoClip(np.clip(rendered.frames + noise, 0, 255).astype(np.uint8), rendered.fps)
    assert 2 * score(soft) < score(rendered) < score(noisy)


def test_the_size_does_not_matter_from_the_pinned_one_on_but_detail_that_was_lost_does(rendered: VideoClip) -> None:
    large = render_clip(sample_scene(np.random.default_rng(3)), frames=4, size=384)
    assert score(large) == pytest.approx(score(rendered), rel=0.15)
    assert score(resize(rendered, 32, 32)) < 0.7 * score(rendered)

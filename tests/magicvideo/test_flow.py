"""The flow interpolator on motions whose in-between frames are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from magicvideo.models.flow import interpolate_flow, pair_flow
from magicvideo.world import render, scene_with

Array = NDArray[np.float32]


def scene_frames(motion: str, times: list[float], size: int = 128) -> Array:
    return render(scene_with(np.random.default_rng(4), "star", "red", "dotted", motion), np.asarray(times), size)


def error(a: Array, b: Array) -> float:
    return float(np.square(a - b).mean())


@pytest.mark.parametrize("motion", ["right", "diagonal", "grow", "up"])
@pytest.mark.parametrize("t", [0.2, 1 / 3, 2 / 3])
def test_beats_linear_blending_on_a_moving_shape(motion: str, t: float) -> None:
    first, truth, last = scene_frames(motion, [0.4, 0.4 + 0.14 * t, 0.54])
    made = interpolate_flow(pair_flow(first, last), t).frame
    assert error(made, truth) < 0.8 * error((1 - t) * first + t * last, truth)


def test_a_shift_of_everything_is_followed() -> None:
    rng = np.random.default_rng(0)
    texture = cv2.GaussianBlur(rng.uniform(size=(96, 120, 3)).astype(np.float32), (0, 0), 2).transpose(2, 0, 1)
    texture = (texture - texture.min()) / (texture.max() - texture.min())
    first, truth, last = (np.ascontiguousarray(texture[:, :, 12 - s : 108 - s]) for s in (0, 2, 6))
    pair = pair_flow(first, last)
    assert np.abs(np.median(pair.forward, axis=(0, 1)) - [6, 0]).max() < 0.2
    made = interpolate_flow(pair, 1 / 3)
    assert np.abs(made.frame - truth)[:, 10:-10, 10:-10].mean() < 0.01
    assert made.confidence[10:-10, 10:-10].mean() > 0.9


def test_still_frames_stay() -> None:
    first = scene_frames("still", [0.0])[0]
    made = interpolate_flow(pair_flow(first, first), 0.5)
    assert np.abs(made.frame - first).max() < 1e-5
    assert made.confidence.min() > 0.9


def test_confidence_tells_good_pixels_from_bad() -> None:
    first, truth, last = scene_frames("right", [0.4, 0.47, 0.54])
    made = interpolate_flow(pair_flow(first, last), 0.5)
    wrong = np.abs(made.frame - truth).mean(0)
    sure = made.confidence > 0.7
    assert 0.3 < sure.mean() < 1
    assert wrong[sure].mean() < 0.5 * wrong[~sure].mean()
    assert made.confidence.min() >= 0
    assert made.confidence.max() <= 1


def test_unrelated_frames_get_little_confidence() -> None:
    a, b = np.random.default_rng(0).uniform(size=(2, 3, 64, 64)).astype(np.float32)
    made = interpolate_flow(pair_flow(a, b), 0.5)
    assert made.confidence.mean() < 0.3
    assert np.isfinite(made.frame).all()


@pytest.mark.parametrize("size", [(1, 1), (8, 20), (17, 40)])
def test_small_frames_are_answered(size: tuple[int, int]) -> None:
    a, b = np.random.default_rng(0).uniform(size=(2, 3, *size)).astype(np.float32)
    made = interpolate_flow(pair_flow(a, b), 0.3)
    assert made.frame.shape == (3, *size)
    assert np.isfinite(made.frame).all()
    assert made.frame.min() >= 0
    assert made.frame.max() <= 1


def test_the_same_twice() -> None:
    first, last = scene_frames("circle", [0.2, 0.34])
    one, two = (interpolate_flow(pair_flow(first, last), 0.4) for _ in range(2))
    assert np.array_equal(one.frame, two.frame)

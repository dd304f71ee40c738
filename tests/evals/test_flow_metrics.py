"""What is read from optical flow: closed forms on given flows, motion whose answer is known, others' mistakes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from evals import Item, evaluate
from evals.backbones import flow
from evals.backbones.flow import Flow, grey, middle, sample, visible, warping_error
from evals.metric import Seen
from evals.metrics import dynamic_degree, motion_magnitude, motion_smoothness
from evals.metrics import warping_error as warping
from evals.states import Unscored
from evals.suites import Suite
from magicvideo.clip import VideoClip, from_floats, resize

SUITE = Suite(
    "flow alone",
    (motion_magnitude.METRIC, dynamic_degree.METRIC, warping.METRIC, motion_smoothness.METRIC),
    {"flow": Flow},
)


def score(clip: VideoClip, metric: str) -> float | str:
    (row,) = evaluate([Item("a", clip, None, "p")], SUITE, [metric], progress=False).rows
    return row.value if row.value is not None else str(row.reason)


def number(clip: VideoClip, metric: str) -> float:
    found = score(clip, metric)
    assert isinstance(found, float), found
    return found


def constant(x: float, y: float, size: int = 32) -> np.ndarray[Any, Any]:
    return np.broadcast_to(np.array([x, y], np.float32), (size, size, 2)).copy()


@pytest.fixture(scope="module")
def texture() -> np.ndarray[Any, Any]:
    """Smooth random colours [192,192,3] on [0,1]."""
    noise = np.random.default_rng(0).uniform(size=(192, 192, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.asarray((smooth - smooth.min()) / (smooth.max() - smooth.min()), np.float32)


def pan(texture: np.ndarray[Any, Any], steps: list[float], size: int = 128, fps: float = 8.0) -> VideoClip:
    """A window over the texture, moved to the right by so many pixels (of 128) before each frame."""
    at, frames = np.cumsum(steps) + 4.0, []
    for x in at:
        shift = np.array([[1, 0, -x], [0, 1, -4.0]], np.float32)
        moved = cv2.warpAffine(texture, shift, (192, 192), flags=cv2.INTER_CUBIC)
        frames.append(moved[:128, :128].transpose(2, 0, 1))
    return resize(from_floats(np.stack(frames), fps), size, size)


# ---- arithmetic on flows that are given


def test_sampling_goes_where_the_flow_points() -> None:
    picture = np.arange(32 * 32, dtype=np.float32).reshape(32, 32)
    np.testing.assert_allclose(sample(picture, constant(3, 2))[:28, :28], picture[2:30, 3:31])


def test_a_pixel_is_visible_where_its_flow_is_undone_and_stays_inside() -> None:
    assert visible(constant(0, 0), constant(0, 0)).all()
    there = visible(constant(4, 0), constant(-4, 0))
    assert there[:, :28].all()
    assert not there[:, 28:].any(), "these end outside the picture"
    assert not visible(constant(4, 0), constant(0, 0)).any()


def test_warping_error_is_divided_by_the_visible_pixels() -> None:
    """The faulty form, divided by all pixels, would halve the error where half the picture is hidden."""
    a = np.full((32, 32, 3), 0.4, np.float32)
    b = a + 0.1
    back = constant(0, 0)
    back[:, 16:] = 9  # the right half does not come back
    b[:, 16:] += 0.4
    error, share = warping_error(a, b, constant(0, 0), back)
    assert share == 0.5
    assert error == pytest.approx(0.01, rel=1e-4)
    seen = visible(constant(0, 0), back)
    by_all_pixels = float((((sample(b, constant(0, 0)) - a) ** 2).mean(axis=2) * seen).mean())
    assert by_all_pixels == pytest.approx(0.005, rel=1e-4)
    unmasked = float(((b - a) ** 2).mean())
    assert unmasked > 0.1


def test_where_nothing_is_visible_there_is_no_error_to_speak_of() -> None:
    a = np.zeros((32, 32, 3), np.float32)
    assert warping_error(a, a + 1, constant(9, 0), constant(9, 0)) == (0.0, 0.0)
    arrays = {"warping": np.array([0.0, 0.3], np.float32), "visible": np.array([0.0, 0.01], np.float32)}
    assert isinstance(warping.value(Seen(None, {warping.STEPS: arrays})), Unscored), "not 0"
    arrays["visible"] = np.array([0.0, 0.5], np.float32)
    assert warping.value(Seen(None, {warping.STEPS: arrays})) == pytest.approx(0.3), "hidden steps do not count as 0"


def test_the_middle_of_a_uniform_motion_is_exact() -> None:
    y, x = np.mgrid[:32, :32].astype(np.float32)
    ramp = np.repeat((x + 2 * y)[..., None], 3, axis=2)
    found = middle(ramp, ramp - 4, constant(4, 0), constant(-4, 0))  # moving right by 4
    np.testing.assert_allclose(found[:, 3:-3], (ramp - 2)[:, 3:-3], atol=1e-3)


# ---- motion


def test_a_still_clip(texture: np.ndarray[Any, Any]) -> None:
    still = pan(texture, [0] * 5)
    assert number(still, "motion_magnitude") == 0
    assert number(still, "dynamic_degree") == 0
    assert number(still, "warping_error") == 0
    assert number(still, "motion_smoothness") == 1


def test_uniform_motion_is_explained_and_uneven_motion_is_not_smooth(texture: np.ndarray[Any, Any]) -> None:
    even, uneven = pan(texture, [3] * 7), pan(texture, [3, 5, 1, 5, 1, 5, 1])
    assert number(even, "warping_error") < 1e-3
    assert number(even, "motion_smoothness") > 0.99
    assert number(uneven, "motion_smoothness") < number(even, "motion_smoothness") - 0.01
    assert number(uneven, "warping_error") < 1e-3, "uneven, but still nothing but motion"


def test_flicker_is_not_explained_by_motion(texture: np.ndarray[Any, Any]) -> None:
    clip = pan(texture, [2] * 6)
    gains = np.array([1, 0.8, 1, 0.8, 1, 0.8], np.float32)[:, None, None, None]
    flickering = from_floats(clip.floats() * gains, 8.0)
    assert number(flickering, "warping_error") > 5 * number(clip, "warping_error")
    assert number(flickering, "motion_smoothness") < number(clip, "motion_smoothness")


def test_flow_sees_frames_in_grey_levels_not_in_shares_of_one(texture: np.ndarray[Any, Any]) -> None:
    """EvalCrafter feeds its flow network [0,1] where it expects 0..255: nothing moves then."""
    clip = pan(texture, [3, 3])
    a, b = grey(clip)
    assert np.linalg.norm(Flow().field(a, b), axis=2).mean() == pytest.approx(3, rel=0.1)
    faulty = Flow().field((a / 255).astype(np.uint8), (b / 255).astype(np.uint8))
    assert np.linalg.norm(faulty, axis=2).mean() < 0.3


def test_values_do_not_follow_size_and_the_scale_is_pinned(
    texture: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """VBench's smoothness is computed at a scale that follows the graphics card's memory, and moves with it."""
    clip = pan(texture, [4, 7, 1, 7, 1, 7, 1])
    pinned = number(clip, "motion_smoothness")
    larger = number(resize(clip, 256, 256), "motion_smoothness")
    assert larger == pytest.approx(pinned, abs=2e-3)
    assert str(flow.AREA) in motion_smoothness.METRIC.definition
    monkeypatch.setattr(flow, "AREA", 24 * 24)
    assert abs(number(clip, "motion_smoothness") - pinned) > 5e-3, "another scale would be another value"


def test_flow_is_observed_once_for_all_four(texture: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[str]()
    whole = Flow._look
    monkeypatch.setattr(Flow, "_look", lambda self, clip: looked.append(clip.digest) or whole(self, clip))
    evaluate([Item(str(n), pan(texture, [n] * 3), None, "p") for n in range(3)], SUITE, progress=False)
    assert len(looked) == 3


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_clips_are_unscored_where_they_must_be(texture: np.ndarray[Any, Any], frames: int) -> None:
    clip = pan(texture, [1] * frames)
    least = {"motion_magnitude": 2, "dynamic_degree": 2, "warping_error": 2, "motion_smoothness": 3}
    for metric, needed in least.items():
        assert isinstance(score(clip, metric), float) == (frames >= needed), metric


# ---- dynamic degree


def speeds(values: list[float], fps: float = 8.0, short_side: float = 1.0) -> Seen:
    arrays = {"speed": np.array(values, np.float32), "fps": np.array([fps]), "short_side": np.array([short_side])}
    return Seen(None, {dynamic_degree.STEPS: {k: v.astype(np.float32) for k, v in arrays.items()}})


LIMIT = 6 / 256 * 8
"""Shorter sides a second."""


@pytest.mark.parametrize("fps", [4.0, 8.0, 16.0, 24.0, 30.0])
def test_the_threshold_is_a_speed_at_any_frame_rate(fps: float) -> None:
    """At 8 frames a second and multiples of it exactly; 30 is thinned to 7.5, as VBench does."""
    enough, n = LIMIT * (7.5 / 8 if fps == 30 else 1), round(2 * fps)
    over, under = (speeds([enough * by] * n, fps) for by in (1.02, 0.98))
    assert dynamic_degree.value(over) == 1
    assert dynamic_degree.value(under) == 0


def test_a_quarter_of_the_frames_number_must_move() -> None:
    fast, slow = 2 * LIMIT, 0.0
    assert dynamic_degree.value(speeds([fast] * 4 + [slow] * 11)) == 1, "16 frames: 4 steps"
    assert dynamic_degree.value(speeds([fast] * 3 + [slow] * 12)) == 0
    assert dynamic_degree.value(speeds([slow])) == 0, "two frames: VBench needs 0 steps here, and calls all moving"
    assert dynamic_degree.value(speeds([fast])) == 1


def test_the_threshold_follows_the_shorter_side() -> None:
    wide = 9 / np.hypot(9, 16)
    assert dynamic_degree.value(speeds([LIMIT * wide * 1.05] * 8, short_side=wide)) == 1
    assert dynamic_degree.value(speeds([LIMIT * wide * 0.95] * 8, short_side=wide)) == 0


def test_a_clip_too_short_for_a_step_is_unscored() -> None:
    found = dynamic_degree.value(speeds([1.0, 1.0], fps=30))
    assert isinstance(found, Unscored)
    assert "3 frames at 30 a second" in found.reason

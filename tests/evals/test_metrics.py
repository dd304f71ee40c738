"""Each metric's arithmetic on inputs whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evals import Item, evaluate
from evals.distances import frechet
from evals.metric import Need, Seen
from evals.metrics import accuracy, clip_score, clip_temporal, flicker, fvd_pocket, motion_magnitude
from evals.states import Unscored
from evals.suites import POCKET, Suite
from magicvideo.clip import VideoClip, resize
from magicvideo.world import BACKGROUNDS, COLOURS, MOTIONS, SHAPES

Make = Callable[..., VideoClip]


def score(clip: VideoClip, metric: str, suite: Suite = POCKET, **item: Any) -> float | str:
    """One clip's value, or the reason."""
    about: dict[str, Any] = {"prompt": None, "prompt_id": "p", **item}
    (row,) = evaluate([Item("a", clip, **about)], suite, [metric], progress=False).rows
    return row.value if row.value is not None else str(row.reason)


def unit(*rows: tuple[float, ...]) -> np.ndarray:
    x = np.array(rows, np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_clip_score_is_the_mean_cosine_and_may_be_negative() -> None:
    seen = Seen("x", {clip_score.FRAMES: {"image": unit((1, 0), (1, 1))}, clip_score.PROMPT: {"text": unit((1, 0))[0]}})
    assert clip_score.value(seen) == pytest.approx((1 + np.sqrt(0.5)) / 2)
    opposite = Seen("x", {clip_score.FRAMES: {"image": unit((-1, 0))}, clip_score.PROMPT: {"text": unit((1, 0))[0]}})
    assert clip_score.value(opposite) == -1


def test_clip_temporal_compares_neighbours_only() -> None:
    image = unit((1, 0), (0, 1), (1, 0))
    assert clip_temporal.value(Seen(None, {clip_temporal.FRAMES: {"image": image}})) == 0
    assert clip_temporal.value(Seen(None, {clip_temporal.FRAMES: {"image": image[:1].repeat(3, 0)}})) == 1


def test_text_and_pictures_meet(suite: Suite) -> None:
    red = VideoClip(np.tile(np.array([255, 0, 0], np.uint8)[None, :, None, None], (3, 1, 8, 8)), 8.0)
    assert score(red, "clip_score", suite, prompt="a red square") == pytest.approx(1)
    assert score(red, "clip_score", suite, prompt="a blue square") < 0.5  # type: ignore[operator]


def test_reference_and_temporal_distances(suite: Suite, noise_clip: Make) -> None:
    frames = np.stack([np.full((3, 8, 8), v, np.uint8) for v in (0, 51, 102)])
    clip = VideoClip(frames, 8.0)
    reference = VideoClip(frames[1:2], 8.0)
    assert score(clip, "lpips_reference", suite, reference=reference) == pytest.approx((0.04 + 0 + 0.04) / 3)
    assert score(clip, "temporal_lpips", suite) == pytest.approx(0.04)
    same = VideoClip(noise_clip(1).frames[:1].repeat(4, 0), 8.0)
    assert score(same, "lpips_reference", suite, reference=same) == 0


def test_flicker_by_hand() -> None:
    clip = VideoClip(np.stack([np.full((3, 8, 8), v, np.uint8) for v in (10, 20, 0)]), 8.0)
    assert score(clip, "flicker") == pytest.approx((255 - 15) / 255)
    black_and_white = VideoClip(np.stack([np.full((3, 8, 8), v, np.uint8) for v in (0, 255)]), 8.0)
    assert score(black_and_white, "flicker") == 0, "differences do not wrap around in uint8"


def test_static_clips_are_told_apart() -> None:
    frames = np.full((4, 3, 32, 32), 90, np.uint8)
    assert "static" in str(score(VideoClip(frames, 8.0), "flicker"))
    frames = frames.copy()
    frames[1, 0, 0, 0] = 100
    assert flicker.STATIC > 10 / (3 * 32 * 32)
    assert "static" in str(score(VideoClip(frames, 8.0), "flicker")), "a codec's last bit is not motion"
    frames[1, 0, :8, :8] = 140
    assert score(VideoClip(frames, 8.0), "flicker") == pytest.approx(1, abs=0.01)


def moving(speed: float, size: int = 128, fps: float = 8.0, seconds: float = 1.0) -> VideoClip:
    """A textured disc on a textured ground, going right by `speed` diagonals a second; exact at any size and rate."""
    times = np.arange(round(seconds * fps)) / fps
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    ground = 0.5 + 0.2 * np.sin(17 * x) * np.cos(13 * y)
    frames = []
    for t in times:
        at = 0.2 + speed * np.sqrt(2) * t
        disc = np.clip((0.14 - np.hypot(x - at, y - 0.5)) * size + 0.5, 0, 1)
        texture = 0.5 + 0.4 * np.sin(40 * (x - at)) * np.cos(35 * y)
        frames.append(ground * (1 - disc) + texture * disc)
    grey = np.rint(np.stack(frames) * 255).astype(np.uint8)
    return VideoClip(np.repeat(grey[:, None], 3, axis=1), fps)


@pytest.mark.parametrize("speed", [0.1, 0.2, 0.4])
def test_motion_magnitude_is_the_speed_in_diagonals_a_second(speed: float) -> None:
    assert score(moving(speed), "motion_magnitude") == pytest.approx(speed, rel=0.15)


def test_motion_magnitude_depends_neither_on_size_nor_on_frame_rate() -> None:
    base = score(moving(0.2), "motion_magnitude")
    for clip in (moving(0.2, size=64), moving(0.2, size=256), moving(0.2, fps=24), moving(0.2, fps=12)):
        assert score(clip, "motion_magnitude") == pytest.approx(base, rel=0.15)


def test_a_still_clip_does_not_move_and_odd_shapes_are_taken(noise_clip: Make) -> None:
    still = VideoClip(noise_clip(0).frames[:1].repeat(3, 0), 8.0)
    assert score(still, "motion_magnitude") == 0
    assert isinstance(score(resize(noise_clip(0), 3, 400), "motion_magnitude"), float)
    assert isinstance(score(resize(noise_clip(0), 1, 1), "motion_magnitude"), float)


def test_motion_has_no_direction() -> None:
    assert motion_magnitude.METRIC.higher_is_better is None


def reader(prompt: str | None, **likely: str) -> Seen:
    """What a reader would give that finds these words most likely."""
    words = {"shape": SHAPES, "colour": COLOURS, "background": BACKGROUNDS, "motion": MOTIONS}
    arrays = {a: np.array([0.0 if w == likely[a] else -5.0 for w in words[a]], np.float32) for a in words}
    return Seen(prompt, {Need("reader"): arrays})


def test_attributes_are_compared_to_the_prompts_words() -> None:
    prompt = "a crimson star hopping on a stripy background"
    right = reader(prompt, shape="star", colour="red", background="striped", motion="bounce")
    wrong = reader(prompt, shape="star", colour="blue", background="striped", motion="still")
    metrics = (accuracy.SHAPE, accuracy.COLOUR, accuracy.BACKGROUND, accuracy.MOTION, accuracy.ATTRIBUTES)
    assert [m.value(right) for m in metrics] == [1, 1, 1, 1, 1]
    assert [m.value(wrong) for m in metrics] == [1, 0, 1, 0, 0]


def test_a_prompt_that_names_no_attribute_is_unscored() -> None:
    seen = reader("a red dog in the rain", shape="star", colour="red", background="plain", motion="still")
    assert accuracy.COLOUR.value(seen) == 1
    for metric, word in ((accuracy.SHAPE, "shape"), (accuracy.MOTION, "motion"), (accuracy.ATTRIBUTES, "background")):
        found = metric.value(seen)
        assert isinstance(found, Unscored)
        assert f"no {word}" in found.reason


def sets(n: int, noise_clip: Make) -> list[Item]:
    return [Item(str(i), noise_clip(i), None, f"p{i % 5}") for i in range(n)]


def test_fvd_is_the_frechet_distance_of_the_sets_moments(suite: Suite, noise_clip: Make) -> None:
    items = sets(12, noise_clip)
    found = evaluate(items, suite, ["fvd_pocket"], progress=False).scores["fvd_pocket"]
    video = suite.backbones["video"]()
    x = np.stack([video.observe([i.clip])[0]["embedding"] for i in items]).astype(float)
    cov = np.cov(x, rowvar=False)
    assert found.value == pytest.approx(frechet(x.mean(0), cov, video.reference_mean, video.reference_cov), rel=1e-6)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    assert "|n=12|reference=rendered:500|cov=N-1|biased at small n" in found.protocol


def test_fvd_against_clips_of_ones_own(suite: Suite, noise_clip: Make) -> None:
    own = [noise_clip(i) for i in range(12)]
    other = [noise_clip(i) for i in range(50, 62)]
    to_itself, to_other = (
        evaluate(sets(12, noise_clip), suite, ["fvd_pocket"], progress=False, reference_set=reference).scores[
            "fvd_pocket"
        ]
        for reference in (own, other)
    )
    assert to_itself.value == pytest.approx(0, abs=1e-6)
    assert to_other.value is not None
    assert to_other.value > 1e-6
    assert to_itself.protocol != to_other.protocol, "another reference set is another protocol"


def test_fvd_of_few_clips_is_unscored_with_the_reason(suite: Suite, noise_clip: Make) -> None:
    found = evaluate(sets(9, noise_clip), suite, ["fvd_pocket"], progress=False)
    assert (found.scores["fvd_pocket"].value, found.scores["fvd_pocket"].unscored) == (None, 9)
    assert {row.reason for row in found.rows} == {"a set of 9 clip(s); a Frechet distance needs at least 10"}
    few = evaluate(sets(12, noise_clip), suite, ["fvd_pocket"], progress=False, reference_set=[noise_clip(1)])
    assert "the reference set holds 1 clip(s)" in str(few.rows[0].reason)


def test_fvd_of_one_prompt_has_no_interval(suite: Suite, noise_clip: Make) -> None:
    items = [replace(item, prompt_id="p") for item in sets(12, noise_clip)]
    found = evaluate(items, suite, ["fvd_pocket"], progress=False).scores["fvd_pocket"]
    assert (found.low, found.high) == (None, None)
    assert found.value is not None


def test_an_embedding_keeps_its_precision() -> None:
    embedding = fvd_pocket.value(Seen(None, {fvd_pocket.VIDEO: {"embedding": np.ones(3, np.float32)}}))
    assert embedding.dtype == np.float64

"""The pocket suite on the shipped weights: true renders score well, and each metric notices what it should."""

from __future__ import annotations

import numpy as np
import pytest

from evals import Evaluation, Item, evaluate
from magicvideo.clip import VideoClip
from magicvideo.world import Scene, caption, render_clip, sample_scene


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Held-out scenes that move."""
    rng = np.random.default_rng(20_26)
    drawn = [sample_scene(rng, "held_out") for _ in range(60)]
    return [scene for scene in drawn if scene.motion != "still"][:32]


def score(scenes: list[Scene], clips: list[VideoClip], prompts: list[str] | None = None) -> Evaluation:
    prompts = prompts or [caption(scene, None) for scene in scenes]
    return evaluate(
        [
            Item(str(n), clip, prompt, f"p{n}", VideoClip(render_clip(scene, 8, 64).frames[:1], 8.0))
            for n, (scene, clip, prompt) in enumerate(zip(scenes, clips, prompts, strict=True))
        ],
        progress=False,
    )


@pytest.fixture(scope="module")
def true(scenes: list[Scene]) -> Evaluation:
    return score(scenes, [render_clip(scene, 8, 64) for scene in scenes])


def value(found: Evaluation, metric: str) -> float:
    number = found.scores[metric].value
    assert number is not None
    return number


@pytest.mark.parametrize("attribute", ["shape", "colour", "background", "motion"])
def test_true_renders_show_what_their_captions_say(true: Evaluation, attribute: str) -> None:
    assert value(true, f"{attribute}_accuracy") >= 0.9
    assert min(true.figures[f"{attribute}_accuracy"].values()) >= 0.97


def test_other_prompts_fit_less(true: Evaluation, scenes: list[Scene]) -> None:
    prompts = [caption(scene, None) for scene in scenes]
    found = score(scenes, [render_clip(scene, 8, 64) for scene in scenes], [*prompts[1:], prompts[0]])
    assert value(found, "clip_score") < value(true, "clip_score")
    assert value(found, "attribute_accuracy") <= 0.1 < value(true, "attribute_accuracy")


def test_noise_is_noticed(true: Evaluation, scenes: list[Scene]) -> None:
    rng = np.random.default_rng(0)
    clips = [render_clip(scene, 8, 64) for scene in scenes]
    noisy = [VideoClip(_noised(clip, rng), clip.fps) for clip in clips]
    found = score(scenes, noisy)
    for metric, worse in (
        ("aesthetic", -1),
        ("flicker", -1),
        ("clip_temporal", -1),
        ("temporal_lpips", 1),
        ("lpips_reference", 1),
        ("fvd_pocket", 1),
    ):
        assert worse * (value(found, metric) - value(true, metric)) > 0, metric


def test_shuffled_frames_are_noticed_by_what_looks_at_time(true: Evaluation, scenes: list[Scene]) -> None:
    clips = [render_clip(scene, 8, 64) for scene in scenes]
    order = [3, 7, 0, 5, 2, 6, 1, 4]
    found = score(scenes, [VideoClip(clip.frames[order], clip.fps) for clip in clips])
    assert value(found, "motion_accuracy") < value(true, "motion_accuracy") - 0.2
    assert value(found, "fvd_pocket") > value(true, "fvd_pocket")
    assert value(found, "temporal_lpips") > value(true, "temporal_lpips")
    assert value(found, "clip_score") == pytest.approx(value(true, "clip_score"), abs=1e-6), "frame by frame"


def _noised(clip: VideoClip, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, 25, size=clip.frames.shape)
    return np.clip(np.rint(clip.frames + noise), 0, 255).astype(np.uint8)

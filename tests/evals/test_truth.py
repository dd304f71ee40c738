"""Metrics against a known truth: closed forms, torchmetrics' values, and reasons where there is nothing to compare."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from evals import Item, evaluate
from evals.backbones.truth import Fidelity
from evals.cli import add_arguments, run
from evals.features import ToTruth
from evals.metrics import fault_remaining, trajectory, truth
from evals.suites import SUITES, Suite
from magicvideo.clip import VideoClip, from_floats, resize, write_lossless
from magicvideo.errors import InputError
from magicvideo.stage_config import Fault
from magicvideo.world import faulty_picture, pose, render, render_clip, scene_for

FAULTS = [kind for kind in get_args(Fault) if kind != "none"]
PROMPT = "a large red square moving right on a plain background"


class SquaredError:
    id = "mse-v1"

    def distance(self, a: Any, b: Any) -> Any:
        return (((a.astype(np.float32) - b) / 255) ** 2).mean(axis=(1, 2, 3))

    def steps(self, frames: Any) -> Any:
        return self.distance(frames[:-1], frames[1:])


NUMPY = Suite(
    "truth in NumPy",
    metrics=tuple(m for m in SUITES["truth"].metrics if m.name in SUITES["truth"].truthful),
    backbones={**SUITES["truth"].backbones, "perceptual_to_truth": lambda: ToTruth(SquaredError())},
)


def score(metric: str, clip: VideoClip, true: VideoClip | None, **item: Any) -> float | str:
    """One clip's value, or the reason."""
    (row,) = evaluate([Item("a", clip, None, "p", truth=true, **item)], NUMPY, [metric], progress=False).rows
    return row.value if row.value is not None else str(row.reason)


@pytest.fixture(scope="module")
def pair() -> tuple[VideoClip, VideoClip]:
    """A clip and its truth, 7 frames of 32 x 32: the true one, shaken."""
    true = render_clip(scene_for(PROMPT, 0), 7, 32)
    shaken = true.floats() + np.random.default_rng(0).normal(0, 0.05, true.frames.shape)
    return from_floats(shaken, 8.0), true


# ---- pixels


def test_psnr_and_ssim_are_those_of_torchmetrics(pair: tuple[VideoClip, VideoClip]) -> None:
    clip, true = pair
    a, b = torch.from_numpy(clip.floats()), torch.from_numpy(true.floats())
    psnr = peak_signal_noise_ratio(a, b, data_range=1.0, reduction="none", dim=(1, 2, 3))
    ssim = structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    assert score("psnr_truth", clip, true) == pytest.approx(float(psnr.mean()), rel=1e-5)
    assert score("ssim_truth", clip, true) == pytest.approx(float(ssim.mean()), rel=1e-5)
    assert score("lpips_truth", clip, true) == pytest.approx(float(((a - b) ** 2).mean()), rel=1e-4)


def test_equal_clips_reach_what_rounding_leaves() -> None:
    clip = render_clip(scene_for(PROMPT, 0), 3, 32)
    assert score("psnr_truth", clip, clip) == pytest.approx(10 * np.log10(12 * 255**2))
    assert score("ssim_truth", clip, clip) == pytest.approx(1)
    assert score("lpips_truth", clip, clip) == 0


def test_one_level_everywhere_is_48_decibels() -> None:
    grey = VideoClip(np.full((2, 3, 16, 16), 100, np.uint8), 8.0)
    other = VideoClip(np.full((2, 3, 16, 16), 101, np.uint8), 8.0)
    assert score("psnr_truth", grey, other) == pytest.approx(20 * np.log10(255), abs=1e-4)


def test_only_frames_in_between_count(pair: tuple[VideoClip, VideoClip]) -> None:
    clip, true = pair
    mixed = clip.frames.copy()
    mixed[::3] = true.frames[::3]
    value = score("psnr_between", VideoClip(mixed, 8.0), true, key_every=3)
    a, b = torch.from_numpy(clip.floats()), torch.from_numpy(true.floats())
    psnr = peak_signal_noise_ratio(a, b, data_range=1.0, reduction="none", dim=(1, 2, 3))
    assert value == pytest.approx(float(psnr[[1, 2, 4, 5]].mean()), rel=1e-5)
    assert score("psnr_truth", VideoClip(mixed, 8.0), true) > value  # type: ignore[operator]
    for metric in ("psnr_between", "ssim_between", "lpips_between"):
        assert "not known" in str(score(metric, clip, true))
        assert "no frame" in str(score(metric, clip, true, key_every=1))


def test_what_cannot_be_compared_says_why(pair: tuple[VideoClip, VideoClip]) -> None:
    clip, true = pair
    for metric in NUMPY.names:
        assert score(metric, clip, None, reference=clip) == "no truth"
    assert score("fault_remaining", clip, true) == "no reference"
    short = VideoClip(true.frames[:3], 8.0)
    assert "the truth has 3 frame(s), the clip 7" in str(score("psnr_truth", clip, short))
    tiny = VideoClip(clip.frames[:, :, :8, :8], 8.0)
    assert "11 a side" in str(score("ssim_truth", tiny, tiny))
    large = resize(true, 64, 64)
    assert isinstance(score("psnr_truth", clip, large), float), "another size is resized"


def test_needs_are_told_apart_in_one_evaluation(pair: tuple[VideoClip, VideoClip]) -> None:
    """Items with and without truth, side by side: each gets its own."""
    clip, true = pair
    items = [
        Item("with", clip, None, "p", truth=true),
        Item("without", clip, None, "q"),
        Item("t", true, None, "r", truth=true),
    ]
    rows = {r.item: r for r in evaluate(items, NUMPY, ["psnr_truth"], progress=False).rows}
    assert rows["without"].reason == "no truth"
    assert rows["with"].value < rows["t"].value  # type: ignore[operator]


# ---- trajectory


def test_a_shifted_path_is_off_by_its_shift() -> None:
    scene = scene_for(PROMPT, 0)
    true = render_clip(scene, 7, 64)
    shifted = VideoClip(np.roll(true.frames, 4, axis=2), 8.0)
    assert score("trajectory_error", shifted, true) == pytest.approx(4 / 64, abs=1e-4)
    assert score("trajectory_error", true, true) == 0


def test_a_static_copy_is_the_ratios_one_and_the_path_is_the_worlds() -> None:
    scene = scene_for(PROMPT, 0)
    true = render_clip(scene, 7, 64)
    static = VideoClip(true.frames[:1].repeat(7, 0), 8.0)
    assert score("trajectory_ratio", static, true) == pytest.approx(1)
    assert score("trajectory_ratio", true, true) == 0
    assert score("trajectory_error", static, true) == pytest.approx(0.38 / 2, abs=0.01), "half of the travel"
    reverse = VideoClip(true.frames[::-1], 8.0)
    assert score("trajectory_ratio", reverse, true) == pytest.approx(1.14, abs=0.05)


def test_still_scenes_and_lost_shapes_are_unscored() -> None:
    still = render_clip(scene_for("a red square standing still on a plain background", 0), 4, 32)
    assert score("trajectory_error", still, still) == 0
    assert "static copy" in str(score("trajectory_ratio", still, still))
    moving = render_clip(scene_for(PROMPT, 0), 4, 32)
    grey = VideoClip(np.full_like(moving.frames, 120), 8.0)
    assert "no coloured shape" in str(score("trajectory_error", grey, moving))
    assert "frame 0 of the clip" in str(score("trajectory_ratio", grey, moving))


@pytest.mark.parametrize("seed", range(12))
def test_backgrounds_do_not_pull_at_the_middle(seed: int) -> None:
    """Shape and shadow apart: where the shape is a disc its middle is the pose's."""
    scene = scene_for("a circle", seed)
    times = np.linspace(0, 1, 5)
    found, share = trajectory.path(from_floats(render(scene, times, 64), 8.0).frames)
    p = pose(scene, times)
    assert share.min() > trajectory.LEAST_SHARE
    assert np.hypot(found[:, 0] - p.x, found[:, 1] - p.y).max() < 0.045


# ---- planted faults


def pictures(kind: Fault, size: int, seed: int = 0) -> tuple[VideoClip, VideoClip, VideoClip]:
    """Reference with the fault at 128 pixels, reference without, truth at `size`."""
    prompt = "a large ribbed red star moving left on a striped background"
    faulty, clean = (from_floats(faulty_picture(prompt, seed, k, 128), 1.0) for k in (kind, "none"))
    return faulty, clean, render_clip(scene_for(prompt, seed), 3, size)


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("kind", FAULTS)
def test_the_share_goes_from_none_to_all_of_the_fault(kind: Fault, size: int) -> None:
    faulty, clean, true = pictures(kind, size)

    def remaining(picture: VideoClip) -> float | str:
        return score("fault_remaining", resize(picture, size, size), _first_of(true), reference=faulty)

    half = from_floats((faulty.floats() + clean.floats()) / 2, 1.0)
    assert remaining(faulty) == pytest.approx(1, abs=0.001)
    assert remaining(clean) == pytest.approx(0, abs=0.06 if size == 64 else 0.001)
    assert remaining(half) == pytest.approx(0.5, abs=0.05 if size == 64 else 0.02)


def _first_of(clip: VideoClip) -> VideoClip:
    return VideoClip(clip.frames[:1], clip.fps)


def test_only_the_first_frame_and_the_faults_place_count() -> None:
    faulty, clean, true = pictures("colour_patch", 128)
    noisy = true.frames.copy()
    noisy[1:] = 0
    noisy[0, :, :8, :8] = 255
    assert score("fault_remaining", VideoClip(noisy, 8.0), true, reference=faulty) == pytest.approx(0, abs=0.001)
    assert "no fault was planted" in str(score("fault_remaining", true, true, reference=clean))


def test_the_suite_names_what_needs_the_truth() -> None:
    assert set(SUITES["truth"].truthful) == set(SUITES["truth"].names) - set(SUITES["pocket"].names)
    assert SUITES["pocket"].truthful == ()
    assert truth.PSNR.definition != truth.PSNR_BETWEEN.definition
    assert Fidelity.id.startswith("fidelity-v1")
    assert str(fault_remaining.VISIBLE) in fault_remaining.METRIC.definition


# ---- a folder


def test_a_folder_against_a_folder(tmp_path: Path, pair: tuple[VideoClip, VideoClip]) -> None:
    clip, true = pair
    for name, some in (("videos", clip), ("true", true)):
        write_lossless(tmp_path / name / "a.mkv", some)
    write_lossless(tmp_path / "videos" / "b.mkv", clip)
    parser = ArgumentParser()
    add_arguments(parser)
    words = [
        tmp_path / "videos",
        "--truth",
        tmp_path / "true",
        "--suite",
        "truth",
        "--metrics",
        "psnr_truth,ssim_truth",
    ]
    asked = parser.parse_args([str(word) for word in [*words, "--out", tmp_path / "run"]])
    asked.json = True
    result = run(asked)
    assert result["metrics"]["psnr_truth"]["n"] == 1
    assert [u["reason"] for u in result["unscored"]] == ["no truth"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["truth"] == str(tmp_path / "true")
    asked.suite, asked.metrics = "pocket", "flicker"
    with pytest.raises(InputError, match="--suite truth"):
        run(asked)

"""What backbones give: shapes, ranges, and numbers that depend on the clip alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from evals.backbones import load
from evals.backbones.frames import SIDE, even_indices, square
from evals.backbones.trunk import FrameTrunk, fold, with_contrast
from magicvideo.clip import VideoClip
from magicvideo.world import render_clip, sample_scene

OBSERVERS = ("pocket-clip", "pocket-reader", "pocket-video")


def clips() -> list[VideoClip]:
    """Different lengths (1, more than a chunk, fewer than are looked at) and sizes (small, wide, tall)."""
    rng = np.random.default_rng(3)

    def noise(t: int, h: int, w: int) -> VideoClip:
        return VideoClip(rng.integers(0, 256, (t, 3, h, w), dtype=np.uint8), 8.0)

    return [noise(1, 64, 64), noise(70, 40, 64), noise(5, 128, 96), render_clip(sample_scene(rng), 22, 64)]


@pytest.mark.parametrize("name", OBSERVERS)
def test_a_clips_numbers_do_not_depend_on_the_others(untrained: Path, name: str) -> None:
    backbone, given = load(name), clips()
    together = backbone.observe(given)
    for clip, arrays in zip(reversed(given), reversed(together), strict=True):
        (alone,) = backbone.observe([clip])
        for key, array in arrays.items():
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, alone[key])


def test_a_frames_numbers_do_not_depend_on_its_place(untrained: Path) -> None:
    backbone, clip = load("pocket-clip"), clips()[1]
    whole = backbone.observe([clip])[0]
    for t in (0, 31, 32, 69):
        one = backbone.observe([VideoClip(clip.frames[t : t + 1], 8.0)])[0]
        np.testing.assert_allclose(whole["image"][t], one["image"][0], atol=1e-5)
        np.testing.assert_allclose(whole["aesthetic"][t], one["aesthetic"][0], atol=1e-4)


def test_shapes_ranges_and_lengths(untrained: Path) -> None:
    for clip, seen in zip(clips(), load("pocket-clip").observe(clips()), strict=True):
        assert seen["image"].shape == (len(clip), 128)
        assert seen["aesthetic"].shape == (len(clip),)
        np.testing.assert_allclose(np.linalg.norm(seen["image"], axis=1), 1, atol=1e-5)
        assert seen["aesthetic"].min() >= 1
        assert seen["aesthetic"].max() <= 10
    for read in load("pocket-reader").observe(clips()):
        assert {k: v.shape for k, v in read.items()} == {
            "shape": (8,),
            "colour": (8,),
            "background": (4,),
            "motion": (11,),
        }
        for logs in read.values():
            assert np.exp(logs).sum() == pytest.approx(1, abs=1e-5)
    assert all(v["embedding"].shape == (96,) for v in load("pocket-video").observe(clips()))


def test_no_clips_no_rows(untrained: Path) -> None:
    assert all(load(name).observe([]) == [] for name in OBSERVERS)
    assert load("pocket-clip").text([]).shape == (0, 128)


def test_even_indices_keep_the_ends_and_repeat_when_short() -> None:
    assert even_indices(22, 8).tolist() == [0, 3, 6, 9, 12, 15, 18, 21]
    assert even_indices(3, 8).tolist() == [0, 0, 1, 1, 1, 1, 2, 2]
    assert even_indices(1, 8).tolist() == [0] * 8


def test_square_cuts_the_middle_and_averages_areas() -> None:
    frames = np.zeros((1, 3, 128, 192), np.uint8)
    frames[..., 32:160] = 200
    frames[..., 0::2, 32:160] = 100
    np.testing.assert_allclose(square(frames), 150 / 255, atol=1e-6)
    exact = np.random.default_rng(0).integers(0, 256, (2, 3, SIDE, SIDE), dtype=np.uint8)
    np.testing.assert_array_equal(square(exact), exact.astype(np.float32) / np.float32(255))


def test_contrast_shows_a_pattern_alike_on_any_brightness() -> None:
    pattern = torch.zeros(1, 3, 24, 24)
    pattern[..., ::4] = 0.1
    dark, light = with_contrast(pattern + 0.1), with_contrast(pattern + 0.8)
    torch.testing.assert_close(dark[:, 3:], light[:, 3:], atol=1e-5, rtol=0)
    torch.testing.assert_close(light[:, :3] - dark[:, :3], torch.full((1, 3, 24, 24), 1.4), atol=1e-5, rtol=0)
    assert with_contrast(torch.full((1, 3, 9, 9), 0.3))[:, 3:].abs().max() < 1e-5


def test_folding_batch_normalisation_changes_nothing() -> None:
    torch.manual_seed(1)
    trunk, x = FrameTrunk(training_form=True), torch.rand(4, 3, 33, 47)
    trunk.train()
    for _ in range(3):
        trunk(torch.rand(8, 3, 32, 32))
    before = trunk.eval()(x)
    fold(trunk)
    plain = FrameTrunk()
    plain.load_state_dict(trunk.state_dict())
    for one, two in zip(before, plain(x), strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


def test_the_embedding_is_what_open_clip_computes(untrained: Path) -> None:
    network = load("pocket-clip").network
    x: NDArray[np.float32] = square(clips()[3].frames)
    with torch.inference_mode():
        ours = network.image(torch.from_numpy(x))
        theirs = network.clip.encode_image(with_contrast(torch.from_numpy(x)), normalize=True)
    torch.testing.assert_close(ours, theirs)

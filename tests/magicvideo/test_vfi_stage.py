"""Stage 4: counts, what passes through untouched, the fusion, and what the shipped weights reach."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from magicvideo.clip import VideoClip, from_floats
from magicvideo.errors import InputError
from magicvideo.models import pocket
from magicvideo.models.interpolator import Interpolator
from magicvideo.stage_config import VFIKind
from magicvideo.stages.vfi import fuse, fusion_basis, interpolate, still_pixels
from magicvideo.train.gaps import gap_scenes, sample_gap
from magicvideo.train.vfi import fit_fusion
from magicvideo.world import render_clip, scene_with

KINDS: tuple[VFIKind, ...] = ("fused", "edsc", "flow", "linear", "nearest")


@pytest.fixture(scope="module")
def model() -> Interpolator:
    torch.manual_seed(0)
    made = Interpolator().eval()
    made.flow_weight.fill_(0.3)
    return made


def moving(frames: int = 3, size: int = 48) -> VideoClip:
    return render_clip(scene_with(np.random.default_rng(0), "star", "red", "striped", "right"), frames, size)


@pytest.mark.parametrize(("frames", "expected"), [(8, 22), (32, 94)])
def test_counts_of_the_paper(frames: int, expected: int, model: Interpolator) -> None:
    clip = moving(frames, 16)
    for kind in KINDS:
        made = interpolate(clip, 3, kind, model)
        assert len(made) == expected
        assert made.fps == clip.fps * 3
        assert np.array_equal(made.frames[::3], clip.frames)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(frames=st.integers(1, 4), factor=st.integers(1, 5), height=st.integers(1, 24), width=st.integers(1, 24))
def test_any_factor_any_size(
    kind: VFIKind, frames: int, factor: int, height: int, width: int, model: Interpolator
) -> None:
    noise = np.random.default_rng(frames).integers(0, 256, (frames, 3, height, width), dtype=np.uint8)
    clip = VideoClip(noise, 5.0)
    made = interpolate(clip, factor, kind, model)
    assert len(made) == factor * (frames - 1) + 1
    assert np.array_equal(made.frames[::factor], clip.frames)


@pytest.mark.parametrize("kind", ["fused", "edsc", "flow", "linear"])
def test_in_between_frames_are_made(kind: VFIKind, model: Interpolator) -> None:
    made = interpolate(moving(), 3, kind, model)
    for n in (1, 2, 4, 5):
        assert not np.array_equal(made.frames[n], made.frames[n - 1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_static_clip_is_unchanged(kind: VFIKind, model: Interpolator) -> None:
    clip = VideoClip(moving(1).frames.repeat(4, axis=0), 8.0)
    made = interpolate(clip, 3, kind, model)
    assert (made.frames == clip.frames[0]).all()
    assert len(made) == 10


@pytest.mark.parametrize("kind", ["fused", "edsc", "flow"])
def test_pixels_far_from_any_change_stay(kind: VFIKind, model: Interpolator) -> None:
    base = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64), dtype=np.uint8).repeat(2, axis=0)
    base[1, :, 50:60, 50:60] = 0
    made = interpolate(VideoClip(base, 8.0), 3, kind, model)
    assert (made.frames[:, :, :40, :40] == base[0, :, :40, :40]).all()
    assert not np.array_equal(made.frames[1], base[0])


def test_a_pixel_that_something_jumps_over_is_not_still() -> None:
    first, last = np.zeros((2, 3, 128, 128), np.uint8)
    first[:, 60:70, 40:50] = 255
    last[:, 60:70, 62:72] = 255
    still = still_pixels(first, last)
    assert not still[65, 56]
    assert still[0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_call_gives_the_same_bytes(kind: VFIKind, model: Interpolator) -> None:
    assert interpolate(moving(), 3, kind, model) == interpolate(moving(), 3, kind, model)


def test_a_gap_does_not_see_the_others(model: Interpolator) -> None:
    clip = moving(4)
    whole = interpolate(clip, 3, "edsc", model).frames.astype(int)
    alone = interpolate(VideoClip(clip.frames[1:3], 8.0), 3, "edsc", model).frames.astype(int)
    assert np.abs(whole[3:7] - alone).max() <= 1  # float arithmetic may differ by batch in the last bit


def test_nearest_holds_the_closer_key_frame() -> None:
    clip = moving(2)
    assert [int(np.array_equal(f, clip.frames[1])) for f in interpolate(clip, 4, "nearest").frames] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize("factor", [2, 3])
def test_minterpolate_moves_the_shape_evenly_and_keeps_key_frames(factor: int) -> None:
    clip = render_clip(scene_with(np.random.default_rng(0), "square", "red", "plain", "right"), 5, 64)
    made = interpolate(clip, factor, "minterpolate")
    assert (len(made), made.fps) == (4 * factor + 1, 8.0 * factor)
    assert np.array_equal(made.frames[::factor], clip.frames)
    red = made.frames[:, 0].astype(float) - made.frames[:, 1]
    weight = np.clip(red - 60, 0, None)
    at = (weight * np.arange(64)).sum((1, 2)) / weight.sum((1, 2))
    assert np.diff(at).min() > 0.5, "every frame lies between its key frames, in order"
    assert interpolate(clip, factor, "minterpolate") == made


def test_without_ffmpeg_minterpolate_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("magicvideo.stages.minterpolate.version", absent)
    with pytest.raises(InputError, match=r"magicvideo\[ffmpeg\]"):
        interpolate(moving(), 2, "minterpolate")


def test_passed_through_as_it_is(model: Interpolator) -> None:
    clip = moving()
    assert interpolate(clip, 3, "off") is clip
    assert interpolate(clip, 1, "fused", model) is clip
    image = moving(1)
    assert interpolate(image, 3, "fused", model) is image


def test_linear_is_linear() -> None:
    clip = VideoClip(np.stack([np.full((3, 8, 8), v, np.uint8) for v in (0, 90)]), 8.0)
    assert interpolate(clip, 3, "linear").frames[:, 0, 0, 0].tolist() == [0, 30, 60, 90]


def test_kinds_differ(model: Interpolator) -> None:
    digests = {interpolate(moving(), 3, kind, model).digest for kind in KINDS}
    assert len(digests) == len(KINDS)


def test_bad_calls_are_answered(model: Interpolator) -> None:
    with pytest.raises(InputError, match=r"vfi\.factor"):
        interpolate(moving(), 0, "linear")
    with pytest.raises(InputError, match="needs the interpolator's weights"):
        interpolate(moving(), 3, "fused")
    with pytest.raises(InputError, match="unknown kind"):
        interpolate(moving(), 3, "best", model)  # type: ignore[arg-type]


def test_fusion_lies_between_the_two() -> None:
    rng = np.random.default_rng(0)
    one, two = rng.uniform(size=(2, 3, 20, 30)).astype(np.float32)
    confidence = rng.uniform(size=(20, 30)).astype(np.float32)
    assert np.allclose(fusion_basis(one, two, confidence).sum(-1), 1, atol=1e-6)
    assert np.array_equal(fuse(one, two, confidence, np.zeros((5, 5), np.float32)), one)
    assert np.allclose(fuse(one, two, confidence, np.ones((5, 5), np.float32)), two, atol=1e-6)
    rows = np.linspace(0, 1, 5, dtype=np.float32)[:, None].repeat(5, axis=1)  # the weight is the confidence itself
    flat = np.full((20, 30), 0.6, np.float32)
    assert np.allclose(fuse(one, two, flat, rows), one + 0.6 * (two - one), atol=1e-5)


def test_fitted_fusion_prefers_the_flow_to_an_untrained_model() -> None:
    torch.manual_seed(0)
    table = fit_fusion(Interpolator().eval(), count=4)
    assert table.shape == (5, 5)
    assert table.min() >= 0
    assert table.max() <= 1
    assert table[-1].max() > 0.6  # where the flow is confident


@pytest.fixture(scope="module")
def shipped() -> Interpolator:
    return pocket.interpolator()


def test_shipped_weights_beat_linear_blending(shipped: Interpolator) -> None:
    """Mean PSNR over held-out scenes at t = 1/3 and 2/3, as between 8 key frames of 128 x 128."""
    rng = np.random.default_rng(77)
    scores: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for scene in gap_scenes(rng, 12, "held_out"):
        gap = sample_gap(rng, scene, 128, times=(1 / 3, 2 / 3), share=1 / 7, worn=False)
        keys = from_floats(gap.frames[[0, -1]], 8.0)
        for kind in KINDS:
            made = interpolate(keys, 3, kind, shipped).floats()[1:-1]
            scores[kind].append(-10 * np.log10(np.square(made - gap.frames[1:-1]).mean()))
    means = {kind: float(np.mean(values)) for kind, values in scores.items()}
    assert means["edsc"] > means["linear"] + 3, means
    assert means["fused"] > means["linear"] + 3, means
    assert means["fused"] > means["edsc"] - 0.1, means
    assert means["fused"] > means["flow"], means

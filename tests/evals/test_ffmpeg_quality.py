"""VMAF and XPSNR: identity, direction, batch invariance, and reasons where ffmpeg or a truth is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from evals import Item, evaluate
from evals.backbones import ffmpeg
from evals.backbones.ffmpeg import MOST, FfmpegQuality
from evals.suites import TRUTH
from magicvideo.clip import VideoClip, resize
from magicvideo.errors import InputError
from magicvideo.world import render_clip, scene_for

PROMPT = "a large red square moving right on a striped background"
NAMES = ["vmaf", "xpsnr"]


@pytest.fixture(scope="module")
def true() -> VideoClip:
    return render_clip(scene_for(PROMPT, 0), 6, 96)


def blurred(clip: VideoClip, sigma: float) -> VideoClip:
    soft = gaussian_filter(clip.frames.astype(np.float32), (0, 0, sigma, sigma))
    return VideoClip(np.rint(soft).astype(np.uint8), clip.fps)


def coarser(clip: VideoClip, levels: int) -> VideoClip:
    """Fewer grey levels, as heavy compression leaves."""
    return VideoClip((clip.frames // levels * levels + levels // 2).astype(np.uint8), clip.fps)


@pytest.fixture
def nothing_remembered() -> Iterator[None]:
    ffmpeg._version.cache_clear()
    yield
    ffmpeg._version.cache_clear()


def test_equal_clips_are_at_the_ceiling(true: VideoClip) -> None:
    (found,) = FfmpegQuality().observe_pairs([(true, true)])
    assert found["vmaf"].shape == found["xpsnr"].shape == (6,)
    assert (found["vmaf"][1:] == 100).all()
    assert found["vmaf"][0] > 97, "no motion is known before the second frame"
    assert found["xpsnr"] == pytest.approx(MOST)


@pytest.mark.parametrize("damage", [[blurred, 0.7, 1.5, 3.0], [coarser, 12, 40, 80]], ids=["blur", "coarse levels"])
def test_more_damage_scores_lower(true: VideoClip, damage: list) -> None:
    damaged = [damage[0](true, strength) for strength in damage[1:]]
    scores = evaluate(
        [Item(str(n), clip, None, str(n), truth=true) for n, clip in enumerate([true, *damaged])],
        TRUTH,
        NAMES,
        progress=False,
    )
    for name in NAMES:
        values = [row.value for row in scores.rows if row.metric == name]
        assert all(a > b for a, b in pairwise(values)), (name, values)


def test_a_clips_value_does_not_depend_on_its_neighbours(true: VideoClip) -> None:
    soft = blurred(true, 1)
    together = FfmpegQuality().observe_pairs([(soft, true), (true, true), (soft, true)])
    (alone,) = FfmpegQuality().observe_pairs([(soft, true)])
    for found in (together[0], together[2]):
        assert all(np.array_equal(found[name], alone[name]) for name in NAMES)


def test_sizes_are_matched_and_lengths_must_be_equal(true: VideoClip) -> None:
    odd = resize(true, 75, 83)
    (found,) = FfmpegQuality().observe_pairs([(odd, true)])
    assert found["vmaf"].mean() > 97
    (single,) = FfmpegQuality().observe_pairs([(VideoClip(true.frames[:1], 8.0),) * 2])
    assert len(single["vmaf"]) == 1
    with pytest.raises(InputError, match="6 frame"):
        FfmpegQuality().observe_pairs([(VideoClip(true.frames[:3], 8.0), true)])


def test_what_ffmpeg_refuses_is_the_clips_reason(true: VideoClip) -> None:
    tiny = VideoClip(true.frames[:, :, :4, :4], 8.0)
    found = evaluate([Item("tiny", tiny, None, "p", truth=tiny)], TRUTH, NAMES, progress=False)
    assert all(row.value is None and "ffmpeg" in str(row.reason) for row in found.rows)


def test_it_does_not_wait_for_ever(true: VideoClip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg, "SECONDS", 0.001)
    with pytest.raises(InputError, match="longer than"):
        FfmpegQuality().observe_pairs([(true, true)])


@pytest.mark.usefixtures("nothing_remembered")
def test_without_the_package_clips_are_unscored_with_the_remedy(
    true: VideoClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    items = [Item("a", true, None, "p", truth=true), Item("b", true, None, "q")]
    found = evaluate(items, TRUTH, [*NAMES, "psnr_truth"], progress=False)
    reasons = {(row.item, row.metric): row.reason for row in found.rows}
    assert all("pip install 'magicvideo[ffmpeg]'" in str(reasons["a", name]) for name in NAMES)
    assert reasons["b", "vmaf"] == "no truth"
    assert found.scores["psnr_truth"].value == pytest.approx(MOST)
    assert "not-installed" in found.scores["vmaf"].protocol

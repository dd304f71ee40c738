"""The feature cache keeps apart what differs, survives damage, and perceptual distances look at the right pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from evals.backbones.flow import Flow
from evals.features import Backbone, FeatureCache, Steps, ToReference
from evals.metrics.flicker import Pixels
from magicvideo.clip import VideoClip, resize
from magicvideo.errors import InputError


def test_arrays_come_back_bit_exact(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    arrays = {
        "image": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32),
        "empty": np.zeros(0, np.float32),
    }
    cache.put("net-v1:ab12", "d" * 64, arrays)
    found = cache.get("net-v1:ab12", "d" * 64)
    assert found is not None
    assert found.keys() == arrays.keys()
    assert all(np.array_equal(found[name], arrays[name]) and found[name].dtype == np.float32 for name in arrays)


def test_other_weights_and_other_clips_are_not_found(tmp_path: Path) -> None:
    """The bug of a cache keyed by the extractor's name alone."""
    cache = FeatureCache(tmp_path)
    cache.put("net-v1:ab12", "d" * 64, {"x": np.zeros(1, np.float32)})
    assert cache.get("net-v1:ab13", "d" * 64) is None
    assert cache.get("net-v1_ab12", "d" * 64) is None, "ids that read alike on disk stay apart"
    assert cache.get("net-v1:ab12", "e" * 64) is None


def test_a_damaged_file_counts_as_absent(tmp_path: Path) -> None:
    cache = FeatureCache(tmp_path)
    cache.put("net", "d" * 64, {"x": np.zeros(50, np.float32)})
    path = cache.path("net", "d" * 64)
    for damage in (path.read_bytes()[:60], b"", b"no archive"):
        path.write_bytes(damage)
        assert cache.get("net", "d" * 64) is None


def test_a_cache_that_cannot_be_written_is_answered(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write"):
        FeatureCache(tmp_path / "file").put("net", "d" * 64, {})
    FeatureCache(None).put("net", "d" * 64, {})
    assert FeatureCache(None).get("net", "d" * 64) is None


class _Brightness:
    """Absolute difference of mean brightness."""

    id = "brightness"

    def distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        assert a.shape[1:] == b.shape[1:]
        return np.abs(a.mean((1, 2, 3)) - b.mean((1, 2, 3))).astype(np.float32)

    def steps(self, frames: np.ndarray) -> np.ndarray:
        return self.distance(frames[:-1], frames[1:])


def levels(*values: int, size: tuple[int, int] = (8, 8)) -> VideoClip:
    return VideoClip(np.stack([np.full((3, *size), v, np.uint8) for v in values]), 8.0)


def test_steps_compare_neighbours() -> None:
    (found,) = Steps(_Brightness()).observe([levels(10, 20, 50)])
    assert found["distance"].tolist() == [10, 30]
    assert Steps(_Brightness()).observe([levels(1)])[0]["distance"].shape == (0,)


def test_every_frame_is_compared_to_the_references_first_frame_at_its_own_size() -> None:
    reference = levels(20, 200, size=(4, 6))
    (found,) = ToReference(_Brightness()).observe_pairs([(levels(10, 20, 50), reference)])
    assert found["distance"].tolist() == [10, 0, 30]
    assert resize(reference, 8, 8).size == (8, 8)


def test_our_backbones_have_the_contracts_form() -> None:
    for backbone in (Pixels(), Flow(), Steps(_Brightness())):
        assert isinstance(backbone, Backbone)
        assert backbone.id

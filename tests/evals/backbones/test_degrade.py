"""Planted damage does what its name says, in range, and nothing at severity 0."""

from __future__ import annotations

import numpy as np
import pytest

from evals.train.degrade import QUALITY, TEMPORAL, Array, damage, draw_severities, quality, soften, spoil
from magicvideo.world import render, sample_scene, scene_with


def frames() -> Array:
    rng = np.random.default_rng(5)
    return render(scene_with(rng, "star", "red", "striped", "right"), np.linspace(0, 1, 16), 64)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.mark.parametrize("kind", QUALITY)
def test_more_severity_is_further_from_the_render(kind: str) -> None:
    clean = frames()[:2]
    errors = [np.abs(spoil(clean, {kind: s}, rng()) - clean).mean() for s in (0.0, 0.3, 0.9)]
    assert errors[0] < 0.01  # JPEG at quality 95 is not quite the picture
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("kind", TEMPORAL)
def test_damage_stays_in_range_and_changes_all_but_clean(kind: str) -> None:
    clean = frames()
    damaged = damage(clean, kind, 0.8, rng())
    assert damaged.shape == clean.shape
    assert damaged.dtype == np.float32
    assert damaged.min() >= 0
    assert damaged.max() <= 1
    assert np.array_equal(damaged, clean) == (kind == "clean")


def test_shuffle_keeps_the_frames_and_freeze_repeats_one() -> None:
    clean = frames()
    sums = np.sort(clean.sum((1, 2, 3)))
    np.testing.assert_array_equal(np.sort(damage(clean, "shuffle", 1.0, rng()).sum((1, 2, 3))), sums)
    frozen = damage(clean, "freeze", 1.0, rng())
    np.testing.assert_array_equal(frozen, np.broadcast_to(frozen[:1], frozen.shape))


def test_quality_is_ten_clean_and_one_ruined() -> None:
    assert quality({}) == 10
    assert quality({"blur": 1.0, "noise": 0.2}) == 1
    assert quality({"blur": 0.5, "noise": 0.5}) == pytest.approx(3.25)
    drawn = [draw_severities(np.random.default_rng(i)) for i in range(50)]
    assert {len(d) for d in drawn} == {0, 1, 2, 3}


def test_softened_clips_stay_readable_pictures() -> None:
    for seed in range(20):
        g = np.random.default_rng(seed)
        clean = render(sample_scene(g), np.linspace(0, 1, 3), 64)
        soft = soften(clean, g)
        assert soft.dtype == np.float32
        assert 0 <= soft.min() <= soft.max() <= 1
        assert np.abs(soft - clean).mean() < 0.12

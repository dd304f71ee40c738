"""Scenes: drawn from a seed, with a fixed share of combinations kept out of training."""

from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError, fields, replace
from itertools import product

import numpy as np
import pytest

from magicvideo.world import (
    BACKGROUNDS,
    COLOURS,
    MOTIONS,
    SHAPES,
    Scene,
    in_video_data,
    is_held_out,
    render,
    sample_scene,
    scene_with,
)
from magicvideo.world.scene import SIZES, SPEEDS, TEXTURES

PAIRS = list(product(SHAPES, COLOURS))


def draw(count: int, split: str = "all", seed: int = 0) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [sample_scene(rng, split) for _ in range(count)]  # type: ignore[arg-type]


def test_the_world_is_as_large_as_promised() -> None:
    assert (len(SHAPES), len(COLOURS), len(BACKGROUNDS), len(MOTIONS)) == (8, 8, 4, 11)
    for names in (SHAPES, COLOURS, BACKGROUNDS, MOTIONS):
        assert len(set(names)) == len(names)


def test_eight_pairs_are_held_out_each_shape_and_colour_once() -> None:
    held = [pair for pair in PAIRS if is_held_out(*pair)]
    assert len(held) == 8
    assert {shape for shape, _ in held} == set(SHAPES)
    assert {colour for _, colour in held} == set(COLOURS)


def test_the_held_out_pairs_never_change() -> None:
    """Trained weights depend on them."""
    held = {pair for pair in PAIRS if is_held_out(*pair)}
    assert held == {
        ("circle", "orange"),
        ("square", "purple"),
        ("triangle", "green"),
        ("star", "red"),
        ("heart", "blue"),
        ("cross", "yellow"),
        ("ring", "pink"),
        ("moon", "teal"),
    }


def test_videos_show_32_of_the_56_trained_pairs() -> None:
    shown = [pair for pair in PAIRS if in_video_data(*pair)]
    assert len(shown) == 32
    assert not any(is_held_out(*pair) for pair in shown)
    assert set(Counter(shape for shape, _ in shown).values()) == {4}
    assert set(Counter(colour for _, colour in shown).values()) == {4}


@pytest.mark.parametrize(("split", "most"), [("train", 56), ("held_out", 8), ("all", 64)])
def test_splits_keep_apart(split: str, most: int) -> None:
    seen = {(s.shape, s.colour) for s in draw(1500, split)}
    assert len(seen) == most
    if split != "all":
        assert {is_held_out(*pair) for pair in seen} == {split == "held_out"}


def test_every_attribute_occurs() -> None:
    scenes = draw(1500)
    tables = {
        "shape": SHAPES,
        "colour": COLOURS,
        "background": BACKGROUNDS,
        "motion": MOTIONS,
        "size": SIZES,
        "speed": SPEEDS,
        "texture": TEXTURES,
    }
    for name, known in tables.items():
        counts = Counter(getattr(s, name) for s in scenes)
        assert counts.keys() == set(known)
        assert min(counts.values()) > 0.5 * 1500 / len(known) ** 1.5


def test_a_seed_gives_the_same_scenes_and_another_gives_others() -> None:
    assert draw(20) == draw(20)
    assert draw(20)[:5] == draw(5)
    assert draw(20) != draw(20, seed=1)


def test_the_first_scenes_never_change() -> None:
    """Data seeds in the manifest mean these scenes."""
    scene = sample_scene(np.random.default_rng(0))
    assert (scene.shape, scene.colour, scene.background, scene.motion) == ("ring", "blue", "checkered", "right")
    assert (scene.size, scene.speed, scene.texture) == ("small", "slow", "smooth")


def test_named_attributes_are_taken() -> None:
    for names in product(SHAPES[:2], COLOURS[:2], BACKGROUNDS, MOTIONS):
        scene = scene_with(np.random.default_rng(0), *names)
        assert (scene.shape, scene.colour, scene.background, scene.motion) == names


def test_what_stands_still_has_no_speed() -> None:
    assert {s.speed for s in draw(800) if s.motion == "still"} == {"normal"}


def test_a_scene_is_plain_frozen_data() -> None:
    scene = draw(1)[0]
    with pytest.raises(FrozenInstanceError):
        scene.x = 0.0  # type: ignore[misc]
    assert hash(scene) == hash(replace(scene))
    assert all(isinstance(getattr(scene, f.name), str | float | tuple) for f in fields(scene))


def test_backgrounds_are_dull_and_shapes_stand_out() -> None:
    for scene in draw(200):
        tones = np.array(scene.tones)
        assert ((tones >= 0) & (tones <= 1)).all()
        assert (tones.max(1) - tones.min(1)).max() <= 0.2 + 1e-9
        assert np.abs(tones[0].max() - tones[1].max()) == pytest.approx(0.17)
        assert render(scene, np.zeros(1), 16).shape == (1, 3, 16, 16)

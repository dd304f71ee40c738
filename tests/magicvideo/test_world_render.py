"""The renderer: exact at any time and resolution, and each motion does what its name says. Measured on pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from magicvideo.world import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, Scene, pose, render, render_clip, sample_scene
from magicvideo.world.render import PALETTE, SDF
from magicvideo.world.scene import SIZES, SPEEDS, scene_with

Array = NDArray[np.float32]
ENDS = np.array([0.0, 1.0])


def a_scene(motion: str = "still", shape: str = "circle", colour: str = "red", **other: object) -> Scene:
    scene = scene_with(np.random.default_rng(5), shape, colour, "plain", motion)
    return replace(scene, size="medium", speed="normal", texture="smooth", **other)  # type: ignore[arg-type]


def mask(frames: Array) -> NDArray[np.bool_]:
    """Where the shape is [T,S,S]: shapes are colourful, backgrounds are not."""
    return frames.max(1) - frames.min(1) > 0.22


def centres(frames: Array) -> Array:
    """Centre of the shape's pixels [T,2] as (x, y) in shares of the side."""
    size, found = frames.shape[-1], []
    for seen in mask(frames):
        y, x = np.nonzero(seen)
        found.append(((x.mean() + 0.5) / size, (y.mean() + 0.5) / size))
    return np.array(found, np.float32)


def shrunk(frames: Array, factor: int) -> Array:
    t, c, h, w = frames.shape
    return frames.reshape(t, c, h // factor, factor, w // factor, factor).mean((3, 5))


# ---- exactness


def test_a_small_picture_is_the_large_one_seen_from_afar() -> None:
    rng = np.random.default_rng(0)
    for _ in range(25):
        scene = replace(sample_scene(rng, "all"), texture="smooth")
        times = rng.uniform(0, 1, 1)
        difference = np.abs(render(scene, times, 64) - shrunk(render(scene, times, 256), 4))
        assert difference.mean() < 0.003
        assert np.quantile(difference, 0.99) < 0.03


def test_texture_is_seen_at_128_and_fades_where_it_would_alias() -> None:
    smooth = a_scene()
    ribbed = replace(smooth, texture="ribbed")

    def seen(size: int) -> Array:
        return np.abs(render(ribbed, np.zeros(1), size) - render(smooth, np.zeros(1), size))[0].max(0)

    edge, centre = np.s_[:, :10], np.s_[40:90, 40:90]  # woven background at the left, ribs in the middle
    assert seen(128)[edge].max() > 0.03
    assert seen(128)[centre].max() > 0.06
    assert seen(64)[:, :5].max() == 0
    assert seen(64).max() < 0.03
    assert seen(32).max() == 0
    crest = (np.sin(3 * np.pi / 8) / np.sin(np.pi / 4)) ** 2  # eight and four pixels to a period of the weave
    assert seen(256)[:, :20].max() == pytest.approx(crest * seen(128)[edge].max(), rel=0.02)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    times=st.lists(st.floats(0, 1), min_size=1, max_size=4),
    size=st.sampled_from([8, 31, 64]),
)
def test_frames_are_pictures_and_times_are_independent(seed: int, times: list[float], size: int) -> None:
    scene = sample_scene(np.random.default_rng(seed), "all")
    frames = render(scene, np.array(times), size)
    assert frames.dtype == np.float32
    assert frames.shape == (len(times), 3, size, size)
    assert np.isfinite(frames).all()
    assert 0 <= frames.min() <= frames.max() <= 1
    alone = np.concatenate([render(scene, np.array([t]), size) for t in times])
    assert np.array_equal(frames, alone)


def test_the_same_scene_gives_the_same_bytes() -> None:
    scene = sample_scene(np.random.default_rng(9))
    assert render_clip(scene) == render_clip(sample_scene(np.random.default_rng(9)))
    assert render_clip(scene) != render_clip(sample_scene(np.random.default_rng(10)))


@pytest.mark.parametrize("times", [[-0.01], [1.01], [float("nan")], [0.0, 2.0], [[0.0]], 0.5])
def test_times_outside_the_clip_are_refused(times: object) -> None:
    with pytest.raises(ValueError, match=r"\[0,1\]"):
        render(a_scene(), np.array(times), 16)


def test_no_times_give_no_frames() -> None:
    assert render(a_scene(), np.zeros(0), 16).shape == (0, 3, 16, 16)


def test_a_clip_runs_from_first_to_last_moment() -> None:
    scene = a_scene("right")
    clip = render_clip(scene, frames=5, size=32, fps=4)
    assert (len(clip), clip.size, clip.fps) == (5, (32, 32), 4)
    expected = np.rint(render(scene, np.linspace(0, 1, 5), 32) * 255).astype(np.uint8)
    assert np.array_equal(clip.frames, expected)
    assert np.array_equal(render_clip(scene, frames=1, size=32).frames[0], clip.frames[0])


# ---- where things are


def test_the_shapes_pixels_follow_the_pose() -> None:
    times = np.linspace(0, 1, 5)
    for motion in MOTIONS:
        scene = a_scene(motion)
        p, frames = pose(scene, times), render(scene, times, 128)
        assert np.abs(centres(frames) - np.stack([p.x, p.y], 1)).max() < 0.006, motion
        area = mask(frames).mean((1, 2))
        assert area == pytest.approx(np.pi * (0.88 * p.radius) ** 2, rel=0.04), motion


@pytest.mark.parametrize("shape", SHAPES)
def test_a_moving_shape_is_the_still_one_put_elsewhere(shape: str) -> None:
    for motion in ("circle", "spin", "diagonal", "bounce"):
        moving = a_scene(motion, shape)
        p = pose(moving, np.array([0.7]))
        still = replace(moving, motion="still", x=float(p.x[0]), y=float(p.y[0]), angle=float(p.angle[0]))
        assert render(moving, np.array([0.7]), 48) == pytest.approx(render(still, ENDS[:1], 48), abs=1e-4)


@pytest.mark.parametrize(
    ("motion", "way"), [("left", (-1, 0)), ("right", (1, 0)), ("up", (0, -1)), ("down", (0, 1)), ("diagonal", (1, -1))]
)
@pytest.mark.parametrize("speed", SPEEDS)
def test_straight_motions_go_their_way(motion: str, way: tuple[int, int], speed: str) -> None:
    at = centres(render(replace(a_scene(motion), speed=speed), np.linspace(0, 1, 5), 96))
    steps = np.diff(at, axis=0)
    assert np.sign(np.round(steps, 2)).tolist() == [[*way]] * 4
    assert np.linalg.norm(at[-1] - at[0]) == pytest.approx(
        0.38 * SPEEDS[speed] * np.hypot(*np.array(way) * (0.85 if motion == "diagonal" else 1)), abs=0.015
    )


def test_still_is_still() -> None:
    frames = render(a_scene("still", "star"), np.linspace(0, 1, 4), 64)
    assert (frames == frames[:1]).all()


def test_a_circling_shape_stays_on_its_orbit() -> None:
    scene = a_scene("circle")
    at = centres(render(scene, np.linspace(0, 1, 8), 96)) - 0.5
    assert np.linalg.norm(at, axis=1) == pytest.approx(np.full(8, scene.orbit), abs=0.01)
    turned = np.diff(np.unwrap(np.arctan2(at[:, 1], at[:, 0])))
    assert turned.sum() == pytest.approx(2 * np.pi * 0.75, abs=0.1)
    assert turned.min() > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_spinning_turns_in_place_and_shows(shape: str) -> None:
    frames = render(a_scene("spin", shape), np.linspace(0, 1, 6), 64)
    p = pose(a_scene("spin", shape), np.linspace(0, 1, 6))
    assert p.angle[-1] - p.angle[0] == pytest.approx(np.pi)
    assert np.ptp(p.x) == np.ptp(p.y) == np.ptp(p.radius) == 0
    assert np.abs(np.diff(frames, axis=0)).max((1, 2, 3)).min() > 0.05  # a disc too: its halves differ


@pytest.mark.parametrize(("motion", "ratio"), [("grow", 2.0), ("shrink", 0.5)])
def test_growing_doubles_and_shrinking_halves(motion: str, ratio: float) -> None:
    frames = render(a_scene(motion), ENDS, 128)
    first, last = mask(frames).sum((1, 2))
    assert last / first == pytest.approx(ratio**2, rel=0.05)
    assert np.abs(np.diff(centres(frames), axis=0)).max() < 0.01


def test_bouncing_leaves_the_ground_and_comes_back() -> None:
    scene = a_scene("bounce")
    at = centres(render(scene, np.linspace(0, 1, 31), 96))
    height = 0.72 - at[:, 1]
    assert height.min() == pytest.approx(0, abs=0.02)
    assert height.max() == pytest.approx(0.42, abs=0.02)
    turns = np.diff(np.sign(np.diff(height)))
    assert (turns != 0).sum() >= 2  # up, down, up again
    assert np.ptp(at[:, 0]) < 0.01


def test_shapes_stay_in_the_picture() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        p = pose(sample_scene(rng, "all"), np.linspace(0, 1, 9))
        assert min(p.x.min(), p.y.min()) > 0
        assert max(p.x.max(), p.y.max()) < 1


# ---- what things look like


@pytest.mark.parametrize("shape", SHAPES)
def test_distances_are_negative_inside_and_about_true_lengths(shape: str) -> None:
    x, y = np.meshgrid(np.linspace(-1.2, 1.2, 241, dtype=np.float32), np.linspace(-1.2, 1.2, 241, dtype=np.float32))
    distance = SDF[shape](x, y)
    inside = (distance < 0).mean() * 2.4**2
    assert 0.5 < inside < 2.6  # of the unit disc's 3.14
    assert (distance[np.hypot(x, y) > 1.15] > 0).all()
    near = np.abs(distance) < 0.05
    gy, gx = np.gradient(distance, 0.01)
    assert np.median(np.hypot(gx, gy)[near]) == pytest.approx(1, abs=0.03)


def test_shapes_do_not_look_alike() -> None:
    masks = [mask(render(a_scene(shape=s, angle=0.0), ENDS[:1], 96))[0] for s in SHAPES]
    for i, one in enumerate(masks):
        for other in masks[i + 1 :]:
            assert (one != other).sum() > 0.1 * max(one.sum(), other.sum())


@pytest.mark.parametrize("colour", COLOURS)
def test_a_shape_has_its_colour(colour: str) -> None:
    frames = render(a_scene(colour=colour), ENDS[:1], 96)
    mean = frames[0][:, mask(frames)[0]].mean(1)
    nearest = min(PALETTE, key=lambda name: float(np.abs(np.array(PALETTE[name]) - mean).sum()))
    assert nearest == colour


def test_backgrounds_differ_and_do_not_move() -> None:
    made = {}
    for background in BACKGROUNDS:
        scene = replace(a_scene("up"), background=background, size="small")
        frames = render(scene, ENDS, 64)
        corner = frames[:, :, :, :12]
        assert np.array_equal(corner[0], corner[1]), background
        made[background] = corner[0]
    names = list(made)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            assert np.abs(made[one] - made[other]).mean() > 0.01, (one, other)


def test_the_shadow_falls_away_from_the_light() -> None:
    for light in (-2.3, -1.6):
        scene = a_scene(light=light, x=0.5, y=0.5)
        frame = render(scene, ENDS[:1], 96)[0].mean(0)
        far = SIZES["medium"] * 1.1
        away = (0.5 - far * np.cos(light), 0.5 - far * np.sin(light))
        toward = (0.5 + far * np.cos(light), 0.5 + far * np.sin(light))
        dark, lit = (frame[int(p[1] * 96), int(p[0] * 96)] for p in (away, toward))
        assert dark < lit * 0.9

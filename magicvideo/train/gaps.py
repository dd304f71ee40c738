"""Gaps between key frames for the interpolator: renders at t0, between and at t1, some worn as V2V's frames are.

A gap is mostly a seventh of the scene (8 key frames), else anything from a 31st (32 key frames) to a sixth; t is mostly
1/3 or 2/3. The world also knows where each point of the shape was and will be: where the interpolator ought to look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magicvideo.world import Scene, pose, render, sample_scene
from magicvideo.world.render import SDF
from magicvideo.world.scene import Split

Array = NDArray[np.float32]
SIZES = ((64, 16), (96, 8), (128, 4))
"""Side and number of items of a batch; about the same work each."""


@dataclass(frozen=True)
class Gap:
    """What is between two key frames; `t` in (0,1), `motion` and `known` are those of the first frame in between."""

    frames: Array
    """float32 [2+n,3,S,S] in [0,1]: first, in between, last"""
    t: float
    motion: Array
    """[4,S,S] pixels: from each pixel to its place in the first frame (dy, dx), then in the last"""
    known: Array
    """[1,S,S], above 0 where `motion` is certain: inside the shape, and on the background away from it and its shadow.
    Each of the two weighs half, whatever its area; the mean is one."""


class Batch(NamedTuple):
    """Gaps as tensors, float32."""

    first: Tensor
    """[B,3,S,S] in [0,1], as are `truth` and `last`"""
    truth: Tensor
    last: Tensor
    t: Tensor
    """[B]"""
    motion: Tensor
    """[B,4,S,S]"""
    known: Tensor
    """[B,1,S,S]"""


def gap_scenes(rng: np.random.Generator, count: int, split: Split = "train") -> list[Scene]:
    """`count` scenes in which something moves."""
    found: list[Scene] = []
    while len(found) < count:
        scene = sample_scene(rng, split)
        if scene.motion != "still":
            found.append(scene)
    return found


def gap_batch(rng: np.random.Generator) -> Batch:
    """Gaps of the training split with one frame in between, all of one size."""
    size, count = SIZES[rng.integers(len(SIZES))]
    gaps = [_turned(rng, sample_gap(rng, scene, size)) for scene in gap_scenes(rng, count)]
    frames = torch.from_numpy(np.stack([g.frames for g in gaps]))
    t = torch.tensor([g.t for g in gaps], dtype=torch.float32)
    motion, known = (torch.from_numpy(np.stack(x)) for x in ([g.motion for g in gaps], [g.known for g in gaps]))
    return Batch(frames[:, 0], frames[:, 1], frames[:, 2], t, motion, known)


def sample_gap(
    rng: np.random.Generator,
    scene: Scene,
    size: int,
    times: Sequence[float] | None = None,
    share: float | None = None,
    worn: bool | None = None,
) -> Gap:
    """A gap of `scene`; what is None is drawn: one t, the share of the scene it spans, whether it is worn (4 in 10)."""
    if share is None:
        share = 1 / 7 if rng.uniform() < 0.6 else float(np.exp(rng.uniform(np.log(1 / 31), np.log(1 / 6))))
    if times is None:
        times = [float(rng.choice([1 / 3, 2 / 3]) if rng.uniform() < 0.7 else rng.uniform(0.05, 0.95))]
    start = rng.uniform(0, 1 - share)
    at = np.clip(start + share * np.asarray([0, *times, 1]), 0, 1)
    frames = render(scene, at, size)
    if worn or (worn is None and rng.uniform() < 0.4):
        frames = wear(rng, frames, np.asarray([0, *times, 1], np.float32))
    return Gap(frames, times[0], *_motion(scene, at[[0, 1, -1]], size))


def _motion(scene: Scene, at: NDArray[Any], size: int) -> tuple[Array, Array]:
    """`Gap.motion` and `Gap.known` of the second of three times."""
    p = pose(scene, at)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    dx, dy = axis[None, :] - p.x[1], axis[:, None] - p.y[1]
    c, s = np.cos(p.angle), np.sin(p.angle)
    qx, qy = (c[1] * dx + s[1] * dy) / p.radius[1], (c[1] * dy - s[1] * dx) / p.radius[1]  # in the shape's own frame
    distance = SDF[scene.shape](qx, qy)
    inside, outside = distance * p.radius[1] * size < -0.5, distance > 0.6
    motion = []
    for k in (0, 2):
        motion.append(p.y[k] + p.radius[k] * (s[k] * qx + c[k] * qy) - axis[:, None])
        motion.append(p.x[k] + p.radius[k] * (c[k] * qx - s[k] * qy) - axis[None, :])
    known = sum(0.5 * place / max(float(place.mean()), 0.01) for place in (inside, outside))
    return size * np.stack(motion).astype(np.float32) * inside, np.asarray(known, np.float32)[None]


def wear(rng: np.random.Generator, frames: Array, at: Array) -> Array:
    """Frames [T,3,S,S] as a decoder may leave them: blurred or coarse (all alike), veiled, grainy (key frames alone).

    The veil, a soft drift of colour of its own in each key frame, is blended in between by `at` [T], the frames' times.
    """
    size, draw = frames.shape[-1], rng.uniform()
    if draw < 0.4:
        sigma = float(rng.uniform(0.3, 0.9))
        frames = np.stack([_planes(lambda x: cv2.GaussianBlur(x, (0, 0), sigma), f) for f in frames])
    elif draw < 0.7:
        frames = np.stack([_planes(lambda x: _resized(_resized(x, size // 2), size), f) for f in frames])
    amount = rng.uniform(0, 0.03)
    drift = amount * rng.standard_normal((2, 3, size // 8, size // 8), dtype=np.float32)
    first, last = (_planes(lambda x: _resized(x, size), d) for d in drift)
    frames = frames + np.stack([(1 - t) * first + t * last for t in at])
    for key in (0, -1):
        frames[key] += rng.uniform(0, 0.015) * rng.standard_normal(frames[key].shape, dtype=np.float32)
    return np.asarray(np.clip(frames, 0, 1), np.float32)


def _planes(change: Callable[[Array], Any], frame: Array) -> Array:
    """`change` applied to a frame [3,H,W] as OpenCV holds it, [H,W,3]."""
    return np.asarray(change(np.ascontiguousarray(frame.transpose(1, 2, 0))), np.float32).transpose(2, 0, 1)


def _resized(image: Any, size: int) -> Any:
    shrinking = size < image.shape[0]
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC)


def _turned(rng: np.random.Generator, gap: Gap) -> Gap:
    """The same gap with time reversed, axes swapped or channels in another order, each half of the time or so."""
    frames, t, motion, known = gap.frames, gap.t, gap.motion, gap.known
    if rng.uniform() < 0.5:
        frames, t, motion = frames[::-1], 1 - t, motion[[2, 3, 0, 1]]
    if rng.uniform() < 0.5:
        frames, motion, known = frames.swapaxes(2, 3), motion[[1, 0, 3, 2]].swapaxes(1, 2), known.swapaxes(1, 2)
    if rng.uniform() < 0.3:
        frames = frames[:, rng.permutation(3)]
    return Gap(np.ascontiguousarray(frames), t, np.ascontiguousarray(motion), np.ascontiguousarray(known))

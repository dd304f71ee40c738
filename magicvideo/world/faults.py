"""Known structure errors, planted into a picture of the world: what a reference with a fault looks like.

A fault lies always on or at the shape. Everything about it follows from (prompt, seed, kind). NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magicvideo.stage_config import Fault
from magicvideo.world.asked import named_generator, scene_for
from magicvideo.world.render import PALETTE, SDF, Array, backdrop, pose, render
from magicvideo.world.scene import Scene

REACH = 0.45
"""Radius of a bite and of a patch, in radii of the shape."""
LIMB = (1.0, 0.17)
"""Length and half width of an extra part, in radii of the shape."""
BLUR = 0.22
"""Standard deviation of the blur, in radii of the shape."""
FAR = 0.6
"""Least distance in RGB of a patch's colour from the shape's."""


@dataclass(frozen=True)
class _Place:
    """The picture's geometry around the shape at t = 0. All arrays [S,S], lengths in radii of the shape."""

    x: Array
    y: Array
    """From the shape's middle, x to the right and y down."""
    distance: Array
    """To the shape's outline, negative inside."""
    per_radius: float
    """Pixels to a radius."""

    def disc(self, x: float, y: float, radius: float) -> Array:
        """Coverage in [0,1] of a disc."""
        return self.covered(np.hypot(self.x - x, self.y - y) - np.float32(radius))

    def covered(self, distance: Array) -> Array:
        """Anti-aliased coverage in [0,1] of a signed distance."""
        return np.clip(0.5 - distance * np.float32(self.per_radius), 0, 1)


def faulty_picture(prompt: str, seed: int, kind: Fault, size: int) -> Array:
    """Float32 [1,3,size,size] in [0,1]: `scene_for(prompt, seed)` at t = 0 with the fault planted."""
    scene = scene_for(prompt, seed)
    picture = render(scene, np.zeros(1), size)
    if kind == "none":
        return picture
    rng, place = named_generator("fault", prompt, seed, kind), _place(scene, size)
    plant = {"missing_piece": _bite, "extra_part": _limb, "colour_patch": _patch, "blur": _blur}[kind]
    return np.clip(plant(picture[0], scene, place, rng), 0, 1)[None].astype(np.float32)


def _place(scene: Scene, size: int) -> _Place:
    p = pose(scene, np.zeros(1))
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    radius, angle = float(p.radius[0]), float(p.angle[0])
    x = (centres[None, :] - p.x[0]) / radius + np.zeros((size, 1), np.float32)
    y = (centres[:, None] - p.y[0]) / radius + np.zeros((1, size), np.float32)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return _Place(x, y, SDF[scene.shape](c * x + s * y, c * y - s * x), radius * size)


def _bite(picture: Array, scene: Scene, place: _Place, rng: np.random.Generator) -> Array:
    """A piece of the shape is missing: the bare background shows through."""
    x, y = _point(place, rng, -0.2, -0.04)
    gone = place.disc(x, y, REACH) * place.covered(place.distance)
    return _over(picture, backdrop(scene, picture.shape[-1]), gone)


def _limb(picture: Array, scene: Scene, place: _Place, rng: np.random.Generator) -> Array:
    """A limb of the shape's colour grows from its outline, away from its middle."""
    x, y = _point(place, rng, -0.12, 0.0)
    away = np.hypot(x, y) or 1.0
    length, width = LIMB
    dx, dy = x / away, y / away
    along = np.clip((place.x - x) * dx + (place.y - y) * dy, 0, length)
    distance = np.hypot(place.x - x - along * dx, place.y - y - along * dy) - np.float32(width)
    tone = 1.05 - 0.30 * np.clip(1 + distance / 0.08, 0, 1)  # a dark rim, like the shape's own
    body = np.asarray(PALETTE[scene.colour], np.float32)[:, None, None] * tone
    return _over(picture, body, place.covered(distance) * (1 - place.covered(place.distance)))


def _patch(picture: Array, scene: Scene, place: _Place, rng: np.random.Generator) -> Array:
    """A part of the shape has a wrong colour."""
    own = np.asarray(PALETTE[scene.colour])
    others = [name for name, rgb in PALETTE.items() if np.linalg.norm(own - rgb) > FAR]
    wrong = np.asarray(PALETTE[str(rng.choice(others))], np.float32)[:, None, None]
    x, y = _point(place, rng, -1.0, -0.12)
    return _over(picture, wrong, place.disc(x, y, REACH) * place.covered(place.distance))


def _blur(picture: Array, scene: Scene, place: _Place, rng: np.random.Generator) -> Array:
    """The shape and what is close to it are out of focus."""
    sigma = BLUR * place.per_radius
    reach = max(1, round(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    soft = picture
    for axis in (1, 2):
        soft = _convolved(soft, weights / weights.sum(), axis)
    return _over(picture, soft, np.clip(2.5 - 2 * np.hypot(place.x, place.y), 0, 1))


def _point(place: _Place, rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    """A place drawn among the pixels whose distance to the outline is in [low, high]; the nearest if none is."""
    off = np.maximum(low - place.distance, 0) + np.maximum(place.distance - high, 0)
    candidates = np.argwhere(off <= off.min())
    row, column = candidates[int(rng.integers(len(candidates)))]
    return float(place.x[row, column]), float(place.y[row, column])


def _over(below: Array, above: Array, cover: Array) -> Array:
    """One picture [3,S,S] over another, by a coverage [S,S]."""
    return below * (1 - cover) + above * cover


def _convolved(picture: Array, weights: NDArray[Any], axis: int) -> Array:
    """[3,S,S] convolved along an axis, the borders repeated."""
    reach = len(weights) // 2
    pad = [(0, 0)] * 3
    pad[axis] = (reach, reach)
    padded, length = np.pad(picture, pad, mode="edge"), picture.shape[axis]
    parts = (w * np.take(padded, range(i, i + length), axis) for i, w in enumerate(weights))
    return np.asarray(sum(parts), np.float32)

"""Renders a scene exactly, at any time in [0,1] and any resolution.

Shapes are signed distance functions (distance to the outline, negative inside) in units of the shape's radius, so
coverage is anti-aliased by distance over pixel size. Patterns finer than half a cycle a pixel are faded out, so a small
picture is what a good camera would have seen of the large one. NumPy only, float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magicvideo.clip import VideoClip, from_floats
from magicvideo.world.scene import SIZES, SPEEDS, Scene

Array = NDArray[np.floating[Any]]
PALETTE = {
    "red": (0.86, 0.16, 0.15),
    "orange": (0.95, 0.52, 0.10),
    "yellow": (0.97, 0.85, 0.20),
    "green": (0.22, 0.66, 0.28),
    "teal": (0.12, 0.70, 0.72),
    "blue": (0.17, 0.33, 0.86),
    "purple": (0.52, 0.24, 0.74),
    "pink": (0.97, 0.54, 0.73),
}
RIBS = 8.0
"""Cycles of a ribbed shape's ribs over its radius: fine enough that 128 pixels show them and 64 do not."""
WEAVE = 32.0
"""Cycles a side of a ribbed scene's woven background. At 128 pixels a period is four pixels and so lies alike in every
patch of the autoencoder: whether there is a weave is one fact about the picture, not a phase for each patch. (With 38
cycles the latents spent themselves on phases, and diffusion did not learn outlines: EXPERIMENTS.md.)"""


@dataclass(frozen=True)
class Pose:
    """Where the shape is: arrays [T]. x, y and radius in shares of the side, angle in radians."""

    x: Array
    y: Array
    radius: Array
    angle: Array


def pose(scene: Scene, times: NDArray[Any]) -> Pose:
    """The shape's pose at each time [T] in [0,1]."""
    t = np.asarray(times, np.float32)
    if t.ndim != 1 or not ((t >= 0) & (t <= 1)).all():
        raise ValueError("times must be one row of numbers in [0,1]")
    speed, motion = SPEEDS[scene.speed], scene.motion
    x, y = np.full_like(t, scene.x), np.full_like(t, scene.y)
    radius, angle = np.full_like(t, SIZES[scene.size]), np.full_like(t, scene.angle)
    travel = np.float32(0.38 * speed) * (t - 0.5)
    directions = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1), "diagonal": (0.85, -0.85)}
    if motion in directions:
        dx, dy = directions[motion]
        x, y = x + dx * travel, y + dy * travel
    elif motion == "circle":
        turn = scene.phase + 2 * np.pi * 0.75 * speed * t
        x, y = 0.5 + scene.orbit * np.cos(turn), 0.5 + scene.orbit * np.sin(turn)
    elif motion == "spin":
        angle = angle + 2 * np.pi * 0.5 * speed * t
    elif motion in ("grow", "shrink"):
        growth = np.log(2.0) * speed * (t - 0.5)
        radius = radius * np.exp(growth if motion == "grow" else -growth)
    elif motion == "bounce":
        y = y - 0.42 * np.abs(np.sin(np.pi * 1.5 * speed * t))
    return Pose(*(np.asarray(v, np.float32) for v in (x, y, radius, angle)))


def render(scene: Scene, times: NDArray[Any], size: int) -> Array:
    """Frames float32 [T,3,size,size] RGB in [0,1] at the given times [T] in [0,1]."""
    p = pose(scene, times)
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    dx = centres[None, None, :] - p.x[:, None, None]
    dy = centres[None, :, None] - p.y[:, None, None]
    light = (np.float32(np.cos(scene.light)), np.float32(np.sin(scene.light)))
    canvas = backdrop(scene, size)[None]
    shade = 1 - 0.42 * _shadow(scene, p, dx, dy, light)
    body, cover = _body(scene, p, dx, dy, light, size)
    frames = canvas * shade[:, None] * (1 - cover[:, None]) + body * cover[:, None]
    return np.clip(frames, 0, 1, out=frames)


def render_clip(scene: Scene, frames: int = 8, size: int = 64, fps: float = 8.0) -> VideoClip:
    """The whole scene from t = 0 to 1 as a clip; one frame is t = 0."""
    return from_floats(render(scene, np.linspace(0, 1, frames) if frames > 1 else np.zeros(1), size), fps)


def _body(
    scene: Scene, p: Pose, dx: Array, dy: Array, light: tuple[np.float32, np.float32], size: int
) -> tuple[Array, Array]:
    """The shape's colour [T,3,S,S] and its coverage [T,S,S] in [0,1]."""
    r = p.radius[:, None, None]
    qx, qy = _turned(dx / r, dy / r, p.angle)
    distance = SDF[scene.shape](qx, qy) * r
    cover = np.clip(0.5 - distance * size, 0, 1)
    tone = 0.86 + 0.24 * np.clip(0.5 + qx * r * size, 0, 1)  # two halves, so that a spinning disc is seen to spin
    tone *= 1 - 0.30 * _smooth(distance / r, -0.16, 0.0)  # rim
    tone *= 1 + 0.14 * (dx * light[0] + dy * light[1]) / r  # towards the light
    if scene.texture == "ribbed":
        fade = _band_limit(RIBS / p.radius / size)[:, None, None]
        tone *= 1 + 0.10 * fade * np.sin(2 * np.pi * RIBS * (qx + qy) * np.float32(np.sqrt(0.5)))
    hx, hy = dx / r - 0.38 * light[0], dy / r - 0.38 * light[1]
    gloss = 0.30 * np.exp(-(hx * hx + hy * hy) / 0.05)
    rgb = np.asarray(PALETTE[scene.colour], np.float32)[None, :, None, None]
    return rgb * tone[:, None] + gloss[:, None], cover


def _shadow(scene: Scene, p: Pose, dx: Array, dy: Array, light: tuple[np.float32, np.float32]) -> Array:
    """Soft shadow [T,S,S] in [0,1], thrown away from the light."""
    r = p.radius[:, None, None]
    qx, qy = _turned(dx / r + 0.28 * light[0], dy / r + 0.28 * light[1], p.angle)
    return 1 - _smooth(SDF[scene.shape](qx, qy), -0.22, 0.26)


def backdrop(scene: Scene, size: int) -> Array:
    """The still background [3,S,S]."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = centres[None, :], centres[:, None]
    share, direction, phase = scene.pattern
    if scene.background == "striped":
        u = x * np.float32(np.cos(direction)) + y * np.float32(np.sin(direction))
        mix = _wave(u * (4 + 2.5 * share) + phase, (4 + 2.5 * share) / size)
    elif scene.background == "checkered":
        f = 2.5 + 1.5 * share
        a, b = _wave(x * f + phase, f / size), _wave(y * f + phase, f / size)
        mix = a * (1 - b) + b * (1 - a)
    elif scene.background == "dotted":
        f = 4.5 + 2 * share
        u, v = (x * f + phase) % 1 - 0.5, (y * f + phase) % 1 - 0.5
        mix = np.clip(0.5 - (np.hypot(u, v) - 0.27) * size / f, 0, 1)
    else:
        mix = 0.35 * (y + 0 * x)
    if scene.texture == "ribbed":
        fade = _band_limit(np.asarray([WEAVE / size], np.float32))[0]
        mix = mix + 0.56 * fade * np.sin(2 * np.pi * WEAVE * x) * np.sin(2 * np.pi * WEAVE * y)
    one, two = (np.asarray(tone, np.float32)[:, None, None] for tone in scene.tones)
    return np.asarray(one + (two - one) * mix[None], np.float32)


def _turned(x: Array, y: Array, angle: Array) -> tuple[Array, Array]:
    """Coordinates in the shape's own frame, turned by `angle` [T]."""
    c, s = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    return c * x + s * y, c * y - s * x


def _smooth(value: Array, low: float, high: float) -> Array:
    """0 below `low`, 1 above `high`, a cubic in between."""
    u = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return u * u * (3 - 2 * u)


def _wave(cycles: Array, per_pixel: float) -> Array:
    """Anti-aliased square wave in [0,1] with one period a cycle; `per_pixel` cycles to a pixel."""
    to_edge = 0.25 - np.abs((cycles % 1) - 0.5)  # in cycles, positive inside the bar
    return np.clip(0.5 + to_edge / np.float32(per_pixel), 0, 1)


def _band_limit(per_pixel: Array) -> Array:
    """How much of a pattern with that many cycles a pixel is kept: 1 up to 0.36, 0 from 0.48."""
    return np.asarray(1 - _smooth(per_pixel, 0.36, 0.48), np.float32)


def _circle(x: Array, y: Array) -> Array:
    return np.hypot(x, y) - 0.88


def _box(x: Array, y: Array, a: float, b: float) -> Array:
    u, v = np.abs(x) - np.float32(a), np.abs(y) - np.float32(b)
    outside: Array = np.hypot(np.maximum(u, 0), np.maximum(v, 0))
    return outside + np.minimum(np.maximum(u, v), 0)


def _square(x: Array, y: Array) -> Array:
    return _box(x, y, 0.78, 0.78)


def _triangle(x: Array, y: Array) -> Array:
    side = np.abs(x) * np.float32(np.sqrt(0.75)) - y * np.float32(0.5)
    return np.maximum(side, y) - 0.5


def _star(x: Array, y: Array) -> Array:
    fifth, inner = 2 * np.pi / 5, 0.46
    folded = np.abs((np.arctan2(x, -y) + fifth / 2) % fifth - fifth / 2)
    rho = np.hypot(x, y)
    u, v = rho * np.cos(folded), rho * np.sin(folded)
    ex, ey = inner * np.cos(fifth / 2) - 1, inner * np.sin(fifth / 2)  # edge from the tip (1,0) to the notch
    return np.asarray(((u - 1) * ey - v * ex) / np.hypot(ex, ey), np.float32)


def _heart(x: Array, y: Array) -> Array:
    u, v = (x + y - 0.1) * np.float32(np.sqrt(0.5)), (y - 0.1 - x) * np.float32(np.sqrt(0.5))
    s = 0.52
    lobes = np.minimum(np.hypot(u, v + s), np.hypot(u + s, v)) - s
    return np.minimum(_box(u, v, s, s), lobes)


def _cross(x: Array, y: Array) -> Array:
    return np.minimum(_box(x, y, 0.92, 0.31), _box(x, y, 0.31, 0.92))


def _ring(x: Array, y: Array) -> Array:
    return np.abs(np.hypot(x, y) - 0.68) - 0.24


def _moon(x: Array, y: Array) -> Array:
    return np.maximum(np.hypot(x, y) - 0.92, 0.74 - np.hypot(x - 0.44, y + 0.1))


SDF: dict[str, Callable[[Array, Array], Array]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "cross": _cross,
    "ring": _ring,
    "moon": _moon,
}

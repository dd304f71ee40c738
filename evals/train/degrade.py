"""Known damage to rendered clips: for training that withstands it, and to plant what a metric should see.

Every function takes and gives float32 [T,3,H,W] in [0,1]; lengths are in pixels of a 64-pixel side, and randomness is
passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Rng = np.random.Generator


def each(frames: Array, change: Callable[[Array], Array]) -> Array:
    """Apply `change` to each frame as [H,W,3]; the result is clipped to [0,1]."""
    out = np.empty_like(frames)
    for target, frame in zip(out, frames, strict=True):
        target[:] = change(np.ascontiguousarray(frame.transpose(1, 2, 0))).transpose(2, 0, 1)
    np.clip(out, 0, 1, out=out)
    return out


def blur(frames: Array, sigma: float) -> Array:
    """Gaussian blur of that standard deviation."""
    return frames if sigma < 0.15 else each(frames, lambda f: cv2.GaussianBlur(f, (0, 0), sigma))


def noise(frames: Array, std: float, rng: Rng) -> Array:
    """Gaussian noise, new in each frame."""
    added = rng.standard_normal(frames.shape, np.float32) * np.float32(std)
    return np.clip(frames + added, 0, 1)


def blocks(frames: Array, quality: int) -> Array:
    """JPEG's blocks, by coding each frame at that quality (1 to 100)."""

    def code(frame: Array) -> Array:
        _, data = cv2.imencode(".jpg", np.rint(frame * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.float32) / np.float32(255)

    return each(frames, code)


def rescale(frames: Array, factor: float) -> Array:
    """Shrink by `factor` below 1 (area) and enlarge again (bicubic)."""
    h, w = frames.shape[2:]
    small = (max(8, round(w * factor)), max(8, round(h * factor)))

    def there_and_back(frame: Array) -> Array:
        less = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(less, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)

    return each(frames, there_and_back)


def cast(frames: Array, shift: NDArray[Any]) -> Array:
    """A colour cast: `shift` [3] is added to the channels."""
    return np.clip(frames + shift.astype(np.float32)[:, None, None], 0, 1)


def contrast(frames: Array, gain: float) -> Array:
    """Values move towards each frame's mean; gain 1 leaves them, 0 makes the frame grey."""
    mean = frames.mean((1, 2, 3), keepdims=True)
    return np.clip(mean + np.float32(gain) * (frames - mean), 0, 1)


def warp(frames: Array, amplitude: float, rng: Rng) -> Array:
    """Structure bent by a smooth random displacement of up to `amplitude` pixels, the same in all frames."""
    h, w = frames.shape[2:]
    field = rng.uniform(-1, 1, (6, 6, 2)).astype(np.float32) * np.float32(amplitude)
    field = np.asarray(cv2.resize(field, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)
    y, x = np.mgrid[:h, :w].astype(np.float32)
    across, down = x + field[..., 0], y + field[..., 1]
    return each(frames, lambda f: cv2.remap(f, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101))


def shuffle(frames: Array, share: float, rng: Rng) -> Array:
    """A random `share` of the frames (two at least) change places."""
    order = np.arange(len(frames))
    chosen = rng.choice(len(frames), max(2, round(share * len(frames))), replace=False)
    order[chosen] = np.roll(rng.permutation(chosen), 1)
    return frames[order]


def freeze(frames: Array, share: float, rng: Rng) -> Array:
    """A run of that share of the frames (three at least) repeats its first."""
    run = min(len(frames), max(3, round(share * len(frames))))
    start = int(rng.integers(len(frames) - run + 1))
    order = np.arange(len(frames))
    order[start : start + run] = start
    return frames[order]


def flicker(frames: Array, strength: float, rng: Rng) -> Array:
    """Each frame's brightness is scaled by 1 + strength * N(0,1)."""
    gain = 1 + strength * rng.standard_normal((len(frames), 1, 1, 1))
    return np.clip(frames * gain.astype(np.float32), 0, 1)


TEMPORAL = ("clean", "shuffle", "freeze", "flicker", "blur", "noise")
"""Damage planted in clips for the video encoder; the first is none."""


def damage(frames: Array, kind: str, severity: float, rng: Rng) -> Array:
    """Plant one kind of `TEMPORAL` damage, severity in [0,1]."""
    share = 0.2 + 0.8 * severity
    changes: dict[str, Callable[[], Array]] = {
        "clean": lambda: frames,
        "shuffle": lambda: shuffle(frames, share, rng),
        "freeze": lambda: freeze(frames, share, rng),
        "flicker": lambda: flicker(frames, 0.25 * severity, rng),
        "blur": lambda: blur(frames, 2.0 * severity),
        "noise": lambda: noise(frames, 0.12 * severity, rng),
    }
    return changes[kind]()


def soften(frames: Array, rng: Rng) -> Array:
    """What generated clips look like beside renders, mildly: blur, rescaling, noise, JPEG, gain. A third stay."""
    if rng.uniform() < 0.33:
        return frames
    if rng.uniform() < 0.4:
        frames = blur(frames, rng.uniform(0.2, 1.3))
    if rng.uniform() < 0.3:
        frames = rescale(frames, rng.uniform(0.5, 0.95))
    if rng.uniform() < 0.4:
        gain = rng.uniform(0.92, 1.08, (3, 1, 1)) * rng.uniform(0.9, 1.1)
        frames = np.clip(frames * gain.astype(np.float32), 0, 1)
    if rng.uniform() < 0.4:
        frames = noise(frames, rng.uniform(0, 0.06), rng)
    if rng.uniform() < 0.35:
        frames = blocks(frames, int(rng.integers(25, 95)))
    return frames


QUALITY = ("blur", "noise", "blocks", "cast", "contrast", "warp")
"""Damage that the quality head learned to weigh."""


def draw_severities(rng: Rng) -> dict[str, float]:
    """None to three kinds of `QUALITY` damage, each with a severity drawn from [0,1]."""
    chosen = rng.choice(QUALITY, int(rng.integers(4)), replace=False)
    return {str(kind): float(rng.uniform()) for kind in chosen}


def spoil(frames: Array, severities: dict[str, float], rng: Rng) -> Array:
    """Apply `QUALITY` damage, in proportion to its severity.

    At severity 1: blur of 2.5 px, noise of 0.2, JPEG quality 5, a cast of 0.25 in each channel (signs drawn), a quarter
    of the contrast, displacements of up to 5 px.
    """
    changes: dict[str, Callable[[Array, float], Array]] = {
        "warp": lambda f, s: warp(f, 5 * s, rng),
        "blur": lambda f, s: blur(f, 2.5 * s),
        "contrast": lambda f, s: contrast(f, 1 - 0.75 * s),
        "cast": lambda f, s: cast(f, 0.25 * s * rng.choice([-1.0, 1.0], 3)),
        "noise": lambda f, s: noise(f, 0.2 * s, rng),
        "blocks": lambda f, s: blocks(f, round(95 - 90 * s)),
    }
    for kind, change in changes.items():
        if kind in severities:
            frames = change(frames, severities[kind])
    return frames


def quality(severities: dict[str, float]) -> float:
    """1 + 9 * product of (1 - severity): 10 for a clean render, 1 for one ruined in any way."""
    return float(1 + 9 * np.prod([1 - s for s in severities.values()]))

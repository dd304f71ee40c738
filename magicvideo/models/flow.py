"""The light interpolator: optical flow both ways, frames moved to t, occlusions read from the side that sees them.

Dense inverse search (Kroeger et al., arXiv 1603.03590; OpenCV's) gives the flow, which is thrown forward to t (as in
softmax splatting, Niklaus & Liu, arXiv 2003.05534, with forward-backward consistency as the importance). A pixel at t
then reads both key frames, each weighted by whether its own flow there agrees with the motion that arrived. No weights.
It stands where MagicVideo-V2 has a pretrained light model beside its own interpolator (arXiv 2401.04468).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
TOLERANCE = 0.7
"""Pixels at a side of 128: how far two flows may differ and still mostly agree (scaled with the frame's size)."""
COLOUR_TOLERANCE = 0.06
"""Mean absolute difference of the two moved frames, in shares of full range, at which confidence has fallen to 1/e."""


@dataclass(frozen=True)
class PairFlow:
    """What two key frames float32 [3,H,W] in [0,1] know of each other; flows [H,W,2] in pixels, (dx, dy)."""

    first: Array
    last: Array
    forward: Array
    backward: Array
    forward_trust: Array
    """[H,W] in [0,1]: forward-backward consistency where `forward` starts"""
    backward_trust: Array


@dataclass(frozen=True)
class FlowFrame:
    """A frame in between, [3,H,W] in [0,1], and its confidence [H,W] in [0,1]."""

    frame: Array
    confidence: Array


def pair_flow(first: Array, last: Array) -> PairFlow:
    """Flow both ways between two frames [3,H,W] in [0,1], at least 16 pixels a side for motion to be sought."""
    a, b = _grey(first), _grey(last)
    forward, backward = _dis(a, b), _dis(b, a)
    return PairFlow(first, last, forward, backward, _consistency(forward, backward), _consistency(backward, forward))


def interpolate_flow(pair: PairFlow, t: float) -> FlowFrame:
    """The frame at t in (0,1)."""
    tolerance = _tolerance(pair.forward)
    motion, arrived = _motion_at(pair, t)
    from_first, from_last = -t * motion, (1 - t) * motion
    seen_first = _agreement(motion, _read(pair.forward, from_first), tolerance)
    seen_last = _agreement(motion, -_read(pair.backward, from_last), tolerance)
    a, b = _read(pair.first.transpose(1, 2, 0), from_first), _read(pair.last.transpose(1, 2, 0), from_last)
    weight_a, weight_b = (1 - t) * seen_first + 1e-4 * (1 - t), t * seen_last + 1e-4 * t
    total = weight_a + weight_b
    frame = (a * weight_a[..., None] + b * weight_b[..., None]) / total[..., None]
    both = np.minimum(seen_first, seen_last)
    alike = np.exp(-np.abs(a - b).mean(-1) / COLOUR_TOLERANCE)
    confidence = arrived * np.maximum(seen_first, seen_last) * (both * alike + (1 - both) * 0.5)
    return FlowFrame(np.ascontiguousarray(frame.transpose(2, 0, 1)), np.clip(confidence, 0, 1).astype(np.float32))


def _grey(frame: Array) -> NDArray[np.uint8]:
    rgb = np.rint(np.clip(frame, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY), np.uint8)


def _dis(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Array:
    """Dense inverse search at full resolution. Frames too small for its patches count as still."""
    if min(a.shape) < 16:
        return np.zeros((*a.shape, 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)
    search.setUseSpatialPropagation(True)
    return np.asarray(search.calc(a, b, np.zeros((*a.shape, 2), np.float32)), np.float32)


def _tolerance(flow: Array) -> float:
    return TOLERANCE * max(1.0, min(flow.shape[:2]) / 128)


def _consistency(one: Array, other: Array) -> Array:
    """1 where going along `one` and back along `other` returns to the start, falling to 0 with the distance missed."""
    return _agreement(one, -_read(other, one), _tolerance(one))


def _agreement(one: Array, other: Array, tolerance: float) -> Array:
    """exp(-(|one - other| / tolerance)^2), loosened by 5 % of the motion, [H,W]."""
    allowed = tolerance + 0.05 * np.linalg.norm(one, axis=-1)
    return np.asarray(np.exp(-((np.linalg.norm(one - other, axis=-1) / allowed) ** 2)), np.float32)


def _read(image: Array, flow: Array) -> Array:
    """image [H,W,C] read at x + flow, bilinear, nearest border pixel outside."""
    h, w = flow.shape[:2]
    x = np.arange(w, dtype=np.float32)[None, :] + flow[..., 0]
    y = np.arange(h, dtype=np.float32)[:, None] + flow[..., 1]
    read = cv2.remap(np.ascontiguousarray(image), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.float32).reshape(h, w, -1)


def _motion_at(pair: PairFlow, t: float) -> tuple[Array, Array]:
    """The motion from first to last of what is at each pixel at t [H,W,2], and how surely anything arrived [H,W]."""
    one = _splat(pair.forward, t * pair.forward, pair.forward_trust)
    two = _splat(-pair.backward, (1 - t) * pair.backward, pair.backward_trust)
    total = (1 - t) * one + t * two
    weight = total[..., 2]
    filled = _fill(total)
    return filled, np.clip(weight / 0.3, 0, 1).astype(np.float32)


def _splat(motion: Array, flow: Array, trust: Array) -> Array:
    """Throw motion [H,W,2] along flow with bilinear weights times trust; sums [H,W,3], the last the weights."""
    h, w = trust.shape
    x = np.arange(w, dtype=np.float32)[None, :] + flow[..., 0]
    y = np.arange(h, dtype=np.float32)[:, None] + flow[..., 1]
    x0, y0 = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    out = np.zeros((h * w, 3))
    importance = trust.astype(np.float64) + 1e-3
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        xi, yi = x0 + dx, y0 + dy
        share = (1 - np.abs(x - xi)) * (1 - np.abs(y - yi)) * importance
        inside = (xi >= 0) & (xi < w) & (yi >= 0) & (yi < h)
        cell, share = (yi * w + xi)[inside], share[inside]
        for channel, value in enumerate((motion[..., 0], motion[..., 1], np.ones_like(trust))):
            out[:, channel] += np.bincount(cell, share * value[inside], minlength=h * w)
    return out.reshape(h, w, 3).astype(np.float32)


def _fill(total: Array) -> Array:
    """Weighted sums [H,W,3] -> means [H,W,2]; where little arrived, the mean of ever wider surroundings."""
    result = np.zeros_like(total[..., :2])
    missing = np.ones(total.shape[:2], np.float32)
    for sigma in (0.0, 1.0, 2.0, 4.0, 8.0, 32.0):
        spread = total if sigma == 0 else cv2.GaussianBlur(total, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
        weight = np.asarray(spread[..., 2], np.float32)
        share = missing * np.clip(weight / 0.1, 0, 1)
        result += share[..., None] * spread[..., :2] / np.maximum(weight, 1e-6)[..., None]
        missing = missing - share
    return result

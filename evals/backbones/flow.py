"""Optical flow without weights, and what several metrics read from it: speed, warping error, predicted frames.

Dense inverse search (Kroeger et al. 2016, arXiv 1603.03590; OpenCV's medium preset) on grey frames in 0..255, scaled to
about 16384 pixels, so that neither a source's size nor a machine's memory decides a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from evals.features import Arrays
from magicvideo.clip import VideoClip, resize

AREA = 128 * 128
"""Frames are scaled to this many pixels."""
LEAST_SIDE = 16
BLOCK = 256
"""Frames that are scaled at a time."""
TOP = 0.05
RELATIVE, ABSOLUTE = 0.01, 0.5
"""Flow and its way back may differ by this share of their squared lengths plus so many squared pixels."""

Picture = NDArray[np.float32]
Field = NDArray[np.float32]
"""Flow [H,W,2] in pixels, (x, y)."""


@dataclass(frozen=True)
class Flow:
    """DIS flow as a backbone, computed once for all that reads it:

    {"speed": [T-1], "fps": [1], "short_side": [1], "warping": [T-1], "visible": [T-1], "between": [(T-1)//2]}.

    `speed`: mean of the largest 5 % of flow magnitudes over the frame's diagonal, times fps: diagonals a second.
    `short_side`: of the frame, in diagonals. `warping`, `visible`: of `warping_error`, each frame to the next.
    `between`: mean absolute difference, in grey levels 0..255, of each odd frame to what `middle` makes of its two
    neighbours; a last odd frame without a right neighbour is left out.
    """

    id: str = "dis-medium-v2"
    frames: Literal["per_frame", "per_clip"] = "per_clip"

    @cached_property
    def _dis(self) -> Any:
        cv2.setNumThreads(1)  # the same bytes on any machine
        return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [self._look(clip) for clip in clips]

    def field(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Field:
        """Flow from a to b, grey frames uint8 [H,W] in 0..255 -> float32 [H,W,2]; exactly 0 for equal frames."""
        if np.array_equal(a, b):
            return np.zeros((*a.shape, 2), np.float32)
        return np.asarray(self._dis.calc(a, b, None), np.float32)

    def _look(self, clip: VideoClip) -> Arrays:
        small = scaled(clip)
        greys = grey(small)
        diagonal = float(np.hypot(*small.size))
        found: dict[str, list[float]] = {"speed": [], "warping": [], "visible": []}
        for t, (a, b) in enumerate(pairwise(greys)):
            forward, backward = self.field(a, b), self.field(b, a)
            here, there = _picture(small, t) / np.float32(255), _picture(small, t + 1) / np.float32(255)
            error, share = warping_error(here, there, forward, backward)
            found["speed"].append(_fastest(forward) / diagonal * clip.fps)
            found["warping"].append(error)
            found["visible"].append(share)
        found["between"] = [self._missed(greys, small, t) for t in range(1, len(small) - 1, 2)]
        found |= {"fps": [clip.fps], "short_side": [min(small.size) / diagonal]}
        return {name: np.array(values, np.float32) for name, values in found.items()}

    def _missed(self, greys: NDArray[np.uint8], small: VideoClip, t: int) -> float:
        there, back = self.field(greys[t - 1], greys[t + 1]), self.field(greys[t + 1], greys[t - 1])
        guessed = middle(_picture(small, t - 1), _picture(small, t + 1), there, back)
        return float(np.abs(guessed - _picture(small, t)).mean())


def scaled(clip: VideoClip) -> VideoClip:
    """About AREA pixels a frame (bicubic, antialiased), the sides' proportion kept, no side below 16; in blocks of
    frames, so that a clip may be long."""
    h, w = clip.size
    scale = np.sqrt(AREA / (h * w))
    height, width = max(LEAST_SIDE, round(h * scale)), max(LEAST_SIDE, round(w * scale))
    blocks = [VideoClip(clip.frames[t : t + BLOCK], clip.fps) for t in range(0, len(clip), BLOCK)]
    return VideoClip(np.concatenate([resize(block, height, width).frames for block in blocks]), clip.fps)


def grey(clip: VideoClip) -> NDArray[np.uint8]:
    """uint8 [T,H,W] in 0..255, ITU-R 601."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    blocks = [clip.frames[t : t + BLOCK] for t in range(0, len(clip), BLOCK)]
    return np.concatenate([np.rint(np.tensordot(b, weights, axes=([1], [0]))).astype(np.uint8) for b in blocks])


def _picture(clip: VideoClip, t: int) -> Picture:
    """Frame t as float32 [H,W,3] in 0..255."""
    return np.ascontiguousarray(clip.frames[t].transpose(1, 2, 0), np.float32)


def _fastest(field: Field) -> float:
    """Mean of the largest 5 % of magnitudes, in pixels."""
    magnitude = np.linalg.norm(field, axis=2).ravel()
    top = max(1, round(TOP * magnitude.size))
    return float(np.partition(magnitude, -top)[-top:].mean())


def sample(picture: Picture, field: Field) -> Picture:
    """What `picture` [H,W,...] shows at x + field(x): bilinear, the border repeated."""
    h, w = field.shape[:2]
    y, x = np.mgrid[:h, :w].astype(np.float32)
    across, down = x + field[..., 0], y + field[..., 1]
    return np.asarray(cv2.remap(picture, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def visible(forward: Field, backward: Field) -> NDArray[np.bool_]:
    """[H,W]: where a pixel of the first frame is found again in the second.

    Its flow must end inside the picture, and the flow back from there must undo it:
    |f(x) + b(x+f)|^2 <= 0.01 (|f(x)|^2 + |b(x+f)|^2) + 0.5 (Sundaram, Brox & Keutzer 2010, equation 5).
    """
    h, w = forward.shape[:2]
    y, x = np.mgrid[:h, :w]
    across, down = x + forward[..., 0], y + forward[..., 1]
    inside = (across >= 0) & (across <= w - 1) & (down >= 0) & (down <= h - 1)
    back = sample(backward, forward)
    lengths = (forward**2).sum(axis=2) + (back**2).sum(axis=2)
    same = ((forward + back) ** 2).sum(axis=2) <= RELATIVE * lengths + ABSOLUTE
    return np.asarray(inside & same)


def warping_error(a: Picture, b: Picture, forward: Field, backward: Field) -> tuple[float, float]:
    """a, b [H,W,3] on [0,1] -> mean squared difference of a and b brought back by the flow, over visible pixels and
    channels, and the visible pixels' share of all (Lai et al. 2018, arXiv 1808.00449, equation 8).

    Divided by the visible pixels alone: a sum over few pixels divided by all would call hidden motion good.
    (0, 0) where nothing is visible.
    """
    seen = visible(forward, backward)
    if not seen.any():
        return 0.0, 0.0
    squared = (sample(b, forward) - a) ** 2
    return float(squared[seen].mean(dtype=np.float64)), float(seen.mean())


def middle(a: Picture, b: Picture, forward: Field, backward: Field) -> Picture:
    """The frame half way between a and b [H,W,3]: both sampled along flows from the middle, then averaged.

    The flows from the middle are Super SloMo's (Jiang et al. 2018, arXiv 1712.00080, equation 4) at t = 1/2:
    (backward - forward) / 4 to a, and its opposite to b.
    """
    to_a = np.asarray((backward - forward) / 4, np.float32)
    return np.asarray((sample(a, to_a) + sample(b, -to_a)) / 2, np.float32)

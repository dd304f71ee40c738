"""Motion magnitude: optical flow's fastest 5 %, in diagonals per second (VBench's dynamic degree before its yes/no)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evals.features import Arrays
from evals.metric import Metric, Need, Seen
from magicvideo.clip import VideoClip, resize

STEPS = Need("flow")
AREA = 128 * 128
"""Flow is computed on frames scaled to this many pixels, so that the source's size does not matter."""
LEAST_SIDE = 16
TOP = 0.05
BLOCK = 256
"""Frames that are scaled at a time."""


@dataclass(frozen=True)
class Flow:
    """Dense optical flow (DIS, Kroeger 2016; OpenCV's medium preset) as a backbone: {"speed": [T-1]}.

    A step's speed is the mean of the largest 5 % of flow magnitudes over the frame's diagonal, times fps: fractions of
    the diagonal per second, so that neither size nor frame rate matters as long as the flow follows the motion.
    """

    id: str = "dis-medium-v1"
    frames: Literal["per_frame", "per_clip"] = "per_clip"

    @cached_property
    def _dis(self) -> Any:
        import cv2

        cv2.setNumThreads(1)  # the same bytes on any machine
        return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [{"speed": self._speeds(clip)} for clip in clips]

    def _speeds(self, clip: VideoClip) -> NDArray[np.float32]:
        height, width = _small(*clip.size)
        diagonal = float(np.hypot(height, width))
        steps = pairwise(_grey(clip, height, width))
        return np.array([self._fastest(a, b) / diagonal * clip.fps for a, b in steps], np.float32)

    def _fastest(self, a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
        """Mean of the largest 5 % of flow magnitudes between two grey frames [H,W], in pixels."""
        if np.array_equal(a, b):
            return 0.0
        magnitude = np.linalg.norm(self._dis.calc(a, b, None), axis=2).ravel()
        top = max(1, round(TOP * magnitude.size))
        return float(np.partition(magnitude, -top)[-top:].mean())


def grey(clip: VideoClip) -> NDArray[np.uint8]:
    """uint8 [T,H,W], scaled to about AREA pixels with the sides' proportion kept."""
    return np.stack(list(_grey(clip, *_small(*clip.size))))


def _small(h: int, w: int) -> tuple[int, int]:
    """Sides of about AREA pixels together, their proportion kept, none below 16."""
    scale = np.sqrt(AREA / (h * w))
    return max(LEAST_SIDE, round(h * scale)), max(LEAST_SIDE, round(w * scale))


def _grey(clip: VideoClip, height: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """uint8 [height,width] a frame, scaled (bicubic, antialiased), ITU-R 601; in blocks, so that clips may be long."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    for t in range(0, len(clip), BLOCK):
        small = resize(VideoClip(clip.frames[t : t + BLOCK], clip.fps), height, width)
        yield from np.rint(np.tensordot(small.frames, weights, axes=([1], [0]))).astype(np.uint8)


def value(seen: Seen) -> float:
    """Mean of [T-1]; >= 0."""
    return float(seen[STEPS]["speed"].astype("float64").mean())


METRIC = Metric(
    name="motion_magnitude",
    title="Motion magnitude",
    unit="diagonals/s",
    higher_is_better=None,
    reads="how fast the fastest 5 % of pixels move; neither good nor bad in itself, 0 is a still picture",
    definition="top 5% of flow, fraction of the diagonal per second, mean over neighbours; frames scaled to 16384 px",
    needs=(STEPS,),
    value=value,
    min_frames=2,
    scale=(0, None),
)

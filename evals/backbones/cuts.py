"""A classical detector of cuts, without weights: colours change and the picture's layout does not carry over.

Neither is enough alone. Fast motion changes the layout and keeps the colours; a colour cast keeps the layout.
Brightness counts in neither, so that flicker is no cut. (Histograms: Zhang, Kankanhalli & Smoliar 1993; why two signs
are better than one: Lienhart 1999.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from evals.features import Arrays
from magicvideo.clip import VideoClip, resize

SIDE = 64
"""Frames are brought to this square; their proportions do not matter."""
LAYOUT_SIDE = 32
BINS = (16, 32, 32)
"""Of L in 0..100, and of a and b in -128..128 (CIELAB)."""
COLOURS, LAYOUT = 0.2, 0.5
"""Changes that count as half a cut: set between neighbours and cuts of rendered and filmed clips."""
SHARPNESS = 4

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Cuts:
    """{"probability": [T]}: of a cut between a frame and the next; the last frame's is 0.

    x^4 / (1 + x^4) with x the smaller of colour change / 0.2 and layout change / 0.5: a half where both reach their
    threshold. It ranks steps and is not calibrated.
    """

    id: str = f"cuts-classical-v1:lab16x32x32,{COLOURS},{LAYOUT}"
    frames: Literal["per_frame", "per_clip"] = "per_clip"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [{"probability": self._probabilities(clip)} for clip in clips]

    def _probabilities(self, clip: VideoClip) -> Floats:
        pictures = [np.ascontiguousarray(f.transpose(1, 2, 0)) for f in resize(clip, SIDE, SIDE).frames]
        looks = [(_colours(p), _layout(p)) for p in pictures]
        found = np.zeros(len(looks), np.float32)
        for t, ((colours, layout), (next_colours, next_layout)) in enumerate(pairwise(looks)):
            changes = (1 - np.minimum(colours, next_colours).sum()) / COLOURS, _apart(layout, next_layout) / LAYOUT
            power = max(0.0, float(min(changes))) ** SHARPNESS
            found[t] = power / (1 + power)
        return found


def _colours(picture: NDArray[np.uint8]) -> Floats:
    """[H,W,3] -> histogram [16,32,32] in CIELAB with sum 1, of the picture brought to a mean of one half, so that
    brightness does not matter; smoothed by one bin, so that a small shift stays small."""
    bright = max(float(picture.mean()), 1.0)
    lab = cv2.cvtColor(np.clip(picture.astype(np.float32) / (2 * bright), 0, 1), cv2.COLOR_RGB2LAB)
    ranges = [0, 100.001, -128, 128, -128, 128]
    counts = cv2.calcHist([lab], [0, 1, 2], None, list(BINS), ranges)
    return np.asarray(gaussian_filter(counts, 1.0, mode="nearest") / counts.sum(), np.float32)


def _layout(picture: NDArray[np.uint8]) -> Floats:
    """[H,W,3] -> grey [32,32] with mean 0 and length 1, so that brightness and contrast do not matter; 0 if uniform."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (LAYOUT_SIDE, LAYOUT_SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return small / np.float32(length) if length > LAYOUT_SIDE else np.zeros_like(small)


def _apart(a: Floats, b: Floats) -> float:
    """1 minus the correlation, in [0,2]; between two uniform pictures nothing shows but their colours: 1."""
    return 1 - float((a * b).sum())

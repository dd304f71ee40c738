"""Saturation: how colourful the pixels are, S of HSV (Smith 1978)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evals.features import Arrays
from evals.metric import Metric, Need, Seen
from magicvideo.clip import VideoClip

FRAMES = Need("saturation")


@dataclass(frozen=True)
class Saturation:
    """Mean saturation as a backbone: {"saturation": [T]}, in [0,1]."""

    id: str = "hsv-saturation-v1"
    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [{"saturation": np.array([saturation(f) for f in clip.frames], np.float32)} for clip in clips]


def saturation(frame: NDArray[np.uint8]) -> float:
    """Mean over pixels of (max - min) / max of red, green and blue, [3,H,W]; a black pixel has none."""
    most, least = frame.max(axis=0).astype(np.float64), frame.min(axis=0)
    return float(np.mean((most - least) / np.maximum(most, 1)))


def value(seen: Seen) -> float:
    """Mean of [T]; in [0,1]."""
    return float(seen[FRAMES]["saturation"].astype("float64").mean())


METRIC = Metric(
    name="saturation",
    title="Saturation",
    unit="share",
    higher_is_better=None,
    reads="how colourful the pixels are; 0 is grey, 1 is pure colour everywhere",
    definition="(max-min)/max of RGB, black 0, mean over pixels and frames",
    needs=(FRAMES,),
    value=value,
    scale=(0, 1),
)

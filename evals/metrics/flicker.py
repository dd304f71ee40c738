"""Temporal flickering: (255 - mean absolute difference of neighbouring frames) / 255 (VBench), static clips apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evals.features import Arrays
from evals.metric import Metric, Need, Seen
from evals.states import Unscored
from magicvideo.clip import VideoClip

STEPS = Need("pixels")
STATIC = 0.05
"""Grey levels of 255: below this mean difference at every step a clip counts as static."""


@dataclass(frozen=True)
class Pixels:
    """Frame differences as a backbone: {"difference": [T-1]}, mean absolute difference in grey levels 0..255."""

    id: str = "pixels-v1"
    frames: Literal["per_frame", "per_clip"] = "per_clip"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [{"difference": np.array([_difference(c, t) for t in range(len(c) - 1)], np.float32)} for c in clips]


def _difference(clip: VideoClip, t: int) -> float:
    """Mean |f_t+1 - f_t| over channels and pixels; int16, so that differences below 0 do not wrap."""
    return float(np.abs(clip.frames[t + 1].astype(np.int16) - clip.frames[t]).mean())


def value(seen: Seen) -> float | Unscored:
    """(255 - mean of [T-1]) / 255; in [0,1]."""
    difference = seen[STEPS]["difference"].astype("float64")
    if difference.max() < STATIC:
        return Unscored("static: neighbouring frames are the same, and a perfect 1 would say nothing about flicker")
    return float((255 - difference.mean()) / 255)


METRIC = Metric(
    name="flicker",
    title="Absence of flicker",
    unit="share",
    higher_is_better=True,
    reads="1 minus the mean change from frame to frame; motion lowers it too, static clips are left out",
    definition=f"(255-MAE)/255 over neighbours; static below {STATIC} levels unscored",
    needs=(STEPS,),
    value=value,
    min_frames=2,
    scale=(0, 1),
)

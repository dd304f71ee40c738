"""Duration of a clip in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from evals.features import Arrays
from evals.metric import Metric, Need, Seen
from magicvideo.clip import VideoClip

LENGTH = Need("length")


@dataclass(frozen=True)
class Length:
    """A clip's length as a backbone: {"seconds": [1]}, frames over frames a second."""

    id: str = "length-v1"
    frames: Literal["per_frame", "per_clip"] = "per_clip"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        return [{"seconds": np.array([len(clip) / clip.fps], np.float32)} for clip in clips]


def value(seen: Seen) -> float:
    """In seconds; > 0."""
    return float(seen[LENGTH]["seconds"][0])


METRIC = Metric(
    name="duration",
    title="Duration",
    unit="s",
    higher_is_better=None,
    reads="how long the video is",
    definition="frames / frames per second",
    needs=(LENGTH,),
    value=value,
    min_frames=2,
    scale=(0, None),
)

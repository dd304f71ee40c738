"""Sharpness: how much fine detail the frames hold, as the spread of their Laplacian (Pech-Pacheco 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from evals.features import Arrays
from evals.metric import Metric, Need, Seen
from magicvideo.clip import VideoClip

FRAMES = Need("detail")


@dataclass(frozen=True)
class Detail:
    """Fine detail as a backbone: {"laplacian": [T]}, the standard deviation over a frame of the discrete Laplacian.

    On grey frames (0..255) scaled to about 16384 pixels, so that the source's size does not matter.
    """

    id: str = "laplacian-v1"
    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        from evals.backbones.flow import grey, scaled  # brings OpenCV, which a look at the suites needs not

        return [{"laplacian": np.array([spread(f) for f in grey(scaled(clip))], np.float32)} for clip in clips]


def spread(frame: NDArray[np.uint8]) -> float:
    """Standard deviation of 4 f(y,x) - f(y-1,x) - f(y+1,x) - f(y,x-1) - f(y,x+1) inside a frame [H,W], in levels."""
    f = frame.astype(np.float64)
    around = f[:-2, 1:-1] + f[2:, 1:-1] + f[1:-1, :-2] + f[1:-1, 2:]
    return float(np.std(4 * f[1:-1, 1:-1] - around))


def value(seen: Seen) -> float:
    """Mean of [T]; >= 0."""
    return float(seen[FRAMES]["laplacian"].astype("float64").mean())


METRIC = Metric(
    name="sharpness",
    title="Sharpness",
    unit="levels",
    higher_is_better=None,
    reads="how much fine detail the frames hold; noise and edges count alike, 0 is a plain surface",
    definition="std of the 4-neighbour Laplacian, mean over frames; grey frames scaled to 16384 px",
    needs=(FRAMES,),
    value=value,
    scale=(0, None),
)

"""Trajectory: how far the shape's middle is from where it should be, frame by frame.

The world's shapes are saturated and its backgrounds dull (`world/scene.py`), so the middle is the centroid of colour
saturation, in the clip as in its truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.features import Arrays, aligned
from evals.metric import Metric, Need, Seen
from evals.states import Unscored
from magicvideo.clip import Frames, VideoClip

PATHS = Need("paths", of="truth")
DULL = 0.3
"""Spread between a pixel's channels, in [0,1], up to which it counts as background: tones stay below 0.2."""
LEAST_SHARE = 0.002
"""Saturated share of a picture below which there is no shape to be found."""
STILL = 0.02
"""A true path whose mean distance from its start is shorter, in sides, counts as still."""


@dataclass(frozen=True)
class Paths:
    """{"clip": [T,2], "truth": [T,2], "clip_share": [T], "truth_share": [T]}: centroids (x, y) in shares of the sides,
    and the saturated share of each frame."""

    id: str = f"saturation-paths-v1:{DULL}"

    def observe_pairs(self, pairs: Sequence[tuple[VideoClip, VideoClip]]) -> list[Arrays]:
        found = []
        for clip, truth in pairs:
            (mine, my_share), (true, true_share) = path(clip.frames), path(aligned(clip, truth).frames)
            found.append({"clip": mine, "clip_share": my_share, "truth": true, "truth_share": true_share})
        return found


def path(frames: Frames) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """uint8 [T,3,H,W] -> centroids (x, y) [T,2] in [0,1], and saturated shares [T]; (0.5, 0.5) where there is none."""
    spread = (frames.max(axis=1).astype(np.float32) - frames.min(axis=1)) / 255
    weight = np.clip(spread - np.float32(DULL), 0, None)
    _, h, w = weight.shape
    total = weight.sum(axis=(1, 2))
    x = weight.sum(axis=1) @ ((np.arange(w, dtype=np.float32) + 0.5) / w)
    y = weight.sum(axis=2) @ ((np.arange(h, dtype=np.float32) + 0.5) / h)
    middle = np.stack([x, y], axis=1) / np.maximum(total, 1e-6)[:, None]
    middle[total <= 1e-6] = 0.5
    return middle.astype(np.float32), (weight > 0).mean(axis=(1, 2)).astype(np.float32)


def error(seen: Seen) -> float | Unscored:
    """Mean over frames of the distance between the two centroids, in sides."""
    arrays = seen[PATHS]
    for whose, share in (("the truth", arrays["truth_share"]), ("the clip", arrays["clip_share"])):
        if share.min() < LEAST_SHARE:
            return Unscored(f"no coloured shape is found in frame {int(share.argmin())} of {whose}")
    return _distance(arrays["clip"], arrays["truth"])


def ratio(seen: Seen) -> float | Unscored:
    """The error over that of a clip which repeats the truth's first frame."""
    true = seen[PATHS]["truth"]
    static = _distance(true[:1], true)
    if static < STILL:
        return Unscored("the shape's middle stays where it is in the truth, and so does a static copy")
    found = error(seen)
    return found if isinstance(found, Unscored) else found / static


def _distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.hypot(*(a.astype(np.float64) - b).T).mean())


ERROR = Metric(
    name="trajectory_error",
    title="Trajectory error",
    unit="sides",
    higher_is_better=False,
    reads="mean distance of the shape's middle from its true place, as a share of the picture's side",
    definition=f"centroids of saturation above {DULL}, mean distance over frames",
    needs=(PATHS,),
    value=error,
    scale=(0, None),
)
RATIO = Metric(
    name="trajectory_ratio",
    title="Trajectory error, of a static copy's",
    unit="ratio",
    higher_is_better=False,
    reads="0 follows the true path; 1 is no better than repeating the true first frame; still scenes are left out",
    definition=f"trajectory_error over that of the truth's first frame repeated; below {STILL} sides unscored",
    needs=(PATHS,),
    value=ratio,
    min_frames=2,
    scale=(0, None),
)

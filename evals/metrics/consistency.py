"""Subject and background consistency: each frame beside the one before it and beside the first (VBench).

One rule, two networks: the subject through features of the object (VBench: DINO), the background through features of
the whole scene (VBench: CLIP).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evals.features import Array
from evals.metric import Metric, Need, Seen

SUBJECT_FRAMES, SCENE_FRAMES = Need("subject"), Need("scene")


def consistency(image: Array) -> float:
    """[T,D] L2-normalised, T >= 2 -> mean over i >= 1 of (max(0, cos(f_i-1, f_i)) + max(0, cos(f_0, f_i))) / 2."""
    f = image.astype(np.float64)
    to_last = (f[1:] * f[:-1]).sum(axis=1)
    to_first = f[1:] @ f[0]
    return float(((np.maximum(to_last, 0) + np.maximum(to_first, 0)) / 2).mean())


def _of(need: Need) -> Callable[[Seen], float]:
    return lambda seen: consistency(seen[need]["image"])


def _metric(name: str, title: str, need: Need, what: str) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="cosine",
        higher_is_better=True,
        reads=f"how far {what} stays what it was in the frame before and in the first; a frozen video has 1",
        definition="mean over i>=1 of half of max(0,cos(f_i-1,f_i))+max(0,cos(f_0,f_i))",
        needs=(need,),
        value=_of(need),
        min_frames=2,
        scale=(0, 1),
    )


SUBJECT = _metric("subject_consistency", "Subject consistency", SUBJECT_FRAMES, "the subject")
BACKGROUND = _metric("background_consistency", "Background consistency", SCENE_FRAMES, "the scene")

"""How much of a planted fault is still there: a projection onto the fault, in the first frame.

The reference shows the fault, the truth's first frame does not. Where the two differ, d = faulty - clean is the fault,
and the share r = <out - clean, d> / <d, d> of it is in the clip: 1 all of it, 0 none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evals.features import Arrays
from evals.metric import Metric, Need, Seen
from evals.states import Unscored
from magicvideo.clip import VideoClip, fit_square, resize

FAULT = Need("fault", of="both")
VISIBLE = 16
"""Grey levels of 255: the fault's mask is where some channel of faulty and clean differ by more."""
LEAST_AREA = 0.0005
"""Share of the picture below which there is no fault to speak of."""


@dataclass(frozen=True)
class Projection:
    """{"remaining": [1], "area": [1]}: the share of the fault in the clip's first frame, and of the picture it takes.

    Reference and truth are resized to the clip (bicubic, antialiased), as the stages resize what they are given.
    """

    id: str = f"fault-projection-v1:{VISIBLE}"

    def observe_triples(self, triples: Sequence[tuple[VideoClip, VideoClip, VideoClip]]) -> list[Arrays]:
        return [self._look(*triple) for triple in triples]

    def _look(self, clip: VideoClip, reference: VideoClip, truth: VideoClip) -> Arrays:
        out, faulty, clean = (_first(c, clip.size) for c in (clip, reference, truth))
        d = faulty - clean
        mask = np.abs(d).max(axis=0) > VISIBLE
        power = float((d[:, mask] ** 2).sum())
        share = float(((out - clean) * d)[:, mask].sum() / power) if power else 0.0
        return {"remaining": np.array([share], np.float32), "area": np.array([mask.mean()], np.float32)}


def _first(clip: VideoClip, size: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The first frame [3,H,W] in grey levels."""
    picture = VideoClip(clip.frames[:1], 1.0)
    fitted = fit_square(picture, size[0]) if size[0] == size[1] else resize(picture, *size)
    return fitted.frames[0].astype(np.float64)


def value(seen: Seen) -> float | Unscored:
    found = seen[FAULT]
    if found["area"][0] < LEAST_AREA:
        return Unscored("the reference is the truth's first picture: no fault was planted")
    return float(found["remaining"][0])


METRIC = Metric(
    name="fault_remaining",
    title="Planted fault remaining",
    unit="share",
    higher_is_better=False,
    reads="1: all of the reference's fault is in the first frame; 0: none; other errors at its place count too",
    definition=f"<out-clean,faulty-clean>/norm(faulty-clean)^2 where they differ by over {VISIBLE} levels, frame 0",
    needs=(FAULT,),
    value=value,
)

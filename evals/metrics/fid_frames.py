"""FID on frames: the Frechet distance of single frames' Inception features (Heusel 2017), blind to time."""

from __future__ import annotations

import numpy as np

from evals.metric import Metric, Need, Seen
from evals.metrics.fvd import frechet_total
from evals.states import Floats

INCEPTION = Need("inception")
MOST_FRAMES = 16
FEW = 10_000


def value(seen: Seen) -> Floats:
    """Features [N,2048] of at most 16 frames, evenly from the first to the last."""
    features = seen[INCEPTION]["embedding"]
    picked = np.unique(np.rint(np.linspace(0, len(features) - 1, min(MOST_FRAMES, len(features)))).astype(int))
    return features[picked].astype(np.float64)


METRIC = Metric(
    name="fid_frames",
    title="FID of frames",
    unit="squared distance",
    higher_is_better=False,
    reads="how far single frames are from the reference's as a whole, blind to time; compare only at equal numbers",
    definition=f"Frechet distance of Inception features of {MOST_FRAMES} frames a clip, float64",
    needs=(INCEPTION,),
    value=value,
    scale=(0, None),
    total=frechet_total(INCEPTION.role, FEW),
)

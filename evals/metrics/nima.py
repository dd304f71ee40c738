"""Aesthetic by NIMA: the expected rating under a predicted distribution over ten bins (Talebi & Milanfar 2017)."""

from __future__ import annotations

import numpy as np

from evals.metric import Metric, Need, Seen
from evals.states import Unscored

FRAMES = Need("nima")
TOLERANCE = 1e-3


def value(seen: Seen) -> float | Unscored:
    """Mean over frames of sum_i i p_i, p the softmax [T,10] over ratings 1..10; in [1,10]."""
    p = seen[FRAMES]["ratings"].astype(np.float64)
    if p.shape[1] != 10 or p.min() < 0 or not np.allclose(p.sum(axis=1), 1, atol=TOLERANCE):
        return Unscored("the network's ratings are no distribution over ten bins")
    return float((p @ np.arange(1, 11)).mean())


METRIC = Metric(
    name="nima",
    title="Aesthetic (NIMA)",
    unit="points of 1-10",
    higher_is_better=True,
    reads="expected rating of a photography contest's voters; most pictures lie between 4 and 6",
    definition="mean over all frames of the expectation over a ten-bin softmax",
    needs=(FRAMES,),
    value=value,
    scale=(1, 10),
)

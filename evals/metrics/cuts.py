"""Unwanted cuts: how often a clip jumps to another shot. A generated clip of one prompt should have none."""

from __future__ import annotations

import numpy as np

from evals.metric import Metric, Need, Seen

FRAMES = Need("cuts")
SURE = 0.5


def value(seen: Seen) -> float:
    """Runs of frames whose probability [T] of a cut after them exceeds 1/2; a transition over many frames is one."""
    cut = np.concatenate([[False], seen[FRAMES]["probability"] > SURE])
    return float((cut[1:] & ~cut[:-1]).sum())


METRIC = Metric(
    name="cuts",
    title="Unwanted cuts",
    unit="cuts a clip",
    higher_is_better=False,
    reads="jumps to another picture within one clip; 0 is right for a single prompt",
    definition=f"runs of frames with a probability of a cut above {SURE}",
    needs=(FRAMES,),
    value=value,
    min_frames=2,
    scale=(0, None),
)

"""Motion smoothness: drop the odd frames, predict them from their neighbours, (255 - MAE) / 255 (VBench)."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

STEPS = Need("flow")


def value(seen: Seen) -> float:
    """(255 - mean of what the prediction missed [(T-1)//2], in grey levels) / 255; in [0,1]."""
    return float((255 - seen[STEPS]["between"].astype("float64").mean()) / 255)


METRIC = Metric(
    name="motion_smoothness",
    title="Motion smoothness",
    unit="share",
    higher_is_better=True,
    reads="how well each odd frame is predicted from its two neighbours; a still picture has 1, so read motion too",
    definition="(255-MAE)/255 of odd frames; interpolator DIS flow with Super SloMo's middle flow, both sides averaged"
    "; frames scaled to 16384 px",
    needs=(STEPS,),
    value=value,
    min_frames=3,
    scale=(0, 1),
)

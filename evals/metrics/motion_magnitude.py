"""Motion magnitude: optical flow's fastest 5 %, in diagonals per second (VBench's dynamic degree before its yes/no)."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

STEPS = Need("flow")


def value(seen: Seen) -> float:
    """Mean of the speeds [T-1]; >= 0."""
    return float(seen[STEPS]["speed"].astype("float64").mean())


METRIC = Metric(
    name="motion_magnitude",
    title="Motion magnitude",
    unit="diagonals/s",
    higher_is_better=None,
    reads="how fast the fastest 5 % of pixels move; neither good nor bad in itself, 0 is a still picture",
    definition="top 5% of flow, fraction of the diagonal per second, mean over neighbours; frames scaled to 16384 px",
    needs=(STEPS,),
    value=value,
    min_frames=2,
    scale=(0, None),
)

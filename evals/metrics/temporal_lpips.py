"""Temporal LPIPS: mean over t of LPIPS(f_t, f_t+1), without a reference (not tLP, which is against ground truth)."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

STEPS = Need("perceptual_steps")


def value(seen: Seen) -> float:
    """Mean of the distances [T-1]; >= 0."""
    return float(seen[STEPS]["distance"].astype("float64").mean())


METRIC = Metric(
    name="temporal_lpips",
    title="Temporal LPIPS",
    unit="distance",
    higher_is_better=False,
    reads="how much neighbouring frames differ to the eye; falls with frame rate and with less motion",
    definition="mean over neighbours",
    needs=(STEPS,),
    value=value,
    min_frames=2,
    scale=(0, None),
)

"""NIQE: how far a frame's local statistics are from those of undistorted photographs (Mittal et al. 2013)."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

FRAMES = Need("naturalness")


def value(seen: Seen) -> float:
    """Mean of the distances [T]; >= 0."""
    return float(seen[FRAMES]["niqe"].astype("float64").mean())


METRIC = Metric(
    name="niqe",
    title="NIQE",
    unit="distance",
    higher_is_better=False,
    reads="how unlike undistorted photographs the frames are in their fine grain; compare only at one size",
    definition="mean over all frames",
    needs=(FRAMES,),
    value=value,
    scale=(0, None),
)

"""Aesthetic: mean over frames of a predicted quality of 1 to 10, by a linear head on the CLIP model's feature maps."""

from __future__ import annotations

from evals.metric import Metric, Need, Seen

FRAMES = Need("clip")


def value(seen: Seen) -> float:
    """Mean of the predictions [T]."""
    return float(seen[FRAMES]["aesthetic"].astype("float64").mean())


METRIC = Metric(
    name="aesthetic",
    title="Aesthetic",
    unit="points of 1-10",
    higher_is_better=True,
    reads="predicted picture quality; the pocket head knows defects of rendered pictures, not human taste",
    definition="mean over all frames of the quality head",
    needs=(FRAMES,),
    value=value,
)

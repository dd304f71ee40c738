"""Aesthetic: mean over frames of a predicted quality of 1 to 10, by a head on the CLIP model's features."""

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
    definition="mean over all frames of the head's prediction",
    needs=(FRAMES,),
    value=value,
)

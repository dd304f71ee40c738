"""Frechet distance on TransNet V2's features: an FVD whose network comes in a registry package. Not I3D's FVD."""

from __future__ import annotations

from evals.metrics.fvd import frechet_metric

METRIC = frechet_metric(
    "frechet_transnet",
    "Frechet distance (TransNet V2)",
    "how far the set's movement and cuts are from the reference's as a whole; compare only at equal numbers of clips",
    "Frechet distance of TransNet V2 features, float64",
    few=2048,
)

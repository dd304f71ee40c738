"""FVD-infinity on the pocket video encoder."""

from __future__ import annotations

from evals.metrics.fvd_infinity import infinity_metric

METRIC = infinity_metric(
    "fvd_pocket_infinity", "FVD-infinity (pocket encoder)", "Frechet distance of embeddings at 1/N = 0, float64"
)

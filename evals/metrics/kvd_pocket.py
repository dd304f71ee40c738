"""KVD on the pocket video encoder."""

from __future__ import annotations

from evals.distances import KVD
from evals.metrics.kvd import READS, kernel_metric

METRIC = kernel_metric(
    "kvd_pocket",
    "KVD (pocket encoder)",
    "squared MMD",
    READS,
    "unbiased MMD^2 between prompts, kernel (x.y/d+1)^3 on embeddings",
    KVD,
)

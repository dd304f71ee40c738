"""FVD on the pocket video encoder: Frechet distance of the set's embeddings to reference clips' (Unterthiner 2018).

Not I3D's FVD: named so that nobody takes its values for those. The interval shows spread between prompts only; the
estimate itself is biased upwards at small N, so sets are compared at equal N (which the protocol id names).
"""

from __future__ import annotations

from evals.metrics.fvd import VIDEO, embedding, frechet_metric

__all__ = ["METRIC", "VIDEO", "value"]

value = embedding

METRIC = frechet_metric(
    "fvd_pocket",
    "FVD (pocket encoder)",
    "how far the set's videos are from real ones as a whole; compare only at equal numbers of clips",
    "Frechet distance of embeddings, float64",
    few=256,
)

"""Arithmetic of intervals, comparisons and plans, clustered by prompt. NumPy and SciPy only: no torch, no files.

docs/statistics.md says what is computed, from which source, and how it fares in simulations.
"""

from evals.stats.clusters import DRAWS, LEVEL, Floats
from evals.stats.compared import compared
from evals.stats.corrections import ALPHA, benjamini_hochberg, fewest_clusters, holm
from evals.stats.differences import (
    RANDOM_FLIPS,
    Difference,
    Equivalence,
    equivalence,
    paired,
    sign_flip_p,
    standardised,
    tost_p,
)
from evals.stats.intervals import Interval, cluster_error, interval, score_interval, wilson
from evals.stats.planning import POWER, clusters_needed, clusters_to_settle, detectable
from evals.stats.verdicts import CLAIMS, Comparison, Verdict, judged, verdict

__all__ = [
    "ALPHA",
    "CLAIMS",
    "DRAWS",
    "LEVEL",
    "POWER",
    "RANDOM_FLIPS",
    "Comparison",
    "Difference",
    "Equivalence",
    "Floats",
    "Interval",
    "Verdict",
    "benjamini_hochberg",
    "cluster_error",
    "clusters_needed",
    "clusters_to_settle",
    "compared",
    "detectable",
    "equivalence",
    "fewest_clusters",
    "holm",
    "interval",
    "judged",
    "paired",
    "score_interval",
    "sign_flip_p",
    "standardised",
    "tost_p",
    "verdict",
    "wilson",
]
